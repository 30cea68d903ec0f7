//! What rows of targets are, and with them what a head's outputs stand for. Which data has which targets is the caller's.

use burn::tensor::{Tensor, activation};

/// What the rows `[batch, outputs]` are that a loss compares outputs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Targets {
    /// Shares of classes: at least 0, and 1 in all.
    Distribution,
    /// One of several labels each: from 0, absent, to 1, there.
    Indicators,
    /// Any numbers.
    Numbers,
}

impl Targets {
    /// What outputs say that were trained on these targets: the probabilities of the classes (softmax), of each label by itself
    /// (sigmoid), or the numbers as they are.
    ///
    /// # Shapes
    ///
    /// `[batch, outputs]` to the same.
    pub fn activate(self, outputs: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Distribution => activation::softmax(outputs, 1),
            Self::Indicators => activation::sigmoid(outputs),
            Self::Numbers => outputs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tolerance};

    #[test]
    fn outputs_become_probabilities_or_stay_numbers() {
        let outputs = Tensor::<2>::from_data([[0.0f32, 0.0], [2.0, -1.0]], &Device::flex());
        let close = |targets: Targets, expected: [[f32; 2]; 2]| {
            let found = targets.activate(outputs.clone()).into_data();
            found.assert_approx_eq::<f32>(&expected.into(), Tolerance::rel_abs(1e-5, 1e-6));
        };
        close(
            Targets::Distribution,
            [[0.5, 0.5], [0.952_574_1, 0.047_425_9]],
        );
        close(Targets::Indicators, [[0.5, 0.5], [0.880_797, 0.268_941_4]]);
        close(Targets::Numbers, [[0.0, 0.0], [2.0, -1.0]]);
    }
}
