//! The scan of a file to planes of samples.
//!
//! Owns: which blocks are needed for a part of the picture, and the way through the entropy-coded data, of which every unit
//! up to the last needed one is read, since each depends on the one before; only what is needed is transformed. Restarts
//! cut that dependency, so data between restarts that holds nothing needed is not read at all.

use std::ops::Range;

use super::bits::BitReader;
use super::frame::Frame;
use super::huffman::{Damage, HuffmanTable};
use super::inverse_dct::write_samples;
use super::structure::append_unstuffed;
use crate::vectorised::vectorised;

/// A part of the picture, in pixels of the reduced picture; not empty and inside it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
    /// Samples across and down that a block of the finest component becomes: 8, 4, 2 or 1.
    pub(super) block_size: usize,
}

/// The samples of one component around a part of the picture.
#[derive(Debug)]
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    pub(super) stride: usize,
    /// Where the samples start, in samples of the whole component.
    pub(super) left: usize,
    pub(super) top: usize,
    /// Size of the whole component in samples.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Pixels of the picture for each sample, across and down: 1 or 2.
    pub(super) ratio: [usize; 2],
    /// Samples of a block, across and down.
    block_size: usize,
    /// The blocks that are needed.
    block_columns: Range<usize>,
    block_rows: Range<usize>,
}

impl Plane {
    /// Samples `columns` of a row; both count in the whole component.
    pub(super) fn row(&self, row: usize, columns: Range<usize>) -> &[u8] {
        let start = (row - self.top) * self.stride;
        &self.samples[start + columns.start - self.left..start + columns.end - self.left]
    }

    /// A whole component at full size, in whole blocks, under a picture of this width and height; its samples are all 0.
    pub(super) fn whole(picture: [usize; 2], ratio: [usize; 2]) -> Self {
        let [width, height] = [0, 1].map(|axis| picture[axis].div_ceil(ratio[axis]));
        let (across, down) = (width.div_ceil(8), height.div_ceil(8));
        Self {
            samples: vec![0; 64 * across * down],
            stride: 8 * across,
            left: 0,
            top: 0,
            width,
            height,
            ratio,
            block_size: 8,
            block_columns: 0..across,
            block_rows: 0..down,
        }
    }

    fn new(frame: &Frame, component: usize, part: &Part) -> Self {
        let [unit_across, unit_down] = frame.unit_blocks();
        let (across, down) = (
            frame.components[component].across,
            frame.components[component].down,
        );
        // As in libjpeg, a coarser component is reduced less where that spares enlarging it.
        let mut block_size = part.block_size;
        while block_size < 8
            && (unit_across * part.block_size).is_multiple_of(across * block_size * 2)
            && (unit_down * part.block_size).is_multiple_of(down * block_size * 2)
        {
            block_size *= 2;
        }
        let ratio = [
            unit_across * part.block_size / (across * block_size),
            unit_down * part.block_size / (down * block_size),
        ];
        let width = (frame.width * across * block_size).div_ceil(8 * unit_across);
        let height = (frame.height * down * block_size).div_ceil(8 * unit_down);
        let block_columns = needed_blocks(&part.columns, ratio[0], width, block_size);
        let block_rows = needed_blocks(&part.rows, ratio[1], height, block_size);
        let stride = block_columns.len() * block_size;
        Self {
            samples: vec![0; stride * block_rows.len() * block_size],
            stride,
            left: block_columns.start * block_size,
            top: block_rows.start * block_size,
            width,
            height,
            ratio,
            block_size,
            block_columns,
            block_rows,
        }
    }
}

/// The blocks under a range of pixels; where a component is enlarged, with the sample next to them on each side.
fn needed_blocks(
    pixels: &Range<usize>,
    ratio: usize,
    length: usize,
    block_size: usize,
) -> Range<usize> {
    let margin = ratio - 1;
    let first = (pixels.start / ratio).saturating_sub(margin);
    let last = ((pixels.end - 1) / ratio + margin).min(length - 1);
    first / block_size..last / block_size + 1
}

/// Decodes what a part of the picture needs of each component.
pub(super) fn decode_planes(
    bytes: &[u8],
    frame: &Frame,
    part: &Part,
) -> Result<Vec<Plane>, Damage> {
    let planes = (0..frame.components.len())
        .map(|component| Plane::new(frame, component, part))
        .collect();
    let mut scan = Scan::new(frame, planes)?;
    let [units_across, units_down] = frame.units();
    let interval = match frame.restart_interval {
        0 => units_across * units_down,
        interval => interval,
    };
    let end = (scan.unit_rows.end - 1) * units_across + scan.unit_columns.end;
    let mut data = Vec::new();
    for (number, range) in frame.data.iter().enumerate() {
        let units = number * interval..((number + 1) * interval).min(end);
        if units.is_empty() {
            break;
        }
        if !scan.needs_any(&units, units_across) {
            continue;
        }
        data.clear();
        data.reserve(range.len());
        append_unstuffed(bytes, range.clone(), &mut data);
        vectorised(
            #[inline(always)]
            || scan.read(&data, units, units_across),
        )?;
    }
    Ok(scan.planes)
}

/// One component of a scan under way.
struct Coder<'a> {
    dc: &'a HuffmanTable,
    ac: &'a HuffmanTable,
    quantisation: &'a [i16; 64],
    /// Blocks across and down a unit.
    blocks: [usize; 2],
    /// The last DC coefficient, before quantisation is undone.
    last_dc: i32,
}

struct Scan<'a> {
    coders: Vec<Coder<'a>>,
    planes: Vec<Plane>,
    /// The units that hold a needed block.
    unit_columns: Range<usize>,
    unit_rows: Range<usize>,
}

impl<'a> Scan<'a> {
    fn new(frame: &'a Frame, planes: Vec<Plane>) -> Result<Self, Damage> {
        let mut coders = Vec::with_capacity(planes.len());
        for component in &frame.components {
            coders.push(Coder {
                dc: frame.dc_tables[component.dc].as_ref().ok_or(Damage::Code)?,
                ac: frame.ac_tables[component.ac].as_ref().ok_or(Damage::Code)?,
                quantisation: &component.quantisation,
                blocks: [component.across, component.down],
                last_dc: 0,
            });
        }
        let units = |axis: usize| {
            let ranges = planes.iter().zip(&coders).map(|(plane, coder)| {
                let blocks = [&plane.block_columns, &plane.block_rows][axis];
                let per_unit = coder.blocks[axis];
                blocks.start / per_unit..blocks.end.div_ceil(per_unit)
            });
            ranges
                .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
                .ok_or(Damage::Code)
        };
        Ok(Self {
            unit_columns: units(0)?,
            unit_rows: units(1)?,
            coders,
            planes,
        })
    }

    /// Whether a needed block lies in these units.
    fn needs_any(&self, units: &Range<usize>, units_across: usize) -> bool {
        let first = (units.start / units_across).max(self.unit_rows.start);
        let last = ((units.end - 1) / units_across).min(self.unit_rows.end - 1);
        (first..=last).any(|row| {
            let needed = row * units_across + self.unit_columns.start
                ..row * units_across + self.unit_columns.end;
            needed.start < units.end && units.start < needed.end
        })
    }

    /// Reads the units between two restarts.
    #[inline(always)]
    fn read(
        &mut self,
        data: &[u8],
        units: Range<usize>,
        units_across: usize,
    ) -> Result<(), Damage> {
        let mut reader = BitReader::new(data, 0);
        for coder in &mut self.coders {
            coder.last_dc = 0;
        }
        let (mut row, mut column) = (units.start / units_across, units.start % units_across);
        let mut block = [0i16; 64];
        for _ in units {
            for (coder, plane) in self.coders.iter_mut().zip(&mut self.planes) {
                for down in 0..coder.blocks[1] {
                    for across in 0..coder.blocks[0] {
                        let place = [
                            column * coder.blocks[0] + across,
                            row * coder.blocks[1] + down,
                        ];
                        read_block(&mut reader, coder, plane, place, &mut block)?;
                    }
                }
            }
            column += 1;
            if column == units_across {
                (row, column) = (row + 1, 0);
                if reader.is_past(data.len()) {
                    return Err(Damage::End);
                }
            }
        }
        if reader.is_past(data.len()) {
            return Err(Damage::End);
        }
        Ok(())
    }
}

/// Reads one block, and transforms it where it is needed.
#[inline(always)]
fn read_block(
    reader: &mut BitReader,
    coder: &mut Coder,
    plane: &mut Plane,
    [column, row]: [usize; 2],
    block: &mut [i16; 64],
) -> Result<(), Damage> {
    coder.last_dc = coder.last_dc.wrapping_add(coder.dc.difference(reader)?);
    if !plane.block_columns.contains(&column) || !plane.block_rows.contains(&row) {
        return coder.ac.skip_block(reader);
    }
    let last = if plane.block_size == 1 {
        coder.ac.skip_block(reader)?;
        0
    } else {
        coder.ac.read_block(reader, coder.quantisation, block)?
    };
    block[0] = (coder.last_dc as i16).wrapping_mul(coder.quantisation[0]);
    let start = (row - plane.block_rows.start) * plane.block_size * plane.stride
        + (column - plane.block_columns.start) * plane.block_size;
    let size = plane.block_size;
    write_samples(block, last, size, &mut plane.samples[start..], plane.stride);
    if last > 0 {
        *block = [0; 64];
    }
    Ok(())
}
