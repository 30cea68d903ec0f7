//! What a head's outputs stand for. The only place where kinds of tasks are named; which data is of which kind is the caller's.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// What is learned of each image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// One class of several: targets are rows that sum to 1.
    #[default]
    Classification,
    /// Any number of labels, also none: targets are 0 or 1 for each label.
    Multilabel,
    /// Numbers: targets are standardised numbers.
    Regression,
}

impl TaskKind {
    /// The name in plans and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Multilabel => "multilabel",
            Self::Regression => "regression",
        }
    }

    /// What the head's outputs say: the probabilities of the classes (softmax), of each label by itself (sigmoid), or the standardised
    /// numbers as they are.
    ///
    /// # Shapes
    ///
    /// `[batch, outputs]` to the same.
    pub fn activate(self, outputs: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Classification => activation::softmax(outputs, 1),
            Self::Multilabel => activation::sigmoid(outputs),
            Self::Regression => outputs,
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
        let close = |task: TaskKind, expected: [[f32; 2]; 2]| {
            let found = task.activate(outputs.clone()).into_data();
            found.assert_approx_eq::<f32>(&expected.into(), Tolerance::rel_abs(1e-5, 1e-6));
        };
        close(
            TaskKind::Classification,
            [[0.5, 0.5], [0.952_574_1, 0.047_425_9]],
        );
        close(TaskKind::Multilabel, [[0.5, 0.5], [0.880_797, 0.268_941_4]]);
        close(TaskKind::Regression, [[0.0, 0.0], [2.0, -1.0]]);
    }
}
