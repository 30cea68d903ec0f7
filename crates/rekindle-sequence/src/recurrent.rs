//! Recurrent layers over padded sequences. Owns which frames count, and the order in which they are read; what a cell computes is
//! `cell.rs`'s.
//!
//! These are not Burn's layers: of padded sequences Burn's backward direction would begin in the padding, it has no stacked layers, and it
//! multiplies every frame by each gate's weights on its own. Here all frames are multiplied by the weights of all gates at once, and a frame
//! that is padding leaves what is remembered as it is, in both directions. That is what PyTorch computes of packed sequences
//! (`tests/data/recurrent.py`).

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rekindle_head::random::HostRng;

use crate::cell::{Cell, Memory};

/// Which frames of padded sequences are there. The first `length` of each are, the others are padding.
#[derive(Debug, Clone)]
pub struct Mask {
    lengths: Vec<usize>,
    /// For each frame, 1 for the sequences that have it, `[batch, 1]`; none where all do.
    steps: Vec<Option<Tensor<2>>>,
}

impl Mask {
    /// For `frames` frames with padding.
    ///
    /// # Panics
    ///
    /// When there is no sequence, or one has no frame or more than there are.
    pub fn new(lengths: &[usize], frames: usize, device: &Device) -> Self {
        assert!(!lengths.is_empty(), "a batch has at least one sequence");
        assert!(
            lengths.iter().all(|length| (1..=frames).contains(length)),
            "lengths must be from 1 to {frames}, not {lengths:?}"
        );
        let shortest = lengths.iter().copied().min().unwrap_or_default();
        let step = |frame: usize| {
            let here = lengths.iter().map(|length| f32::from(frame < *length));
            let here = TensorData::new(here.collect::<Vec<f32>>(), [lengths.len(), 1]);
            (frame >= shortest).then(|| Tensor::from_data(here, device))
        };
        Self {
            lengths: lengths.to_vec(),
            steps: (0..frames).map(step).collect(),
        }
    }

    /// The mean over the frames that are there.
    ///
    /// # Shapes
    ///
    /// `[batch, frames, features]` to `[batch, features]`.
    pub fn mean(&self, all: Tensor<3>) -> Tensor<2> {
        let [batch, frames, _] = all.dims();
        let device = all.device();
        let weights = self.lengths.iter().flat_map(|length| {
            let share = 1.0 / *length as f32;
            (0..frames).map(move |frame| if frame < *length { share } else { 0.0 })
        });
        let weights = TensorData::new(weights.collect::<Vec<f32>>(), [batch, frames, 1]);
        let weights: Tensor<3> = Tensor::from_data(weights, &device);
        (all * weights).sum_dim(1).squeeze_dim(1)
    }

    /// What is remembered after a frame: of sequences that do not have it, what was before.
    fn keep(&self, frame: usize, before: Memory, after: Memory) -> Memory {
        let Some(here) = &self.steps[frame] else {
            return after;
        };
        let mixed =
            |before: Tensor<2>, after: Tensor<2>| before.clone() + here.clone() * (after - before);
        Memory {
            hidden: mixed(before.hidden, after.hidden),
            cell: mixed(before.cell, after.cell),
        }
    }
}

/// One direction of one layer.
#[derive(Module, Debug)]
pub struct Direction {
    /// Weights of the frames, `[inputs, gates * hidden]`.
    pub input: Param<Tensor<2>>,
    /// Weights of what was before, `[hidden, gates * hidden]`.
    pub hidden: Param<Tensor<2>>,
    /// `[gates * hidden]`.
    pub input_bias: Param<Tensor<1>>,
    /// `[gates * hidden]`.
    pub hidden_bias: Param<Tensor<1>>,
    #[module(skip)]
    cell: Cell,
    #[module(skip)]
    from_the_end: bool,
}

impl Direction {
    /// A direction whose weights and biases are drawn from `U(-1/sqrt(hidden), 1/sqrt(hidden))`, as PyTorch draws them. `from_the_end`
    /// reads the last frame first.
    ///
    /// # Panics
    ///
    /// Of the mean, and for widths of 0.
    pub fn new(
        cell: Cell,
        inputs: usize,
        hidden: usize,
        from_the_end: bool,
        rng: &mut HostRng,
        device: &Device,
    ) -> Self {
        assert!(cell.gates() > 0, "the mean of frames has no weights");
        assert!(inputs > 0 && hidden > 0, "layers have widths above 0");
        let bound = 1.0 / (hidden as f64).sqrt();
        let mut draw = |count: usize| -> Vec<f32> {
            let one = |_| ((2.0 * rng.unit() - 1.0) * bound) as f32;
            (0..count).map(one).collect()
        };
        let width = cell.gates() * hidden;
        let mut matrix = |rows: usize| {
            Param::from_data(TensorData::new(draw(rows * width), [rows, width]), device)
        };
        let (input, before) = (matrix(inputs), matrix(hidden));
        let mut bias = || Param::from_data(TensorData::new(draw(width), [width]), device);
        Self {
            input,
            hidden: before,
            input_bias: bias(),
            hidden_bias: bias(),
            cell,
            from_the_end,
        }
    }

    /// The width of what it remembers.
    pub fn width(&self) -> usize {
        self.hidden.shape()[0]
    }

    /// What it says after each frame, `[batch, frames, hidden]`, and after the last one that it reads, `[batch, hidden]`.
    ///
    /// # Shapes
    ///
    /// `[batch, frames, inputs]`.
    pub fn forward(&self, frames: Tensor<3>, mask: &Mask) -> (Tensor<3>, Tensor<2>) {
        let [batch, count, inputs] = frames.dims();
        let (width, device) = (self.input.shape()[1], frames.device());
        let products = frames
            .reshape([batch * count, inputs])
            .matmul(self.input.val())
            + self.input_bias.val().unsqueeze();
        let products = products.reshape([batch, count, width]);
        let zeros = Tensor::zeros([batch, self.width()], &device);
        let mut memory = Memory {
            hidden: zeros.clone(),
            cell: zeros,
        };
        let mut said = vec![None; count];
        let weights = self.hidden.val();
        let bias: Tensor<2> = self.hidden_bias.val().unsqueeze();
        for place in 0..count {
            let frame = if self.from_the_end {
                count - 1 - place
            } else {
                place
            };
            let input = products.clone().narrow(1, frame, 1).reshape([batch, width]);
            let before = memory.hidden.clone().matmul(weights.clone()) + bias.clone();
            let after = self.cell.step(input, before, memory.clone());
            memory = mask.keep(frame, memory, after);
            said[frame] = Some(memory.hidden.clone());
        }
        let said: Vec<Tensor<2>> = said.into_iter().flatten().collect();
        (Tensor::stack(said, 1), memory.hidden)
    }
}

/// One layer: a direction, or two side by side.
#[derive(Module, Debug)]
pub struct Layer {
    /// From the first frame to the last.
    pub forward: Direction,
    /// From the last frame to the first, if asked for.
    pub backward: Option<Direction>,
}

impl Layer {
    /// The width of what it says.
    pub fn width(&self) -> usize {
        self.forward.width() * (1 + usize::from(self.backward.is_some()))
    }

    /// What both directions say after each frame, `[batch, frames, width]`, and each after the last that it reads, `[batch, width]`.
    ///
    /// # Shapes
    ///
    /// `[batch, frames, inputs]`.
    pub fn run(&self, frames: Tensor<3>, mask: &Mask) -> (Tensor<3>, Tensor<2>) {
        let Some(backward) = &self.backward else {
            return self.forward.forward(frames, mask);
        };
        let (there, first) = self.forward.forward(frames.clone(), mask);
        let (back, second) = backward.forward(frames, mask);
        (
            Tensor::cat(vec![there, back], 2),
            Tensor::cat(vec![first, second], 1),
        )
    }
}
