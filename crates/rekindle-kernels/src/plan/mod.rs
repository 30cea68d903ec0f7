//! Inference of a whole network: its layers in order, each one step with everything folded into it, over images in parts that stay in
//! the caches.
//!
//! Training must keep every layer's result; inference need not. So a part of the batch is taken through several layers before the
//! next part, as many images at a time as the caches hold ([`Plan::run`]), the parts side by side on the threads, and the memory of a
//! result is given to the next layer as soon as its last reader has finished. Weights are prepared once.
//!
//! `builder` makes a plan of the `layers`, `step` computes one of them, `segments` runs several on parts of the batch, `stripes` several
//! convolutions on parts of an image.

mod builder;
mod layers;
mod segments;
mod step;
mod stripes;
#[cfg(test)]
mod tests;

use step::Step;

pub use builder::PlanBuilder;
pub use layers::{PlanPadding, PlannedConv, PlannedPool};

use crate::buffer::Buffer;

/// The input of a plan or the result of one of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(usize);

/// Layers of a network for inference.
pub struct Plan {
    steps: Vec<Step>,
    outputs: Vec<Value>,
    /// [`PART_BYTES`], or what a test sets.
    part_bytes: usize,
    /// [`LARGE_MAP`], or what a test sets.
    stripe_bytes: usize,
    /// Of each value, the last step that reads it.
    last_reader: Vec<usize>,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Plan({} steps)", self.steps.len())
    }
}

/// Bytes of a step's maps, both sides, that one part of the batch brings with it: about what the caches of one core hold.
const PART_BYTES: usize = 2 << 20;

/// Bytes of one image's map from which it is not stored whole between two convolutions, but computed and used in stripes.
const LARGE_MAP: usize = 1 << 20;

impl Plan {
    /// Runs the plan on `images`, `[batch, height, width, channels]` with these dimensions, and gives each output with its dimensions.
    ///
    /// # Panics
    ///
    /// When the dimensions do not fit the numbers or the layers.
    pub fn run(&self, images: &[f32], dims: [usize; 4]) -> Vec<(Buffer, [usize; 4])> {
        assert_eq!(
            images.len(),
            dims.iter().product::<usize>(),
            "images {dims:?}"
        );
        let mut shapes = vec![dims];
        for step in &self.steps {
            let from = shapes[step.input.0];
            shapes.push(step.out(from));
        }
        let mut values: Vec<Option<Buffer>> = shapes.iter().map(|_| None).collect();
        for segment in self.segments(&shapes) {
            self.run_segment(&segment, images, &shapes, &mut values);
            for (index, value) in values.iter_mut().enumerate() {
                if self.last_reader[index] < segment.steps.end
                    && !self.outputs.contains(&Value(index))
                {
                    *value = None;
                }
            }
        }
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for (at, &Value(index)) in self.outputs.iter().enumerate() {
            let again = self.outputs[at + 1..].contains(&Value(index));
            let buffer = match values[index].take() {
                Some(buffer) if again => {
                    let copy = copied(&buffer);
                    values[index] = Some(buffer);
                    copy
                }
                Some(buffer) => buffer,
                None => copied(images),
            };
            outputs.push((buffer, shapes[index]));
        }
        outputs
    }
}

fn copied(numbers: &[f32]) -> Buffer {
    let mut buffer = Buffer::unspecified(numbers.len());
    buffer.copy_from_slice(numbers);
    buffer
}
