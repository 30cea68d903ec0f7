//! What the passes share: the packed weight, the rows of an output, and loops with literal indices.

use rayon::prelude::*;

use crate::ConvShape;

/// Channels side by side in the packed weight: a multiple of every register's lanes.
pub(super) const GROUP: usize = 16;

/// Repeats a block with a literal index, which the compiler then folds: loops of this length it would leave rolled, with the
/// accumulators in memory.
macro_rules! unroll {
    ($i:ident, $body:block) => {
        unroll!(@ $i $body 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18)
    };
    ($i:ident < 8, $body:block) => {
        unroll!(@ $i $body 0 1 2 3 4 5 6 7)
    };
    (@ $i:ident $body:block $($n:literal)*) => {
        $({
            let $i: usize = $n;
            $body
        })*
    };
}
pub(super) use unroll;

/// The weight `[channels, 1, height, width]` as `[channels / GROUP][taps][GROUP]` with the taps given by their index in the weight's
/// order, zeros behind the last channel.
pub(super) fn pack_weight(
    weight: &[f32],
    channels: usize,
    all_taps: usize,
    taps: &[usize],
) -> Vec<f32> {
    let mut packed = vec![0.0; channels.next_multiple_of(GROUP) * taps.len()];
    if taps.is_empty() {
        return packed;
    }
    let groups = packed.chunks_exact_mut(GROUP * taps.len());
    for (group, source) in groups.zip(weight.chunks(GROUP * all_taps)) {
        for (row, &tap) in group.chunks_exact_mut(GROUP).zip(taps) {
            for (to, from) in row.iter_mut().zip(source.chunks_exact(all_taps)) {
                *to = from[tap];
            }
        }
    }
    packed
}

/// Rows of an output that one work item computes: enough to be worth a task and to share the input's rows, few enough for many threads.
/// The number of threads plays no part.
pub(super) fn rows_per_item(rows: usize, work_per_row: usize) -> usize {
    const WORK: usize = 1 << 20;
    let enough = WORK.div_ceil(work_per_row.max(1));
    enough.max(rows.div_ceil(256)).next_multiple_of(2)
}

/// The row of the input below those that row `y` of the output sees; it may lie outside.
pub(super) fn row_below(shape: &ConvShape, y: usize) -> isize {
    let reach = (shape.kernel[0] - 1) * shape.dilation[0] + 1;
    (y * shape.stride[0] + reach) as isize - shape.padding[0][0] as isize
}

/// Calls `work` with the index and the content of each part of `out`, in parallel where there is more than one.
pub(super) fn for_each_part(out: &mut [f32], len: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if out.len() <= len {
        work(0, out);
    } else {
        out.par_chunks_mut(len)
            .enumerate()
            .for_each(|(i, part)| work(i, part));
    }
}
