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

/// A fresh directory to run the binary in.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory for the test");
        Self { folder }
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
        let computes = matches!(args.first(), Some(&("train" | "evaluate" | "predict")));
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
