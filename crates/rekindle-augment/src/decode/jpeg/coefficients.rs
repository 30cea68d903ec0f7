//! The coefficients of a picture from any number of scans, sequential or progressive.
//!
//! Owns: the way through the entropy-coded data of a scan, whose blocks go to the places that they have in the picture. Tables and
//! the order of scans are `any.rs`'s.
//!
//! Source: ITU-T T.81, annexes F and G.

use super::bits::BitReader;
use super::huffman::{Damage, ZIGZAG};
use super::symbols::SymbolTable;

/// The coefficients of one component, not multiplied by their steps.
#[derive(Debug)]
pub(super) struct Blocks {
    /// Blocks across and down that the picture covers.
    pub(super) size: [usize; 2],
    /// Blocks across, with those that fill up the last unit.
    pub(super) stride: usize,
    /// 64 for each block, row by row.
    pub(super) values: Vec<i16>,
}

impl Blocks {
    fn block(&mut self, column: usize, row: usize) -> Result<&mut [i16; 64], Damage> {
        let start = 64 * (row * self.stride + column);
        let block = self.values.get_mut(start..).ok_or(Damage::Code)?;
        block.first_chunk_mut().ok_or(Damage::Code)
    }
}

/// Which part of the coefficients a scan has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// All of a block at once.
    Sequential,
    /// The upper bits of the first coefficient, moved by so many bits.
    FirstDc(u32),
    /// One more bit of it.
    NextDc(u32),
    /// The upper bits of the others between two places.
    FirstAc(Band),
    /// One more bit of those.
    NextAc(Band),
}

/// A range of coefficients in the order of the file, both ends included, and by how many bits they are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) low: u32,
}

/// One component of a scan.
pub(super) struct Coder<'a> {
    /// Its index in the frame.
    pub(super) component: usize,
    pub(super) dc: Option<&'a SymbolTable>,
    pub(super) ac: Option<&'a SymbolTable>,
    /// Blocks across and down one unit.
    pub(super) unit: [usize; 2],
}

/// A scan whose header is known.
pub(super) struct Scan<'a> {
    pub(super) coders: Vec<Coder<'a>>,
    pub(super) pass: Pass,
    /// Units across and down.
    pub(super) units: [usize; 2],
}

impl Scan<'_> {
    /// Reads the units between two restarts.
    pub(super) fn read(
        &self,
        data: &[u8],
        units: std::ops::Range<usize>,
        blocks: &mut [Blocks],
    ) -> Result<(), Damage> {
        let mut reader = BitReader::new(data, 0);
        let mut last_dc = [0i32; 4];
        let mut end_of_band = 0u32;
        for unit in units {
            let (row, column) = (unit / self.units[0], unit % self.units[0]);
            if column == 0 && reader.is_past(data.len()) {
                return Err(Damage::End);
            }
            for (coder, last_dc) in self.coders.iter().zip(&mut last_dc) {
                let component = blocks.get_mut(coder.component).ok_or(Damage::Code)?;
                for down in 0..coder.unit[1] {
                    for across in 0..coder.unit[0] {
                        let place = [column * coder.unit[0] + across, row * coder.unit[1] + down];
                        let block = component.block(place[0], place[1])?;
                        match self.pass {
                            Pass::Sequential => sequential(&mut reader, coder, last_dc, block)?,
                            Pass::FirstDc(low) => {
                                let difference = dc_difference(&mut reader, coder)?;
                                *last_dc = last_dc.wrapping_add(difference);
                                block[0] = (*last_dc << low) as i16;
                            }
                            Pass::NextDc(low) => {
                                if bits(&mut reader, 1) != 0 {
                                    block[0] |= 1 << low;
                                }
                            }
                            Pass::FirstAc(band) => {
                                first_ac(&mut reader, coder, band, &mut end_of_band, block)?;
                            }
                            Pass::NextAc(band) => {
                                next_ac(&mut reader, coder, band, &mut end_of_band, block)?;
                            }
                        }
                    }
                }
            }
        }
        if reader.is_past(data.len()) {
            return Err(Damage::End);
        }
        Ok(())
    }
}

/// The next 0 to 16 bits.
#[inline(always)]
fn bits(reader: &mut BitReader, count: u32) -> u32 {
    if count == 0 {
        return 0;
    }
    reader.ensure_32();
    let bits = reader.peek(count) as u32;
    reader.consume(count);
    bits
}

#[inline(always)]
fn dc_difference(reader: &mut BitReader, coder: &Coder) -> Result<i32, Damage> {
    let size = u32::from(coder.dc.ok_or(Damage::Code)?.next(reader)?);
    match size {
        0 => Ok(0),
        1..=15 => Ok(reader.signed(size)),
        _ => Err(Damage::Code),
    }
}

fn sequential(
    reader: &mut BitReader,
    coder: &Coder,
    last_dc: &mut i32,
    block: &mut [i16; 64],
) -> Result<(), Damage> {
    *last_dc = last_dc.wrapping_add(dc_difference(reader, coder)?);
    block[0] = *last_dc as i16;
    let table = coder.ac.ok_or(Damage::Code)?;
    let mut place = 1;
    while place < 64 {
        let symbol = table.next(reader)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match (run, size) {
            (15, 0) => place += 16,
            (_, 0) => break,
            (run, size) => {
                place += run;
                *block
                    .get_mut(*ZIGZAG.get(place).ok_or(Damage::Code)?)
                    .ok_or(Damage::Code)? = reader.signed(size) as i16;
                place += 1;
            }
        }
    }
    if place > 64 {
        return Err(Damage::Code);
    }
    Ok(())
}

fn first_ac(
    reader: &mut BitReader,
    coder: &Coder,
    band: Band,
    end_of_band: &mut u32,
    block: &mut [i16; 64],
) -> Result<(), Damage> {
    if *end_of_band > 0 {
        *end_of_band -= 1;
        return Ok(());
    }
    let table = coder.ac.ok_or(Damage::Code)?;
    let mut place = band.first;
    while place <= band.last {
        let symbol = table.next(reader)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match (run, size) {
            (15, 0) => place += 16,
            (run, 0) => {
                *end_of_band = (1 << run) - 1 + bits(reader, run as u32);
                break;
            }
            (run, size) => {
                place += run;
                if place > band.last {
                    return Err(Damage::Code);
                }
                block[ZIGZAG[place]] = (reader.signed(size) << band.low) as i16;
                place += 1;
            }
        }
    }
    Ok(())
}

fn next_ac(
    reader: &mut BitReader,
    coder: &Coder,
    band: Band,
    end_of_band: &mut u32,
    block: &mut [i16; 64],
) -> Result<(), Damage> {
    let one = 1i16 << band.low;
    // A coefficient that is known gets its next bit.
    let refine = |reader: &mut BitReader, value: &mut i16| {
        if bits(reader, 1) != 0 && *value & one == 0 {
            *value = value.wrapping_add(if *value >= 0 { one } else { -one });
        }
    };
    let table = coder.ac.ok_or(Damage::Code)?;
    let mut place = band.first;
    if *end_of_band == 0 {
        while place <= band.last {
            let symbol = table.next(reader)?;
            let mut run = u32::from(symbol >> 4);
            let value = match symbol & 15 {
                0 if run < 15 => {
                    *end_of_band = (1 << run) + bits(reader, run);
                    break;
                }
                0 => 0,
                1 => match bits(reader, 1) {
                    0 => -one,
                    _ => one,
                },
                _ => return Err(Damage::Code),
            };
            // The run counts only those that are still zero.
            while place <= band.last {
                let known = &mut block[ZIGZAG[place]];
                if *known != 0 {
                    refine(reader, known);
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                place += 1;
            }
            if value != 0 {
                if place > band.last {
                    return Err(Damage::Code);
                }
                block[ZIGZAG[place]] = value;
            }
            place += 1;
        }
    }
    if *end_of_band > 0 {
        while place <= band.last {
            let known = &mut block[ZIGZAG[place]];
            if *known != 0 {
                refine(reader, known);
            }
            place += 1;
        }
        *end_of_band -= 1;
    }
    Ok(())
}
