//! The directories of a TIFF: its tags and their values.
//!
//! Owns: byte order, classic and big files, and the reading of values. It does not know what a tag means. EXIF blocks are such files.
//!
//! Source: TIFF revision 6.0, section 2; the BigTIFF design of libtiff.

/// Byte order and widths of a file's numbers, and where its first directory lies.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct File<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_little: bool,
    is_big: bool,
    first: u64,
}

/// One value or list of values.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where the values lie.
    at: u64,
}

/// The tags of one page.
#[derive(Debug, Clone)]
pub(in crate::decode) struct Directory<'a> {
    file: File<'a>,
    entries: Vec<Entry>,
    /// Where the next one lies; 0 for none.
    pub(super) next: u64,
}

impl<'a> File<'a> {
    /// The header of a file; none where it is no TIFF.
    pub(in crate::decode) fn open(bytes: &'a [u8]) -> Option<Self> {
        let is_little = match bytes.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let mut file = Self {
            bytes,
            is_little,
            is_big: false,
            first: 0,
        };
        match file.number(2, 2)? {
            42 => file.first = file.number(4, 4)?,
            43 => {
                file.is_big = true;
                file.first = file.number(8, 8)?;
            }
            _ => return None,
        }
        Some(file)
    }

    /// Bytes at a place; none where they reach behind the end.
    fn slice(&self, at: u64, length: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(at).ok()?;
        let end = usize::try_from(at.checked_add(length)?).ok()?;
        self.bytes.get(start..end)
    }

    fn number(&self, at: u64, length: u64) -> Option<u64> {
        let bytes = self.slice(at, length)?;
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(match self.is_little {
            true => bytes.iter().rev().fold(0, join),
            false => bytes.iter().fold(0, join),
        })
    }

    /// The directory of the first page; none where it reaches behind the end.
    pub(in crate::decode) fn first(&self) -> Option<Directory<'a>> {
        self.directory(self.first)
    }

    /// The directory at a place; none where it reaches behind the end.
    pub(super) fn directory(&self, at: u64) -> Option<Directory<'a>> {
        let (count_bytes, entry_bytes, wide) = match self.is_big {
            true => (8, 20, 8),
            false => (2, 12, 4),
        };
        let count = self.number(at, count_bytes)?;
        let start = at.checked_add(count_bytes)?;
        let length = count.checked_mul(entry_bytes)?;
        self.slice(start, length)?;
        let entries = (0..count).map(|index| {
            let at = start + index * entry_bytes;
            let kind = self.number(at + 2, 2)? as u16;
            let count = self.number(at + 4, wide)?;
            let value_at = at + 4 + wide;
            let fits = count
                .checked_mul(width(kind))
                .is_some_and(|length| length <= wide);
            Some(Entry {
                tag: self.number(at, 2)? as u16,
                kind,
                count,
                at: match fits {
                    true => value_at,
                    false => self.number(value_at, wide)?,
                },
            })
        });
        Some(Directory {
            file: *self,
            entries: entries.collect::<Option<_>>()?,
            next: self.number(start + length, wide).unwrap_or(0),
        })
    }
}

/// Bytes of a value of a type; types that are not known have one.
fn width(kind: u16) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

impl<'a> Directory<'a> {
    fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    pub(in crate::decode) fn has(&self, tag: u16) -> bool {
        self.entry(tag).is_some()
    }

    /// A tag of TIFF itself whose values lie behind the end of the file; a missing value would be taken for the usual one. Private tags
    /// are not looked at.
    pub(super) fn cut_tag(&self) -> Option<u16> {
        let mut tags = self.entries.iter().map(|entry| entry.tag);
        tags.find(|tag| *tag < 700 && self.bytes(*tag).is_none())
    }

    /// The bytes of a tag's values; none where it is missing or they reach behind the end.
    pub(in crate::decode) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entry(tag)?;
        let length = entry.count.checked_mul(width(entry.kind))?;
        self.file.slice(entry.at, length)
    }

    /// Whole numbers that are not negative; none where there are none of them.
    pub(super) fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let entry = self.entry(tag)?;
        if !matches!(entry.kind, 1 | 3 | 4 | 6 | 8 | 9 | 13 | 16..=18) {
            return None;
        }
        let width = width(entry.kind);
        self.bytes(tag)?;
        (0..entry.count)
            .map(|index| self.file.number(entry.at + index * width, width))
            .collect()
    }

    /// The first value of a tag, where it is a whole number of any type.
    pub(in crate::decode) fn number(&self, tag: u16) -> Option<u64> {
        let value = self.values(tag, 1)?.first().copied()?;
        (value >= 0.0 && value.fract() == 0.0 && value < 9e15).then_some(value as u64)
    }

    /// Values of any type of number, at most `most` of them.
    pub(super) fn values(&self, tag: u16, most: u64) -> Option<Vec<f64>> {
        let entry = self.entry(tag)?;
        let file = &self.file;
        let signed = |value: u64, bits: u32| (value << (64 - bits)) as i64 >> (64 - bits);
        let value = |index: u64| {
            let step = width(entry.kind);
            let at = entry.at.checked_add(index.checked_mul(step)?)?;
            let number = |at, length| file.number(at, length);
            Some(match entry.kind {
                1 | 3 | 4 | 13 | 16 | 18 => number(at, step)? as f64,
                6 => signed(number(at, 1)?, 8) as f64,
                8 => signed(number(at, 2)?, 16) as f64,
                9 => signed(number(at, 4)?, 32) as f64,
                17 => number(at, 8)? as i64 as f64,
                5 => number(at, 4)? as f64 / number(at + 4, 4)? as f64,
                10 => signed(number(at, 4)?, 32) as f64 / signed(number(at + 4, 4)?, 32) as f64,
                11 => f64::from(f32::from_bits(number(at, 4)? as u32)),
                12 => f64::from_bits(number(at, 8)?),
                _ => return None,
            })
        };
        (0..entry.count.min(most)).map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A little-endian file of one directory with one tag of a type, two values and four bytes of them.
    fn file(kind: u16, count: u32, value: u32) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0\x01\0".to_vec();
        bytes.extend(274u16.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
        bytes.extend([0; 4]);
        // What a rational lies at.
        bytes.extend([6, 0, 0, 0, 1, 0, 0, 0]);
        bytes
    }

    #[test]
    fn the_first_value_counts_whatever_its_type() {
        for (kind, count, value) in [(3, 1, 6), (3, 2, 6), (4, 1, 6), (9, 1, 6), (5, 1, 26)] {
            let bytes = file(kind, count, value);
            let directory = File::open(&bytes).unwrap().first().unwrap();
            assert_eq!(directory.number(274), Some(6), "type {kind}");
            assert_eq!(directory.number(275), None);
        }
        // A text and a fraction are no number.
        for (kind, value) in [(2, 6), (11, 0x3f00_0000)] {
            let bytes = file(kind, 1, value);
            let directory = File::open(&bytes).unwrap().first().unwrap();
            assert_eq!(directory.number(274), None);
        }
    }

    #[test]
    fn values_and_directories_behind_the_end_are_none() {
        let bytes = file(4, 1000, 26);
        let directory = File::open(&bytes).unwrap().first().unwrap();
        assert_eq!(directory.numbers(274), None);
        assert!(File::open(&bytes).unwrap().directory(1000).is_none());
        for length in 0..22 {
            assert!(
                File::open(&bytes[..length])
                    .and_then(|file| file.first())
                    .is_none()
            );
        }
    }
}
