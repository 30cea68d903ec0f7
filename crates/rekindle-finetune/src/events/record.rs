//! One event file: its name, and how an event becomes a record in it. What the events say is `message.rs`'s.
//!
//! A record is its length, a checksum of these eight bytes, the event, and a checksum of that: the form of TensorFlow's records.
//! Source: `tensorflow/core/lib/io/record_writer.cc`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::message;
use super::protobuf::Message;

/// TensorBoard reads every file whose name has this in it.
const PREFIX: &str = "events.out.tfevents.";

/// A file that events are appended to.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Makes a new file in a folder, and the folder, and writes what files begin with.
    ///
    /// # Errors
    ///
    /// With the path that cannot be written.
    pub fn create(
        folder: &Path,
        host: &str,
        now: SystemTime,
    ) -> Result<Self, (PathBuf, io::Error)> {
        fs::create_dir_all(folder).map_err(|error| (folder.into(), error))?;
        // Readers take the files of a folder in the order of their names, which begin with the second.
        let mut second = seconds(now) as u64;
        if let Some(last) = last_second(folder) {
            second = second.max(last + 1);
        }
        let process = std::process::id();
        let host: String = host
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() || letter == '-' {
                    letter
                } else {
                    '_'
                }
            })
            .collect();
        let path = folder.join(format!("{PREFIX}{second:010}.{host}.{process}"));
        let opened = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = opened.map_err(|error| (path.clone(), error))?;
        let mut events = Self { path, file };
        events.add(0, now, message::version())?;
        Ok(events)
    }

    /// Appends an event at once.
    ///
    /// # Errors
    ///
    /// With the path that cannot be written.
    pub fn add(
        &mut self,
        step: u64,
        now: SystemTime,
        event: Message,
    ) -> Result<(), (PathBuf, io::Error)> {
        let what = event.into_bytes();
        let mut event = Message::default()
            .double(1, seconds(now))
            .number(2, step)
            .into_bytes();
        event.extend(what);
        let written = self.file.write_all(&record(&event));
        written.map_err(|error| (self.path.clone(), error))
    }
}

/// Seconds since 1970.
pub fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// The second in the name of the newest file of a folder.
fn last_second(folder: &Path) -> Option<u64> {
    let second = |entry: io::Result<fs::DirEntry>| {
        let name = entry.ok()?.file_name();
        let rest = name.to_str()?.strip_prefix(PREFIX)?;
        rest.split('.').next()?.parse().ok()
    };
    fs::read_dir(folder).ok()?.filter_map(second).max()
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let parts = [&length[..], &checksum(&length), event, &checksum(event)];
    parts.concat()
}

/// CRC-32C, turned and moved so that a record within a record does not have its own checksum.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let sum = crc32c::crc32c(bytes);
    sum.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const KNOWN: &str =
        "1a00000000000000129bd82d09000000000000f83f10031a0d627261696e2e4576656e743a32e3c0b95c";

    #[test]
    fn records_are_those_of_tensorboards_own_writer() {
        // tensorboard 2.21.0: RecordWriter(f).write(Event(wall_time=1.5, step=3, file_version="brain.Event:2").SerializeToString())
        let event = Message::default()
            .double(1, 1.5)
            .number(2, 3)
            .bytes(3, "brain.Event:2");
        let found: String = record(&event.into_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(found, KNOWN);
    }

    #[test]
    fn a_later_file_has_a_later_name_in_the_same_second_too() {
        let folder = tempfile::tempdir().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let names: Vec<PathBuf> = (0..3)
            .map(|_| EventFile::create(folder.path(), "a.b", now).unwrap().path)
            .collect();
        assert!(names.is_sorted() && names[0] != names[1], "{names:?}");
        let name = names[0].file_name().unwrap().to_str().unwrap();
        assert!(
            name.starts_with("events.out.tfevents.1700000000.a_b."),
            "{name}"
        );
    }
}
