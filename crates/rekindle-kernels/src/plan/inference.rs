//! The plan itself, and running it.

use super::step::Step;
use super::value::Value;
use crate::buffer::Buffer;

/// Layers of a network for inference.
pub struct InferencePlan {
    pub(super) steps: Vec<Step>,
    pub(super) outputs: Vec<Value>,
    /// [`PART_BYTES`], or what a test sets.
    pub(super) part_bytes: usize,
    /// [`LARGE_MAP`], or what a test sets.
    pub(super) stripe_bytes: usize,
    /// Of each value, the last step that reads it.
    pub(super) last_reader: Vec<usize>,
}

impl std::fmt::Debug for InferencePlan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "InferencePlan({} steps)", self.steps.len())
    }
}

/// Bytes of a step's maps, both sides, that one part of the batch brings with it: about what the caches of one core hold.
pub(super) const PART_BYTES: usize = 2 << 20;

/// Bytes of one image's map from which it is not stored whole between two convolutions, but computed and used in stripes.
pub(super) const LARGE_MAP: usize = 1 << 20;

impl InferencePlan {
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
            shapes.push(step.out(&shapes));
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
