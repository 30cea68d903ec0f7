//! The way through a lossy frame, row by row of macroblocks.
//!
//! Owns: which macroblocks a part of the picture needs, and the order of the steps: modes, coefficients, prediction, smoothing,
//! pixels. Data is read up to the last needed macroblock, since each depends on the one before; what lies to the right is not
//! predicted, and what lies below is not read.

use std::ops::Range;

use super::bool_decoder::BoolDecoder;
use super::colour::Converter;
use super::header::{FilterKind, FilterStrength, Frame};
use super::modes::{Edge, Luma, Modes};
use super::predict::{Above, Edges, Work};
use super::residual::{self, GROUPS, Neighbour, Rows};
use super::strip::{KEPT, Strip};
use super::transform::{Content, inverse_transform};
use crate::vectorised::vectorised;

/// A part of the picture in pixels; not empty and inside it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
}

/// The data ends before the picture does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EndsEarly;

/// What the macroblocks above leave behind, for each column.
#[derive(Clone, Default)]
struct Column {
    modes: Edge,
    neighbour: Neighbour,
    pixels: Above,
}

/// The pixels of a part of the picture, three bytes each, row by row.
pub(super) fn decode(frame: &Frame, part: &Part) -> Result<Vec<u8>, EndsEarly> {
    let mut output = vec![0; 3 * part.columns.len() * part.rows.len()];
    let mut lines = output.chunks_exact_mut(3 * part.columns.len());
    vectorised(
        #[inline(always)]
        || {
            decode_rows(
                frame,
                part,
                #[inline(always)]
                |converter, strip, y| {
                    if let Some(line) = lines.next() {
                        converter.write(strip, y, line);
                    }
                },
            )
        },
    )?;
    Ok(output)
}

/// Gives the rows of a part of the picture to `sink`, one after the other.
pub(super) fn read(
    frame: &Frame,
    part: &Part,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), EndsEarly> {
    let mut line = vec![0; 3 * part.columns.len()];
    vectorised(
        #[inline(always)]
        || {
            decode_rows(
                frame,
                part,
                #[inline(always)]
                |converter, strip, y| {
                    converter.write(strip, y, &mut line);
                    sink(&line);
                },
            )
        },
    )
}

#[inline(always)]
fn decode_rows(
    frame: &Frame,
    part: &Part,
    mut write: impl FnMut(&mut Converter, &Strip, usize),
) -> Result<(), EndsEarly> {
    let [across, down] = frame.macroblocks();
    // Pixels behind the part that change it: by smoothing (three of chroma), and since chroma is enlarged with its neighbour.
    let reach = match frame.filter {
        FilterKind::Normal => 8,
        FilterKind::Simple | FilterKind::None => 2,
    };
    let macroblocks = |pixels: &Range<usize>| (pixels.end - 1 + reach) / 16 + 1;
    let needed_columns = macroblocks(&part.columns).min(across);
    let needed_rows = macroblocks(&part.rows).min(down);

    let mut modes = frame.modes;
    let mut partitions: Vec<BoolDecoder> = frame
        .partitions
        .iter()
        .map(|bytes| BoolDecoder::new(bytes))
        .collect();
    let mut columns = vec![Column::default(); across];
    let mut strengths = vec![(FilterStrength::default(), false); needed_columns];
    let mut strip = Strip::new(needed_columns);
    let mut work = Work::new();
    let mut rows: Rows = [[0; 16]; 24];
    let mut converter = Converter::new(frame, part.columns.clone());
    let mut written = part.rows.start;
    for row in 0..needed_rows {
        let is_last = row + 1 == needed_rows;
        let read = if is_last { needed_columns } else { across };
        // A block may be predicted from the one above to the right.
        let predicted = (needed_columns + needed_rows - 1 - row).min(across);
        let partition = row % partitions.len();
        let coefficients = &mut partitions[partition];
        let mut left = Column::default();
        work.start_row(row == 0);
        for number in 0..read {
            let column = &mut columns[number];
            let block = Modes::read(&mut modes, frame, &mut column.modes, &mut left.modes);
            let segment = &frame.segments[block.segment & 3];
            let has_block_modes = matches!(block.luma, Luma::Subblocks(_));
            let mut contents = [Content::Zero; GROUPS];
            if block.is_skipped {
                column.neighbour.clear(has_block_modes);
                left.neighbour.clear(has_block_modes);
            } else {
                contents = residual::read(
                    coefficients,
                    &frame.probabilities,
                    segment,
                    has_block_modes,
                    &mut column.neighbour,
                    &mut left.neighbour,
                    &mut rows,
                );
            }
            if number < predicted {
                for (group, content) in rows.as_chunks_mut::<4>().0.iter_mut().zip(contents) {
                    inverse_transform(group, content);
                }
                let above = column.pixels;
                let right = match columns.get(number + 1) {
                    Some(Column { pixels, .. }) => {
                        let [a, b, c, d, ..] = pixels.luma;
                        [a, b, c, d]
                    }
                    None => [above.luma[15]; 4],
                };
                let edges = Edges {
                    is_first_row: row == 0,
                    is_first_column: number == 0,
                };
                let how = (&block.luma, block.chroma);
                work.reconstruct(how, edges, &above, right, &rows, &contents);
                if number < needed_columns {
                    strip.store(number, &work);
                    let has_content = contents != [Content::Zero; GROUPS];
                    strengths[number] = (
                        segment.strengths[usize::from(has_block_modes)],
                        has_block_modes || has_content,
                    );
                }
                columns[number].pixels = work.below();
                work.step_right();
            }
            for (group, content) in rows.as_chunks_mut::<4>().0.iter_mut().zip(contents) {
                if content != Content::Zero {
                    *group = [[0; 16]; 4];
                }
            }
        }
        if modes.has_ended() || coefficients.has_ended() {
            return Err(EndsEarly);
        }
        if frame.filter != FilterKind::None {
            for (number, (strength, inside)) in strengths.iter().enumerate() {
                strip.filter(frame.filter, number, *strength, *inside);
            }
        }
        // The last rows change once more with the macroblocks below.
        let done = if is_last {
            part.rows.end
        } else {
            (16 * (row + 1) - KEPT).min(part.rows.end)
        };
        for y in written..done {
            write(&mut converter, &strip, y);
        }
        written = written.max(done);
        strip.step_down();
    }
    Ok(())
}
