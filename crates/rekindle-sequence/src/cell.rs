//! What a cell makes of a frame and of what it remembers: the formulas of LSTM, GRU and plain RNN. Running them over frames is
//! `recurrent.rs`'s.

use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, tanh};
use serde::{Deserialize, Serialize};

/// What makes one vector of a sequence of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Long short-term memory: three gates and a memory beside its output.
    /// [Hochreiter and Schmidhuber 1997](https://doi.org/10.1162/neco.1997.9.8.1735).
    #[default]
    Lstm,
    /// Gated recurrent unit: two gates, three quarters of an LSTM's weights. [Cho et al. 2014](https://arxiv.org/abs/1406.1078v1).
    Gru,
    /// A plain recurrent network: one product and a tanh. It forgets within some ten frames.
    Rnn,
    /// The mean of the frames, which knows nothing of their order: the figure to beat.
    Mean,
}

/// What a cell hands from one frame to the next, each `[batch, hidden]`.
#[derive(Debug, Clone)]
pub struct Memory {
    /// What it says of the sequence so far.
    pub hidden: Tensor<2>,
    /// An LSTM's memory; of others it is never read.
    pub cell: Tensor<2>,
}

impl Cell {
    /// Every cell, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Lstm, Self::Gru, Self::Rnn, Self::Mean];

    /// The name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Gru => "gru",
            Self::Rnn => "rnn",
            Self::Mean => "mean",
        }
    }

    /// How many products of the same size a step has; 0 of the mean, which has no weights.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
            Self::Rnn => 1,
            Self::Mean => 0,
        }
    }

    /// A step, as PyTorch has it: the gates are in its order (`i f g o` of an LSTM, `r z n` of a GRU), and a GRU's reset gate takes the
    /// product of what was before, bias included.
    ///
    /// # Shapes
    ///
    /// `input` and `before` are `[batch, gates * hidden]`: weights times the frame, and times what was before, each with its bias.
    ///
    /// # Panics
    ///
    /// Of the mean, which has no steps.
    pub(crate) fn step(self, input: Tensor<2>, before: Tensor<2>, memory: Memory) -> Memory {
        match self {
            Self::Lstm => {
                let [i, f, g, o] = parts(input + before);
                let cell = sigmoid(f) * memory.cell + sigmoid(i) * tanh(g);
                let hidden = sigmoid(o) * tanh(cell.clone());
                Memory { hidden, cell }
            }
            Self::Gru => {
                let [ri, zi, ni] = parts(input);
                let [rh, zh, nh] = parts(before);
                let update = sigmoid(zi + zh);
                let fresh = tanh(ni + sigmoid(ri + rh) * nh);
                let hidden = fresh.clone() + update * (memory.hidden - fresh);
                Memory { hidden, ..memory }
            }
            Self::Rnn => Memory {
                hidden: tanh(input + before),
                ..memory
            },
            Self::Mean => panic!("the mean of frames has no steps"),
        }
    }
}

/// The gates, side by side.
fn parts<const N: usize>(all: Tensor<2>) -> [Tensor<2>; N] {
    let width = all.dims()[1] / N;
    std::array::from_fn(|gate| all.clone().narrow(1, gate * width, width))
}
