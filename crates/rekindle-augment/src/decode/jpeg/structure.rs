//! The segments of a JPEG file.
//!
//! Owns: the walk from marker to marker, which finds cut files and passes over what is neither header nor data. It does not know
//! what a segment means.

use std::ops::Range;

use crate::error::AugmentError;
use crate::format::Format;

/// Where the segments of a JPEG file lie.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// Marker code and content of each segment that has a content.
    pub(super) segments: Vec<(u8, Range<usize>)>,
    /// Markers that lie between the first scan's data and the next segment: positions, in order.
    pub(super) restarts: Vec<usize>,
    /// Where the data of the first scan ends.
    pub(super) data_end: usize,
}

impl Structure {
    /// Walks from marker to marker up to the end-of-image marker, which a cut file lacks. Pillow refuses such files too.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, AugmentError> {
        let cut = |reason: &str| AugmentError::Truncated {
            format: Format::Jpeg,
            bytes: bytes.len(),
            reason: reason.to_string(),
        };
        let mut structure = Self::default();
        let mut scans = 0;
        let mut position = 2;
        loop {
            let marker = next_marker(bytes, position)
                .ok_or_else(|| cut("there is no end-of-image marker"))?;
            let code = bytes[marker + 1];
            if matches!(code, 0x01 | 0xd0..=0xd8) {
                if scans == 1 {
                    structure.restarts.push(marker);
                }
                position = marker + 2;
                continue;
            }
            if scans == 1 && structure.data_end == 0 {
                structure.data_end = marker;
            }
            if code == END_OF_IMAGE {
                return Ok(structure);
            }
            let length = match bytes.get(marker + 2..marker + 4) {
                Some(length) => usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return Err(cut("it ends inside a segment")),
            };
            let end = marker + 2 + length.max(2);
            if end > bytes.len() {
                return Err(cut("it ends inside a segment"));
            }
            structure.segments.push((code, marker + 4..end));
            scans += usize::from(code == START_OF_SCAN);
            position = end;
        }
    }
}

pub(super) const END_OF_IMAGE: u8 = 0xd9;
pub(super) const START_OF_SCAN: u8 = 0xda;

/// Appends the entropy-coded bytes of a range without the stuffed zeros and without fill bytes.
pub(super) fn append_unstuffed(bytes: &[u8], range: Range<usize>, output: &mut Vec<u8>) {
    let bytes = &bytes[..range.end];
    let mut from = range.start;
    while let Some(position) = next_ff(bytes, from) {
        output.extend_from_slice(&bytes[from..position]);
        from = position + 1;
        if bytes.get(from) == Some(&0) {
            output.push(0xff);
            from += 1;
        }
    }
    output.extend_from_slice(bytes.get(from..).unwrap_or_default());
}

/// Position of the next marker at or after `from`: an 0xff that is neither stuffed (0x00 follows) nor a fill byte (0xff
/// follows). Restart markers inside a scan are markers too, without a segment.
pub(in crate::decode) fn next_marker(bytes: &[u8], from: usize) -> Option<usize> {
    let mut position = from;
    loop {
        position = next_ff(bytes, position)?;
        match bytes.get(position + 1)? {
            0x00 => position += 2,
            0xff => position += 1,
            _ => return Some(position),
        }
    }
}

/// Position of the next 0xff. Whole blocks without one are passed over at once, which the compiler turns into vector code.
fn next_ff(bytes: &[u8], from: usize) -> Option<usize> {
    const BLOCK: usize = 32;
    let rest = bytes.get(from..)?;
    let has_none = |block: &&[u8]| !block.iter().fold(false, |any, byte| any | (*byte == 0xff));
    let passed = BLOCK * rest.chunks_exact(BLOCK).take_while(has_none).count();
    let found = rest[passed..].iter().position(|&byte| byte == 0xff)?;
    Some(from + passed + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_and_fill_bytes_are_no_markers() {
        assert_eq!(
            next_marker(&[1, 0xff, 0x00, 2, 0xff, 0xff, 0xd9], 0),
            Some(5)
        );
        assert_eq!(next_marker(&[1, 0xff, 0x00, 2], 0), None);
        assert_eq!(next_marker(&[1, 0xff], 0), None);
        assert_eq!(next_marker(&[], 4), None);
    }

    #[test]
    fn every_ff_is_found_in_blocks_and_behind_them() {
        for place in 0..100 {
            let mut bytes = vec![0xfe; 100];
            bytes[place] = 0xff;
            for from in 0..=100 {
                let expected = (from <= place).then_some(place);
                assert_eq!(next_ff(&bytes, from), expected, "{place} from {from}");
            }
        }
    }

    #[test]
    fn stuffing_and_fill_bytes_are_taken_out() {
        let bytes = [9, 1, 0xff, 0, 2, 0xff, 0xff, 0, 0xff];
        let mut output = Vec::new();
        append_unstuffed(&bytes, 1..9, &mut output);
        assert_eq!(output, [1, 0xff, 2, 0xff]);
    }
}
