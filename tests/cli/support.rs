//! A fresh directory with tiny images, and the binary run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

/// Side of the images in pixels.
const SIDE: u32 = 32;

/// The classes of [`Place::photos`] with their colours.
const CLASSES: [(&str, [u8; 3]); 3] = [
    ("apple", [200, 30, 30]),
    ("leaf", [40, 180, 50]),
    ("sky", [60, 90, 220]),
];

/// Settings under which a run takes a second.
pub const TINY: &[&str] = &[
    "--set",
    "input.size=[32,32]",
    "--set",
    "phase1.epochs=3",
    "--set",
    "phase2.epochs=2",
];

/// What the binary did.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Outcome {
    /// The same outcome, which must be a success without a panic.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.calm()
    }

    /// The same outcome, which must be an error whose message has all these words.
    #[track_caller]
    pub fn error(self, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(
            self.stderr.lines().any(|line| line.starts_with("error: ")),
            "{self:?}"
        );
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in {self:?}");
        }
        self.calm()
    }

    /// The same outcome, which must hold no panic and no control characters.
    #[track_caller]
    pub fn calm(self) -> Self {
        for text in [&self.stdout, &self.stderr] {
            assert!(
                !text.contains("panicked") && !text.contains("a mistake in rekindle"),
                "{self:?}"
            );
            assert!(
                !text
                    .chars()
                    .any(|letter| letter.is_control() && letter != '\n'),
                "control characters in {self:?}"
            );
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// The device of the tests.
pub fn device() -> String {
    std::env::var("REKINDLE_TEST_DEVICE").unwrap_or_else(|_| "cpu".into())
}

/// Whether a run gives the same bytes each time: on a CPU. A GPU may add up in another order, so its last digits differ.
pub fn gives_the_same_bytes() -> bool {
    ["cpu", "flex", "ndarray", "cubecl-cpu"].contains(&device().as_str())
}

/// How far the figures of two equal runs may lie apart on a GPU, relative to the largest of their column and phase, and in how many epochs.
/// Phase 1 trains one layer, which keeps differences as small as they were. Phase 2 blows them up step by step: a seventh digit becomes a
/// third one, and later nothing is alike. So it is held to its first epochs, in which a run that lost its optimiser or order shows it.
const APART: [(&str, f64, usize); 2] = [("phase1", 1e-4, usize::MAX), ("phase2", 5e-2, 4)];

/// Whether two figures of phases that amplify nothing are the same: to the byte on a CPU, to phase 1's tolerance on a GPU.
pub fn same_figure(found: &str, expected: &str) -> bool {
    if gives_the_same_bytes() {
        return found == expected;
    }
    let [found, expected] = [found, expected].map(|figure| figure.parse::<f64>().unwrap());
    (found - expected).abs() <= APART[0].1 * expected.abs()
}

/// Two runs' metrics.csv must be equal: to the byte on a CPU, nearly on a GPU.
#[track_caller]
pub fn assert_same_metrics(found: &str, expected: &str) {
    if !gives_the_same_bytes() {
        return near(found, expected).unwrap();
    }
    // Line by line first, since a message with a thousand of them is of no use.
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found, expected);
}

/// Says which figure of two metrics.csv is the first to be farther apart than [`APART`].
fn near(found: &str, expected: &str) -> Result<(), String> {
    for (phase, apart, epochs) in APART {
        let [found, expected] = [found, expected].map(|text| columns(text, phase));
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            if found.len() != expected.len() {
                return Err(format!("{} epochs against {}", found.len(), expected.len()));
            }
            let largest = expected.iter().copied().map(f64::abs).fold(0.0, f64::max);
            let far = |(found, expected): &(&f64, &f64)| {
                (*found - *expected).abs() > apart * largest || found.is_nan()
            };
            if let Some((found, expected)) = found.iter().zip(expected).take(epochs).find(far) {
                return Err(format!("{phase} {name}: {found} against {expected}"));
            }
        }
    }
    Ok(())
}

/// The numbers of a phase in a metrics.csv, by column. Which epochs were the best so far is left out: the last digit can decide it.
fn columns(csv: &str, phase: &str) -> Vec<(String, Vec<f64>)> {
    let mut lines = csv.lines();
    let names = lines.next().unwrap().split(',');
    let rows: Vec<Vec<&str>> = lines
        .map(|line| line.split(',').collect())
        .filter(|row: &Vec<&str>| row[0] == phase)
        .collect();
    names
        .enumerate()
        .filter(|(_, name)| !["phase", "best"].contains(name))
        .map(|(at, name)| {
            let values = rows.iter().map(|row| row[at].parse().unwrap()).collect();
            (name.to_owned(), values)
        })
        .collect()
}

/// A fresh directory to run the binary in.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    /// Beside it: nothing of the user's own cache is read or written.
    caches: TempDir,
}

impl Place {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory for the test");
        let caches = tempfile::tempdir().expect("a directory for caches");
        Self { folder, caches }
    }

    /// One with `photos`, three classes of eight images.
    pub fn with_photos() -> Self {
        let place = Self::new();
        for (class, _) in CLASSES {
            place.add_images(&format!("photos/{class}"), class, 8);
        }
        place
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path in the directory where the binary keeps its cache.
    pub fn cache_path(&self, name: &str) -> PathBuf {
        self.caches.path().join("rekindle").join(name)
    }

    /// Adds images of a class to a folder.
    pub fn add_images(&self, folder: &str, class: &str, count: u8) {
        let colour = CLASSES
            .iter()
            .find(|(name, _)| *name == class)
            .map_or([128; 3], |(_, colour)| *colour);
        let folder = self.path(folder);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..count {
            // A gradient whose slope tells the images apart.
            let image = RgbImage::from_fn(SIDE, SIDE, |x, y| {
                let light = (x * u32::from(number) + y * 3) as u8;
                Rgb(colour.map(|value| value.saturating_add(light / 4)))
            });
            image.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Copies one of the pathological images of tests/data/bad.
    pub fn add_bad(&self, name: &str, to: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/bad")
            .join(name);
        self.write(to, fs::read(from).unwrap());
    }

    /// The bytes of a file.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The binary with arguments, to be run here; the device of the tests is added where a command takes one.
    pub fn command(&self, args: &[&str]) -> Command {
        let computes = matches!(
            args.first(),
            Some(
                &("train"
                    | "evaluate"
                    | "predict"
                    | "explain"
                    | "serve"
                    | "bench"
                    | "ensemble"
                    | "stack"
                    | "calibrate"
                    | "familiarity")
            )
        );
        let says = |word: &&str| ["--device", "--resume", "--help"].contains(word);
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekindle"));
        command.args(args);
        if computes && !args.iter().any(says) {
            command.args(["--device", &device()]);
        }
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env("XDG_CACHE_HOME", self.caches.path())
            // No test needs the network, or sees what the user has cached.
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_HOME", self.caches.path().join("huggingface"))
            .env_remove("HF_HUB_CACHE")
            .env_remove("HF_ENDPOINT")
            .env_remove("HF_TOKEN")
            .env_remove("RUST_BACKTRACE")
            .env_remove("COLUMNS");
        command
    }

    /// Runs the binary.
    pub fn rekindle(&self, args: &[&str]) -> Outcome {
        self.command(args).output().expect("the binary runs").into()
    }

    /// Trains on `photos` as the run `name`, with tiny settings and more arguments.
    pub fn train(&self, name: &str, more: &[&str]) -> Outcome {
        self.rekindle(&[&["train", "photos", "--name", name], TINY, more].concat())
    }

    /// Every file in a folder with its bytes, sorted by path.
    pub fn snapshot(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => files.push((path.clone(), fs::read(path).unwrap())),
                }
            }
        }
        files.sort();
        files
    }
}

/// A place with `photos` and the finished run `runs/done`, shared by the tests that only read it.
pub fn trained() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Place::with_photos();
        place.train("done", &["--seed", "5"]).success();
        place
    })
}

#[test]
fn figures_are_near_when_only_their_last_digits_differ() {
    let csv = |loss: &str, best: bool| {
        format!(
            "phase,epoch,train_loss,best\nphase1,1,1.0e0,true\nphase1,2,{loss},{best}\nphase2,1,0.2,false\n"
        )
    };
    let first = csv("1.234567e-1", true);
    assert_eq!(near(&first, &csv("1.234559e-1", false)), Ok(()));
    let error = near(&first, &csv("1.244567e-1", true)).unwrap_err();
    assert_eq!(error, "phase1 train_loss: 0.1234567 against 0.1244567");
    let longer = format!("{first}phase2,2,0.2,false\n");
    assert!(near(&longer, &first).is_err());
    assert!(near(&csv("NaN", true), &first).is_err());
}
