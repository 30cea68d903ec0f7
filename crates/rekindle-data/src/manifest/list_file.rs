//! A list as text: which files may be lists, and in which encoding they are.
//!
//! What the text means is the formats' (`formats.rs`).

use std::{borrow::Cow, fs, path::Path};

use super::ManifestError;

/// Extensions of files that are lists whatever is in them.
const ALWAYS: [&str; 4] = ["csv", "tsv", "jsonl", "ndjson"];
/// Extensions of files that are lists where their beginning looks like one.
const PERHAPS: [&str; 3] = ["json", "txt", "lst"];
/// As much of a list as decides what it is.
const HEAD_BYTES: usize = 64 << 10;

/// A list, read into memory.
#[derive(Debug)]
pub(super) struct ListFile<'a> {
    pub path: &'a Path,
    /// In lower case.
    pub extension: String,
    /// Without a byte order mark.
    pub text: String,
}

impl<'a> ListFile<'a> {
    /// Reads a file that may be a list by its name; none for a file of another kind.
    ///
    /// # Errors
    /// The file cannot be read, or is no text although its name says so.
    pub fn open(path: &'a Path) -> Result<Option<Self>, ManifestError> {
        let extension = match path.extension().and_then(|extension| extension.to_str()) {
            Some(extension) => extension.to_lowercase(),
            None => return Ok(None),
        };
        let always = ALWAYS.contains(&extension.as_str());
        if !always && !PERHAPS.contains(&extension.as_str()) {
            return Ok(None);
        }
        let bytes = fs::read(path).map_err(|source| ManifestError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        match text_of_bytes(&bytes) {
            Ok(text) => Ok(Some(Self {
                path,
                extension,
                text: text.into_owned(),
            })),
            Err(_) if !always => Ok(None),
            Err((line, reason)) => Err(ManifestError::Line {
                path: path.to_path_buf(),
                line,
                reason,
            }),
        }
    }

    /// Whether its extension is one of these.
    pub fn is_called(&self, extensions: &[&str]) -> bool {
        extensions.contains(&self.extension.as_str())
    }

    /// The lines of its beginning that are not blank.
    pub fn first_lines(&self) -> impl Iterator<Item = &str> {
        let mut end = self.text.len().min(HEAD_BYTES);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let lines = self.text[..end].lines().map(str::trim);
        lines.filter(|line| !line.is_empty())
    }
}

/// The text of UTF-8, or of UTF-16 as spreadsheets save "Unicode text"; or the line that is neither, and why.
fn text_of_bytes(bytes: &[u8]) -> Result<Cow<'_, str>, (u64, String)> {
    let pairs = |order: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units = bytes.chunks(2).map(|pair| match *pair {
            [first, second] => order([first, second]),
            // Half a unit is none.
            _ => 0xdc00,
        });
        let text: Result<String, _> = char::decode_utf16(units).collect();
        let reason = "it is not valid UTF-16; save the file as UTF-8";
        text.map(Cow::Owned).map_err(|_| (1, reason.to_owned()))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => return pairs(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => return pairs(u16::from_be_bytes, rest),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => {
            return pairs(u16::from_le_bytes, bytes);
        }
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => {
            return pairs(u16::from_be_bytes, bytes);
        }
        _ => {}
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
            let reason = format!("it is not valid UTF-8 ({error}); save the file as UTF-8");
            (line, reason)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_and_utf_16_are_read_with_and_without_their_marks() {
        let text = "path,label\né.png,\u{1f415}\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe".to_vec(), little.clone()].concat(),
            [b"\xfe\xff".to_vec(), big.clone()].concat(),
            little,
            big,
        ] {
            assert_eq!(text_of_bytes(&bytes).unwrap(), text);
        }
    }

    #[test]
    fn what_is_neither_is_told_with_its_line() {
        assert_eq!(text_of_bytes(b"a\nb\n\xe9\n").unwrap_err().0, 3);
        let (_, reason) = text_of_bytes(b"\xff\xfea\0b").unwrap_err();
        assert!(reason.contains("UTF-16"), "{reason}");
    }
}
