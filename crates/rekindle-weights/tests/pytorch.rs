//! Checkpoints that torch 2.15.0 wrote (make_pytorch.py beside), and what hostile hands make of them.

use std::path::{Path, PathBuf};

use rekindle_weights::{FileError, FileKind, PytorchFile};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn eighths(count: usize) -> Vec<f32> {
    (0..count).map(|number| number as f32 / 8.0).collect()
}

#[test]
fn every_container_gives_the_values_that_were_saved_in_every_number_format() {
    for (name, prefix) in [
        ("zip.pth", ""),
        ("legacy.pth", ""),
        ("checkpoint.pth", "state_dict."),
    ] {
        let file = PytorchFile::open(&path(name), name).unwrap();
        let read = |key: &str| {
            let key = format!("{prefix}{key}");
            file.read(&[&key]).unwrap().remove(0)
        };
        assert_eq!(read("conv.weight").shape, [2, 3, 1, 1]);
        assert_eq!(read("conv.weight").values, eighths(6));
        for key in ["conv.bias", "bn.weight", "bn.running_var"] {
            assert_eq!(read(key).values, eighths(2), "{name} {key}");
        }
        assert_eq!(read("fc.weight").shape, [2, 3]);
        assert_eq!(
            read("fc.weight").values,
            [0.0, 0.25, 0.5, 0.125, 0.375, 0.625]
        );
        let mut names: Vec<&str> = file
            .names()
            .filter(|name| name.starts_with(prefix))
            .collect();
        names.sort();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(
            !names
                .iter()
                .any(|name| name.contains("num_batches_tracked"))
        );
        assert!(file.read(&["none"]).is_err());
    }
}

#[test]
fn a_checkpoint_that_asks_for_code_is_refused_by_the_name_of_what_it_asks_for() {
    for name in ["attack.pth", "attack_legacy.pth", "attack.pkl"] {
        let error = PytorchFile::open(&path(name), name).unwrap_err();
        assert!(
            matches!(&error, FileError::AsksForCode { callable, .. } if callable == "posix.system"),
            "{error}"
        );
        assert!(error.to_string().contains("Nothing of it was run"));
    }
}

#[test]
fn a_tensor_that_repeats_one_number_a_thousand_million_times_is_out_of_proportion() {
    let file = PytorchFile::open(&path("expanded.pth"), "it").unwrap();
    let error = file.read(&["big"]).unwrap_err();
    assert!(
        matches!(
            error,
            FileError::OutOfProportion {
                found: 4_294_967_296,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn whole_numbers_are_no_weights() {
    let file = PytorchFile::open(&path("ints.pth"), "it").unwrap();
    assert!(matches!(
        file.read(&["ints"]).unwrap_err(),
        FileError::ElementType { .. }
    ));
}

/// A generator as good as a test needs.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit.max(1)
    }
}

/// `REKINDLE_MUTATIONS` sets how many mutants of each file are read; each ends in values or an error with a name.
#[test]
fn a_damaged_checkpoint_is_an_error_or_values_and_never_more() {
    let count = std::env::var("REKINDLE_MUTATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(300);
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("f.pth");
    let mut draw = Draw(7);
    let (mut refused, mut read) = (0, 0);
    for name in ["zip.pth", "legacy.pth", "checkpoint.pth"] {
        let whole = std::fs::read(path(name)).unwrap();
        for _ in 0..count {
            let mut bytes = whole.clone();
            for _ in 0..=draw.below(4) {
                let at = draw.below(bytes.len());
                match draw.below(6) {
                    0 => bytes[at] = draw.below(256) as u8,
                    1 => bytes[at] ^= 1 << draw.below(8),
                    2 => bytes.truncate(at.max(1)),
                    3 => bytes.insert(at, draw.below(256) as u8),
                    4 => {
                        let from = draw.below(bytes.len());
                        let part: Vec<u8> = bytes[from..(from + 16).min(bytes.len())].to_vec();
                        bytes.splice(at..(at + part.len()).min(bytes.len()), part);
                    }
                    _ => {
                        let end = (at + 8).min(bytes.len());
                        bytes[at..end].fill(0xff);
                    }
                }
            }
            std::fs::write(&target, &bytes).unwrap();
            let head = &bytes[..bytes.len().min(FileKind::NEEDED)];
            let outcome = FileKind::of(head, "f")
                .and_then(|_| PytorchFile::open(&target, "f"))
                .and_then(|file| {
                    let mut names: Vec<&str> = file.names().collect();
                    names.sort();
                    file.read(&names)
                });
            match outcome {
                Ok(_) => read += 1,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    println!("{refused} refused, {read} read");
    assert!(refused > 0 && read > 0);
}
