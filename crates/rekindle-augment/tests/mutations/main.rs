//! Odd files through the decoders: none panics, hangs or takes more memory than it may.
//!
//! A half are test files of which bytes were changed, a quarter were put together from the parts of such (`splice.rs`), a quarter are made by the
//! grammar of their format (`grammar.rs`). A thousand run with the other tests. More by hand, the same ones every time, here a million from
//! the two millionth on:
//!
//! ```text
//! MUTATIONS=1000000 MUTATIONS_FROM=2000000 cargo test --release -p rekindle-augment --test mutations -- --nocapture
//! ```

mod grammar;
mod random;
mod splice;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::random::Random;
use rekindle_augment::{
    AlphaUse, AugmentError, DecodeLimits, JpegScaling, PixelBox, Reading, RegionRequest,
    SampleRange, TiffPlanes, decode, decode_region, read_header, verify_pixels, wide_numbers,
};

/// Longest time for one small file.
const LONGEST: Duration = Duration::from_secs(2);

fn seeds() -> Vec<Vec<u8>> {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths = Vec::new();
    for folder in [
        "data",
        "data_jpeg",
        "data_webp",
        "data_tiff",
        "data_cases",
        "data_stacks",
    ] {
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

/// One of the files, by its number: bytes changed anywhere, parts put together anew, or made from nothing.
fn case(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let own = &seeds[random.below(seeds.len())];
    let other = &seeds[random.below(seeds.len())];
    match random.below(4) {
        0 => {
            let mut bytes = grammar::file(random);
            if random.below(4) == 0 {
                damage(&mut bytes, random, seeds);
            }
            bytes
        }
        1 => splice::splice(own, other, random).unwrap_or_else(|| own.clone()),
        _ => {
            let mut bytes = own.clone();
            damage(&mut bytes, random, seeds);
            bytes
        }
    }
}

/// What was seen of the files of a format.
#[derive(Default)]
struct Seen {
    cases: u64,
    pictures: u64,
    slowest: Duration,
}

#[test]
fn damaged_files_are_errors_or_pictures_in_time() {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse().unwrap())
    };
    let first = number("MUTATIONS_FROM", 0);
    let count = number("MUTATIONS", 1000);
    let seeds = seeds();
    assert!(seeds.len() > 150, "{}", seeds.len());
    let mut limits = DecodeLimits {
        max_pixels: 1 << 20,
        max_alloc_bytes: 1 << 24,
        ..DecodeLimits::default()
    };
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut wrong = Vec::new();
    for number in first..first + count {
        let mut random = Random((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.next();
        let bytes = case(&mut random, &seeds);
        // Stacks, bands and alpha are ways of their own through a decoder.
        limits.channels = [3, 3, 3, 1, 4, 2][random.below(6)];
        limits.reading = Reading {
            tiff_planes: [TiffPlanes::First, TiffPlanes::Channels, TiffPlanes::All]
                [random.below(3)],
            alpha: [AlphaUse::White, AlphaUse::Ignore][random.below(2)],
        };
        limits.range = match random.below(4) {
            0 => SampleRange::Bits(12),
            _ => SampleRange::Full,
        };
        let start = Instant::now();
        let result = match random.below(8) {
            0 => verify_pixels(&bytes, &limits).map(|_| ()),
            1 => wide_numbers(&bytes, &limits, &mut |_| {}),
            2 => region(&bytes, &limits, &mut random),
            _ => decode(&bytes, &limits).map(|_| ()),
        };
        let taken = start.elapsed();
        let format = read_header(&bytes, &limits)
            .map_or("none".to_owned(), |header| header.format.to_string());
        let seen = seen.entry(format).or_default();
        seen.cases += 1;
        seen.pictures += u64::from(result.is_ok());
        seen.slowest = seen.slowest.max(taken);
        if taken >= LONGEST {
            wrong.push(format!("case {number} took {taken:?}"));
        }
        if let Err(error @ AugmentError::DecoderPanicked { .. }) = result {
            wrong.push(format!("case {number}: {error}"));
        }
        assert!(wrong.len() < 20, "{}", wrong.join("\n"));
    }
    println!("{count} cases from {first} on, of {} files", seeds.len());
    for (format, seen) in &seen {
        println!(
            "{format}: {} cases, {} of them pictures, the slowest {:?}",
            seen.cases, seen.pictures, seen.slowest
        );
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && let Some(most) = status.lines().find(|line| line.starts_with("VmHWM"))
    {
        println!("{most}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.values().any(|seen| seen.pictures > 0));
}

/// A part of a picture, as a random crop takes one.
fn region(bytes: &[u8], limits: &DecodeLimits, random: &mut Random) -> Result<(), AugmentError> {
    let scaling = [JpegScaling::Reduced, JpegScaling::Full][random.below(2)];
    let found = decode_region(bytes, limits, scaling, |width, height| {
        let [left, top] = [width, height].map(|side| random.below(side as usize) as u32);
        let crop = PixelBox {
            left,
            top,
            width: 1 + random.below((width - left) as usize) as u32,
            height: 1 + random.below((height - top) as usize) as u32,
        };
        RegionRequest {
            crop,
            width: 8,
            height: 8,
        }
    });
    found.map(|_| ())
}
