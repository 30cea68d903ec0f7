//! Damaged copies of every test file through the decoders: none panics, hangs or takes more memory than it may.
//!
//! A thousand run with the other tests. More by hand, the same ones every time:
//!
//! ```text
//! MUTATIONS=1000000 cargo test --release -p rekindle-augment --test mutations
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rekindle_augment::{AugmentError, DecodeLimits, decode};

/// Longest time for one small file.
const LONGEST: Duration = Duration::from_secs(2);

/// Xorshift, so that a failure can be repeated by its number.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound.max(1)
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths = Vec::new();
    for folder in ["data", "data_jpeg", "data_webp", "data_tiff", "data_cases"] {
        for entry in std::fs::read_dir(tests.join(folder)).unwrap() {
            paths.push(entry.unwrap().path());
        }
    }
    // Expected pictures are PNG, of which a few are enough.
    paths.sort();
    let is_seed = |(index, path): &(usize, PathBuf)| {
        let is_png = path.extension().is_some_and(|extension| extension == "png");
        !path.to_string_lossy().ends_with(".json") && (!is_png || index % 16 == 0)
    };
    let kept = paths.into_iter().enumerate().filter(is_seed);
    let read = kept.map(|(_, path)| std::fs::read(path).unwrap());
    read.filter(|bytes| bytes.len() < 40_000).collect()
}

/// Single bytes, numbers at the edges of their types, parts that change places or come twice, and ends that are cut.
fn damage(bytes: &mut Vec<u8>, random: &mut Random, seeds: &[Vec<u8>]) {
    const EDGES: [u64; 8] = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];
    for _ in 0..1 + random.below(6) {
        let length = bytes.len();
        // Headers are short, so half of the damage goes there.
        let reach = if random.below(2) == 0 {
            length.min(400)
        } else {
            length
        };
        let at = random.below(reach);
        match random.below(9) {
            0..=2 => bytes[at] = random.next() as u8,
            3 => bytes[at] ^= 1 << random.below(8),
            4 | 5 => {
                let value = EDGES[random.below(EDGES.len())];
                let width = [1, 2, 4][random.below(3)];
                let little = random.below(2) == 0;
                for index in 0..width.min(length - at) {
                    let shift = if little { index } else { width - 1 - index };
                    bytes[at + index] = (value >> (8 * shift)) as u8;
                }
            }
            6 => {
                let end = (at + 1 + random.below(32)).min(length);
                let part = bytes[at..end].to_vec();
                let place = random.below(length);
                let stop = (place + part.len()).min(length);
                bytes[place..stop].copy_from_slice(&part[..stop - place]);
            }
            7 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let part = &other[from..(from + 64).min(other.len())];
                let stop = (at + part.len()).min(length);
                bytes[at..stop].copy_from_slice(&part[..stop - at]);
            }
            _ if length > 40 => bytes.truncate(random.below(length).max(20)),
            _ => {}
        }
    }
}

#[test]
fn damaged_files_are_errors_or_pictures_in_time() {
    let count = std::env::var("MUTATIONS").ok();
    let count: u64 = count.map_or(1000, |count| count.parse().unwrap());
    let seeds = seeds();
    assert!(seeds.len() > 150, "{}", seeds.len());
    let limits = DecodeLimits {
        max_pixels: 1 << 20,
        max_alloc_bytes: 1 << 24,
        ..DecodeLimits::default()
    };
    let mut decoded = 0;
    for number in 0..count {
        let mut random = Random((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.next();
        let mut bytes = seeds[random.below(seeds.len())].clone();
        damage(&mut bytes, &mut random, &seeds);
        let start = Instant::now();
        let result = decode(&bytes, &limits);
        assert!(
            start.elapsed() < LONGEST,
            "case {number} took {:?}",
            start.elapsed()
        );
        match result {
            Ok(_) => decoded += 1,
            Err(error) => {
                let is_panic = matches!(error, AugmentError::DecoderPanicked { .. });
                assert!(!is_panic, "case {number}: {error}");
            }
        }
    }
    println!(
        "{count} cases of {} files, of which {decoded} are pictures",
        seeds.len()
    );
    assert!(decoded > 0);
}
