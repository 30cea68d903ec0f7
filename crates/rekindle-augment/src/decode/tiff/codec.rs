//! The bytes of a strip or tile, unpacked.
//!
//! Owns: the compressions of TIFF as streams of bytes, so that a picture is read row by row. Samples are `samples.rs`'s.
//!
//! Source: TIFF revision 6.0, sections 9 to 13 and 22; Adobe's technical notes; libtiff for the numbers of later compressions.

use std::borrow::Cow;
use std::io::{Cursor, Read, Result as IoResult};

use flate2::read::ZlibDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::fax::{self, Code};
use super::lzw;

/// Why data cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The data ends before its pixels do.
    End,
    /// It contradicts its format.
    Damage(&'static str),
}

/// How strips and tiles are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Fax(Code),
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
    Zstd,
}

impl Compression {
    /// The compression of a number; an error names one that is not read.
    pub(super) fn of(number: u64, group3_options: u64) -> Result<Self, String> {
        let name = match number {
            1 => return Ok(Self::None),
            2 => return Ok(Self::Fax(Code::ModifiedHuffman)),
            3 => {
                let is_two = group3_options & 1 != 0;
                return Ok(Self::Fax(Code::Group3 { is_two }));
            }
            4 => return Ok(Self::Fax(Code::Group4)),
            5 => return Ok(Self::Lzw),
            7 => return Ok(Self::Jpeg),
            8 | 32946 => return Ok(Self::Deflate),
            32773 => return Ok(Self::PackBits),
            50000 => return Ok(Self::Zstd),
            6 => "JPEG of the old kind (compression 6)",
            9 | 10 | 34661 => "JBIG",
            32771 => "CCITT in words",
            32809 => "ThunderScan",
            33003..=33005 | 34712 => "JPEG 2000",
            34676 | 34677 => "SGI LogLuv",
            34887 => "LERC",
            34892 => "lossy JPEG of a raw photograph",
            34925 => "LZMA",
            34933 => "PNG",
            34934 => "JPEG XR",
            50001 => "WebP",
            50002 => "JPEG XL",
            other => return Err(format!("compression {other}")),
        };
        Err(format!("compression with {name}"))
    }
}

/// The unpacked bytes of `data`. Fax codes have rows of `width` bits, of which `rows` are needed, and LZW gives `needed` bytes. JPEG is not packed bytes, so it is not
/// read here.
pub(super) fn open<'a>(
    compression: Compression,
    data: Cow<'a, [u8]>,
    width: usize,
    rows: usize,
    needed: usize,
) -> Result<Box<dyn Read + 'a>, Fault> {
    Ok(match compression {
        Compression::None | Compression::Jpeg => Box::new(Cursor::new(data)),
        Compression::Fax(code) => Box::new(Cursor::new(fax::decode(&data, width, rows, code)?)),
        Compression::Lzw => Box::new(Cursor::new(lzw::decode(&data, needed)?)),
        Compression::Deflate => Box::new(ZlibDecoder::new(Cursor::new(data))),
        Compression::PackBits => Box::new(PackBits {
            data,
            at: 0,
            left: 0,
            repeated: None,
        }),
        Compression::Zstd => Box::new(
            StreamingDecoder::new(Cursor::new(data))
                .map_err(|_| Fault::Damage("its zstd data has no header"))?,
        ),
    })
}

struct PackBits<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
    /// Bytes of the run that are still to come, and the byte that is repeated.
    left: usize,
    repeated: Option<u8>,
}

impl Read for PackBits<'_> {
    fn read(&mut self, output: &mut [u8]) -> IoResult<usize> {
        let mut written = 0;
        while written < output.len() {
            if self.left == 0 {
                let Some(&length) = self.data.get(self.at) else {
                    break;
                };
                self.at += 1;
                match length {
                    0..=127 => (self.left, self.repeated) = (usize::from(length) + 1, None),
                    128 => continue,
                    _ => {
                        let Some(&byte) = self.data.get(self.at) else {
                            break;
                        };
                        self.at += 1;
                        (self.left, self.repeated) = (257 - usize::from(length), Some(byte));
                    }
                }
            }
            let place = &mut output[written..];
            let count = match self.repeated {
                Some(byte) => {
                    let count = self.left.min(place.len());
                    place[..count].fill(byte);
                    count
                }
                None => {
                    let rest = self.data.get(self.at..).unwrap_or_default();
                    let count = self.left.min(place.len()).min(rest.len());
                    place[..count].copy_from_slice(&rest[..count]);
                    self.at += count;
                    count
                }
            };
            if count == 0 {
                break;
            }
            self.left -= count;
            written += count;
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(compression: Compression, data: &[u8], length: usize) -> IoResult<Vec<u8>> {
        let mut output = vec![0; length];
        let mut reader = open(compression, Cow::Borrowed(data), 0, 0, length).unwrap();
        reader.read_exact(&mut output)?;
        Ok(output)
    }

    #[test]
    fn the_example_of_packbits_in_the_specification_is_unpacked() {
        let packed = [
            0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7,
            0xaa,
        ];
        let expected = [
            0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        ];
        assert_eq!(
            unpacked(Compression::PackBits, &packed, 24).unwrap(),
            expected
        );
        assert!(unpacked(Compression::PackBits, &packed, 25).is_err());
    }

    #[test]
    fn compressions_that_are_not_read_are_named() {
        assert_eq!(
            Compression::of(34925, 0),
            Err("compression with LZMA".to_owned())
        );
        assert_eq!(
            Compression::of(12345, 0),
            Err("compression 12345".to_owned())
        );
    }
}
