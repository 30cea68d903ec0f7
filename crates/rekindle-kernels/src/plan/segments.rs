//! Which steps take how many images at a time, and running them so.

use std::ops::Range;
use std::sync::Arc;

use super::inference::InferencePlan;
use super::step::{Layer, Step};
use super::value::Value;
use crate::buffer::Buffer;
use crate::conv::PreparedConv;
use crate::parallel::{Shared, for_each};

/// Rows of a matrix product over which the reading of its weights should be spread: where these come from memory, and where from the
/// last-level cache.
const ROWS_PER_WEIGHT: [usize; 2] = [192, 32];

/// Weights of a network up to which they stay in the last-level cache.
const CACHED_WEIGHTS: usize = 16 << 20;

/// Bytes of a layer's weights that any number of images may read again.
const SMALL_WEIGHTS: usize = 256 << 10;

/// The same where they meet one row of each image, as those of a gate: little beside the maps that are waiting to be read again.
const GATE_WEIGHTS: usize = 4 << 20;

/// Consecutive steps that take the same number of images at a time.
pub(super) struct Segment {
    pub(super) steps: Range<usize>,
    images: usize,
}

/// About `images` at a time, so that the parts of a batch are nearly equal and their number even: with a part more than its neighbour a
/// thread would keep the others waiting.
fn even(images: usize, batch: usize) -> usize {
    let parts = batch.div_ceil(images);
    if parts == 1 {
        return batch;
    }
    batch.div_ceil(parts.next_multiple_of(2).min(batch))
}

impl InferencePlan {
    /// How many images each step takes at a time, neighbours that agree together.
    pub(super) fn segments(&self, shapes: &[[usize; 4]]) -> Vec<Segment> {
        let batch = shapes[0][0];
        let weights: usize = self.steps.iter().map(|step| step.weights()).sum();
        let rows = ROWS_PER_WEIGHT[usize::from(weights * 4 <= CACHED_WEIGHTS)];
        let mut segments: Vec<Segment> = Vec::new();
        let mut index = 0;
        while index < self.steps.len() {
            // An expansion stays with the depthwise convolution behind it, since the map between is not stored.
            let end = index + if self.expands(index) { 2 } else { 1 };
            let step = &self.steps[index];
            let (from, to) = (shapes[step.input.0], shapes[end]);
            let bytes = 4 * (from[1] * from[2] * from[3] + to[1] * to[2] * to[3]);
            let by_maps = self.part_bytes / bytes.max(1);
            let (mut by_weights, mut again) = (1, step.weights() * 4 < SMALL_WEIGHTS);
            if let Layer::Conv { conv, .. } = &step.layer
                && conv.groups == 1
            {
                let rows_per_image = conv.rows_per_image(from);
                again |= rows_per_image == 1 && step.weights() * 4 < GATE_WEIGHTS;
                if !again {
                    by_weights = rows.div_ceil(rows_per_image);
                }
            }
            let images = even(by_maps.max(by_weights).clamp(1, batch), batch);
            match segments.last_mut() {
                // Cutting costs a pass through memory, so that only a clear difference is worth it.
                Some(last) if images >= last.images && (images <= last.images * 2 || again) => {
                    last.steps.end = end;
                }
                Some(last) if images < last.images && images * 2 >= last.images => {
                    last.steps.end = end;
                }
                _ => segments.push(Segment {
                    steps: index..end,
                    images,
                }),
            }
            index = end;
        }
        segments
    }

    /// Runs a segment's steps, part by part of the batch; `values` has the earlier segments' results and receives those that later ones
    /// read.
    pub(super) fn run_segment(
        &self,
        segment: &Segment,
        images: &[f32],
        shapes: &[[usize; 4]],
        values: &mut [Option<Buffer>],
    ) {
        let batch = shapes[0][0];
        let per_image = |index: usize| shapes[index][1..].iter().product::<usize>();
        // Results that are read behind the segment have their place in memory for the whole batch.
        for index in segment.steps.clone() {
            let value = index + 1;
            if self.last_reader[value] >= segment.steps.end || self.outputs.contains(&Value(value))
            {
                values[value] = Some(Buffer::unspecified(batch * per_image(value)));
            }
        }
        let whole: Vec<Option<Shared<f32>>> = values
            .iter_mut()
            .map(|value| value.as_mut().map(|buffer| Shared::new(buffer)))
            .collect();
        let first = segment.steps.start;
        // Before the parts, which must not wait for each other.
        let prepare = |index: usize| {
            let step = &self.steps[index];
            let mut dims = shapes[step.input.0];
            dims[0] = segment.images;
            step.prepared(dims)
        };
        let prepared: Vec<Option<Arc<PreparedConv>>> = segment.steps.clone().map(prepare).collect();
        let parts = batch.div_ceil(segment.images);
        for_each(parts, |part| {
            let range = part * batch / parts..(part + 1) * batch / parts;
            let mut own: Vec<Option<Buffer>> = segment.steps.clone().map(|_| None).collect();
            let mut next = first;
            while next < segment.steps.end {
                // A chain's results between are never stored; its last step is handled as a step alone would be.
                let chain = next..next
                    + self.chain(next..segment.steps.end, shapes, &prepared[next - first..]);
                next = chain.end;
                let index = chain.end - 1;
                let step = &self.steps[index];
                let len = per_image(index + 1);
                let kept = whole[index + 1];
                // A residual that nothing reads behind this step is added to where it lies, in the caches.
                let onto = step
                    .adds_onto(prepared[index - first].as_deref())
                    .filter(|value| {
                        chain.len() == 1
                            && kept.is_none()
                            && value.0 > first
                            && self.last_reader[value.0] == index
                    })
                    .and_then(|value| own[value.0 - 1 - first].take());
                let onto_residual = onto.is_some();
                let mut buffer = match kept {
                    Some(_) => None,
                    None => onto.or_else(|| Some(Buffer::unspecified(range.len() * len))),
                };
                let out: &mut [f32] = match (&mut buffer, kept) {
                    (Some(buffer), _) => buffer,
                    // SAFETY: the part owns its images of a result that this segment makes, which has the batch's length; within the
                    // part the steps that read it come later.
                    (None, Some(kept)) => unsafe {
                        std::slice::from_raw_parts_mut(
                            kept.get().add(range.start * len),
                            range.len() * len,
                        )
                    },
                    (None, None) => unreachable!("a result is kept or its part's own"),
                };
                {
                    let read = |Value(value): Value| -> &[f32] {
                        let len = per_image(value);
                        if value == 0 {
                            return &images[range.start * len..range.end * len];
                        }
                        if value > first
                            && let Some(buffer) = &own[value - 1 - first]
                        {
                            return buffer;
                        }
                        let kept = whole[value].expect("a value that is read was made before");
                        // SAFETY: made by an earlier segment, or by this part for its own images; no one writes it any more.
                        unsafe {
                            std::slice::from_raw_parts(
                                kept.get().add(range.start * len),
                                range.len() * len,
                            )
                        }
                    };
                    if chain.len() > 1 {
                        let prepared = &prepared[chain.start - first..chain.end - first];
                        self.run_chain(chain.clone(), shapes, range.len(), prepared, read, out);
                    } else {
                        let mut dims = shapes[step.input.0];
                        dims[0] = range.len();
                        let prepared = prepared[index - first].as_deref();
                        step.run(dims, shapes, prepared, read, out, onto_residual);
                    }
                }
                own[index - first] = buffer;
                for Value(value) in self.steps[chain].iter().flat_map(Step::reads) {
                    if value > first && self.last_reader[value] <= index {
                        own[value - 1 - first] = None;
                    }
                }
            }
        });
    }
}
