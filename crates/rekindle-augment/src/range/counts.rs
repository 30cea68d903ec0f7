//! How often which number occurs, in bounded memory, and percentiles of that.
//!
//! Owns: the counts, which several threads add to at once and whose sums do not depend on the order. What a percentile is for is
//! `range.rs`'s.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whole numbers that are counted one by one: all of 16 bits, with and without sign.
const WHOLE: std::ops::RangeInclusive<i64> = -32_768..=65_535;
/// Low bits of a float of 32 bits that numbers of the same bucket may differ in.
const FINE_BITS: u32 = 11;
const BUCKETS: usize = 1 << (32 - FINE_BITS);
const FINE: usize = 1 << FINE_BITS;

/// How often each number occurs among the samples of images.
///
/// Whole numbers of 16 bits are counted one by one. Others are counted as floats of 32 bits, first by their upper 21 bits and then, where a
/// [percentile](Self::percentile) lies among them, by the others in a [second pass](Self::needs_second_pass). So percentiles are those of
/// all numbers, and memory is 0.8 MB, or 17 MB where there are others than whole numbers of 16 bits.
#[derive(Debug)]
pub struct NumberCounts {
    whole: Box<[AtomicU64]>,
    /// By the upper bits of the number's key; none before there is one.
    buckets: OnceLock<Box<[AtomicU64]>>,
    /// The least and the largest number, as keys of 64 bits.
    least: AtomicU64,
    most: AtomicU64,
    /// Buckets whose numbers are told apart in the second pass.
    fine: Vec<(usize, Box<[AtomicU64]>)>,
}

fn zeros(count: usize) -> Box<[AtomicU64]> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

/// A number of 64 bits in the order of floats.
fn order(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

fn of_order(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ 1 << 63 } else { !key })
}

/// The same of 32 bits.
fn key(number: f32) -> u32 {
    let bits = number.to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

fn of_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key })
}

/// Which of the whole numbers it is.
fn whole_place(number: f64) -> Option<usize> {
    let whole = number as i64;
    let is_whole = whole as f64 == number && WHOLE.contains(&whole);
    is_whole.then(|| (whole - WHOLE.start()) as usize)
}

fn whole_number(place: usize) -> f64 {
    (place as i64 + WHOLE.start()) as f64
}

/// The key of a number as a float of 32 bits; both zeros have that of 0.
fn narrow(number: f64) -> u32 {
    key(number as f32 + 0.0)
}

fn bucket(number: f64) -> usize {
    (narrow(number) >> FINE_BITS) as usize
}

impl Default for NumberCounts {
    /// No number yet.
    fn default() -> Self {
        Self {
            whole: zeros(WHOLE.count()),
            buckets: OnceLock::new(),
            least: AtomicU64::new(u64::MAX),
            most: AtomicU64::new(0),
            fine: Vec::new(),
        }
    }
}

impl NumberCounts {
    /// Counts these numbers, of which none may be NaN.
    pub fn add(&self, numbers: &[f64]) {
        let mut extremes = [f64::INFINITY, f64::NEG_INFINITY];
        for &number in numbers {
            extremes = [extremes[0].min(number), extremes[1].max(number)];
            let (counts, place) = match whole_place(number) {
                Some(place) => (&self.whole, place),
                None => {
                    let buckets = self.buckets.get_or_init(|| zeros(BUCKETS));
                    (buckets, bucket(number))
                }
            };
            counts[place].fetch_add(1, Ordering::Relaxed);
        }
        if !numbers.is_empty() {
            // Zero has two signs in the order of bits, and is one number.
            let [least, most] = extremes.map(|number| order(number + 0.0));
            self.least.fetch_min(least, Ordering::Relaxed);
            self.most.fetch_max(most, Ordering::Relaxed);
        }
    }

    /// The least and the largest number; none where there is none.
    pub fn extremes(&self) -> Option<[f64; 2]> {
        let [least, most] = [&self.least, &self.most].map(|key| key.load(Ordering::Relaxed));
        (least <= most).then(|| [least, most].map(of_order))
    }

    /// Whether these percentiles lie among numbers that are told apart only by [`Self::add_again`] of all numbers; it is then called for
    /// each as [`Self::add`] was.
    pub fn needs_second_pass(&mut self, places: &[f64]) -> bool {
        if self.buckets.get().is_none() {
            return false;
        }
        let totals = self.totals();
        let count = totals.iter().sum();
        let ranks = places.iter().flat_map(|place| ranks(*place, count).0);
        let mut wanted: Vec<usize> = ranks.map(|rank| find(&totals, rank).0).collect();
        wanted.sort_unstable();
        wanted.dedup();
        self.fine = wanted.into_iter().map(|at| (at, zeros(FINE))).collect();
        !self.fine.is_empty()
    }

    /// Counts numbers for the second time.
    pub fn add_again(&self, numbers: &[f64]) {
        for &number in numbers {
            let key = narrow(number);
            let of = (key >> FINE_BITS) as usize;
            if let Some((_, counts)) = self.fine.iter().find(|(bucket, _)| *bucket == of) {
                counts[key as usize % FINE].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The number that so many percent of all numbers are not above, from 0 to 100: NumPy's `percentile` with the method `linear`. None
    /// where there is no number, or the second pass that it needs is missing.
    pub fn percentile(&self, place: f64) -> Option<f64> {
        let is_whole = self.buckets.get().is_none();
        let counts = match is_whole {
            true => self
                .whole
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect(),
            false => self.totals(),
        };
        let count: u64 = counts.iter().sum();
        if count == 0 {
            return None;
        }
        let (ranks, share) = ranks(place, count);
        let number = |rank: u64| {
            let (at, inside) = find(&counts, rank);
            if is_whole {
                return Some(whole_number(at));
            }
            let (_, fine) = self.fine.iter().find(|(bucket, _)| *bucket == at)?;
            let fine: Vec<u64> = fine
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect();
            let (low, _) = find(&fine, inside);
            Some(f64::from(of_key((at << FINE_BITS | low) as u32)))
        };
        let [low, high] = [number(ranks[0])?, number(ranks[1])?];
        // As NumPy does it, from the nearer end.
        Some(match share < 0.5 {
            true => low + (high - low) * share,
            false => high - (high - low) * (1.0 - share),
        })
    }

    /// How many numbers each bucket has, the whole ones among them.
    fn totals(&self) -> Vec<u64> {
        let mut totals = match self.buckets.get() {
            Some(buckets) => buckets
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect(),
            None => vec![0; BUCKETS],
        };
        for (place, count) in self.whole.iter().enumerate() {
            totals[bucket(whole_number(place))] += count.load(Ordering::Relaxed);
        }
        totals
    }
}

/// The two ranks that a percentile lies between, from 0, and how far it is from the first to the second.
fn ranks(place: f64, count: u64) -> ([u64; 2], f64) {
    let last = count.saturating_sub(1);
    let exact = last as f64 * (place / 100.0);
    let low = (exact.floor() as u64).min(last);
    ([low, (low + 1).min(last)], exact - low as f64)
}

/// Where the number of a rank was counted, and its rank there.
fn find(counts: &[u64], rank: u64) -> (usize, u64) {
    let mut before = 0;
    for (at, count) in counts.iter().enumerate() {
        if rank < before + count {
            return (at, rank - before);
        }
        before += count;
    }
    (counts.len().saturating_sub(1), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// NumPy's definition, from all numbers in order.
    fn expected(numbers: &[f64], place: f64) -> f64 {
        let mut sorted: Vec<f64> = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let exact = (sorted.len() - 1) as f64 * (place / 100.0);
        let low = exact.floor() as usize;
        let high = (low + 1).min(sorted.len() - 1);
        let share = exact - low as f64;
        match share < 0.5 {
            true => sorted[low] + (sorted[high] - sorted[low]) * share,
            false => sorted[high] - (sorted[high] - sorted[low]) * (1.0 - share),
        }
    }

    fn counted(numbers: &[f64], places: &[f64]) -> Vec<f64> {
        let mut counts = NumberCounts::default();
        numbers.chunks(7).for_each(|part| counts.add(part));
        if counts.needs_second_pass(places) {
            numbers.chunks(5).for_each(|part| counts.add_again(part));
        }
        let found = places.iter().map(|place| counts.percentile(*place));
        found.map(Option::unwrap).collect()
    }

    #[test]
    fn keys_keep_the_order_of_floats() {
        let numbers = [
            f32::NEG_INFINITY,
            -3.5,
            -1e-30,
            0.0,
            1e-30,
            0.5,
            7.0,
            f32::INFINITY,
        ];
        assert!(numbers.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(numbers.iter().all(|number| of_key(key(*number)) == *number));
        assert!(
            numbers
                .iter()
                .all(|number| of_order(order(f64::from(*number))) == f64::from(*number))
        );
    }

    #[test]
    fn no_number_has_no_percentile_and_one_is_all_of_them() {
        let none = NumberCounts::default();
        assert_eq!((none.percentile(50.0), none.extremes()), (None, None));
        assert_eq!(counted(&[-0.0], &[0.0, 37.0, 100.0]), [0.0; 3]);
        assert_eq!(counted(&[0.1], &[3.0]), [f64::from(0.1f32)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn percentiles_of_whole_numbers_and_floats_are_those_of_all_in_order(
            whole in prop::collection::vec(-32_768i32..65_536, 0..60),
            floats in prop::collection::vec(-1e3f32..1e3, 0..60),
            near in prop::collection::vec(1000.0f32..1000.01, 1..20),
            places in prop::collection::vec(0.0f64..=100.0, 1..5),
        ) {
            let mut numbers: Vec<f64> = whole.into_iter().map(f64::from).collect();
            let only_whole = counted(&[&numbers[..], &[1.0]].concat(), &places);
            let found: Vec<f64> = places.iter().map(|place| expected(&[&numbers[..], &[1.0]].concat(), *place)).collect();
            prop_assert_eq!(only_whole, found);
            numbers.extend(floats.into_iter().chain(near).map(f64::from));
            let found: Vec<f64> = places.iter().map(|place| expected(&numbers, *place)).collect();
            prop_assert_eq!(counted(&numbers, &places), found);
        }
    }
}
