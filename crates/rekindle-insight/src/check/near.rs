//! Which 64-bit hashes are near each other, without comparing all with all.
//!
//! Owns: the search. It knows nothing of pictures.

use rayon::prelude::*;

/// Most bits that two near hashes may differ by: with one bit of tolerance in each of four parts, seven are found for certain.
pub(super) const MOST_BITS: u32 = 7;
/// Parts of a hash.
const PARTS: u32 = 4;
/// Most pairs of one place, the nearest ones: whoever has more belongs to a crowd that others hold together too.
const MOST_PAIRS: usize = 256;
/// Bits of a part, and so the number of neighbours at a distance of one bit.
const PART_BITS: u32 = 16;

/// The pairs of different places whose hashes differ by at most `bits` bits (at most 7), with the number of bits; the smaller place
/// comes first, and pairs are sorted. Of each place with later ones, the 256 nearest are given.
///
/// Hashes that differ by at most 7 bits differ by at most one bit in one of their four 16-bit parts. So each part has a table from its
/// value to the places that have it, and each hash is compared with what stands there under its own values and those one bit away. Of
/// evenly spread hashes that is one in a thousand; the time grows with the square of their number only where many share a part.
///
/// Source: M. Norouzi, A. Punjani, D. J. Fleet, "Fast search in Hamming space with multi-index hashing", 2012.
pub(super) fn near_pairs(hashes: &[u64], bits: u32) -> Vec<(usize, usize, u32)> {
    let bits = bits.min(MOST_BITS);
    let tables: Vec<Table> = (0..PARTS).map(|part| Table::new(hashes, part)).collect();
    (0..hashes.len())
        .into_par_iter()
        .flat_map_iter(|place| {
            let mut found = Vec::new();
            for (number, table) in tables.iter().enumerate() {
                let own = part_of(hashes[place], table.part);
                let flips = std::iter::once(0).chain((0..PART_BITS).map(|bit| 1u16 << bit));
                for other in flips.flat_map(|flip| table.places(own ^ flip)) {
                    let other = *other as usize;
                    let difference = hashes[place] ^ hashes[other];
                    let distance = difference.count_ones();
                    // A pair is taken from the smaller place, and from the first table that has it.
                    let taken_before =
                        (0..number as u32).any(|part| part_of(difference, part).count_ones() <= 1);
                    if other > place && distance <= bits && !taken_before {
                        found.push((place, other, distance));
                    }
                }
            }
            if found.len() > MOST_PAIRS {
                found.sort_unstable_by_key(|&(_, other, distance)| (distance, other));
                found.truncate(MOST_PAIRS);
            }
            found.sort_unstable();
            found
        })
        .collect()
}

fn part_of(hash: u64, part: u32) -> u16 {
    (hash >> (part * PART_BITS)) as u16
}

/// The places of all hashes, by the value of one part.
struct Table {
    part: u32,
    /// Where the places of each value begin, and where the last ones end.
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl Table {
    fn new(hashes: &[u64], part: u32) -> Self {
        let mut places: Vec<u32> = (0..hashes.len() as u32).collect();
        places.sort_unstable_by_key(|&place| (part_of(hashes[place as usize], part), place));
        let mut starts = vec![0u32; (1 << PART_BITS) + 1];
        for &hash in hashes {
            starts[usize::from(part_of(hash, part)) + 1] += 1;
        }
        for value in 1..starts.len() {
            starts[value] += starts[value - 1];
        }
        Self {
            part,
            starts,
            places,
        }
    }

    fn places(&self, value: u16) -> &[u32] {
        let value = usize::from(value);
        &self.places[self.starts[value] as usize..self.starts[value + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all_with_all(hashes: &[u64], bits: u32) -> Vec<(usize, usize, u32)> {
        let distance = |a: usize, b: usize| (hashes[a] ^ hashes[b]).count_ones();
        (0..hashes.len())
            .flat_map(|a| (a + 1..hashes.len()).map(move |b| (a, b)))
            .map(|(a, b)| (a, b, distance(a, b)))
            .filter(|pair| pair.2 <= bits)
            .collect()
    }

    proptest! {
        #[test]
        fn the_same_pairs_are_found_as_by_comparing_all(
            bases in prop::collection::vec(any::<u64>(), 1..6),
            flips in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(0u32..64, 0..9)), 0..40),
            bits in 0u32..=7,
        ) {
            let hashes: Vec<u64> = flips
                .iter()
                .map(|(base, flips)| flips.iter().fold(*base.get(&bases), |hash, bit| hash ^ 1 << bit))
                .collect();
            prop_assert_eq!(near_pairs(&hashes, bits), all_with_all(&hashes, bits));
        }
    }

    #[test]
    fn a_pair_is_found_among_a_hundred_thousand() {
        let mut rng = rekindle_augment::SampleRng::new(1, 2, 3);
        let mut hashes: Vec<u64> = (0..100_000).map(|_| rng.next_u64()).collect();
        hashes[77_000] = hashes[123] ^ 1 << 60 ^ 1 << 30 ^ 1 << 5;
        assert_eq!(near_pairs(&hashes, 6), [(123, 77_000, 3)]);
    }

    #[test]
    fn of_a_crowd_the_nearest_are_given() {
        let hashes: Vec<u64> = (0..400)
            .map(|place| u64::from(place % 2 == 1) << 9)
            .collect();
        let pairs = near_pairs(&hashes, 6);
        let of_first: Vec<_> = pairs.iter().filter(|pair| pair.0 == 0).collect();
        assert_eq!(of_first.len(), 256);
        assert_eq!(of_first.iter().filter(|pair| pair.2 == 0).count(), 199);
    }

    #[test]
    fn a_pair_at_seven_bits_is_found_and_one_at_eight_is_not() {
        let seven = 0b11 | 0b11 << 16 | 0b11 << 32 | 0b1 << 48;
        assert_eq!(near_pairs(&[0, seven], 7), [(0, 1, 7)]);
        assert_eq!(near_pairs(&[0, seven | 0b11 << 48], 7), []);
        assert_eq!(near_pairs(&[], 7), []);
    }
}
