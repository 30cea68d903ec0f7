//! The form of a task's outputs, and what they say.

/// The form of a task's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Logits of classes, of which one is right: softmax makes probabilities that sum to 1.
    Distribution,
    /// Logits of labels, each right or wrong by itself: the sigmoid makes a probability of each.
    Indicators,
    /// Standardised numbers, as they are.
    Numbers,
}

impl OutputKind {
    /// Turns the outputs of one image into what they say.
    pub fn activate(self, row: &mut [f32]) {
        match self {
            Self::Distribution => {
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.iter_mut()
                    .for_each(|value| *value = (*value - largest).exp());
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|value| *value /= sum);
            }
            Self::Indicators => row
                .iter_mut()
                .for_each(|value| *value = 1.0 / (1.0 + (-*value).exp())),
            Self::Numbers => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_become_probabilities_or_stay_numbers() {
        // torch 2.15: softmax([2, -1]) and sigmoid([2, -1]).
        let close = |kind: OutputKind, expected: [f32; 2]| {
            let mut row = [2.0, -1.0];
            kind.activate(&mut row);
            assert!(
                row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
                "{row:?}"
            );
        };
        close(OutputKind::Distribution, [0.952_574_1, 0.047_425_9]);
        close(OutputKind::Indicators, [0.880_797, 0.268_941_4]);
        close(OutputKind::Numbers, [2.0, -1.0]);
        let mut large = [1000.0, -1000.0];
        OutputKind::Distribution.activate(&mut large);
        assert_eq!(large, [1.0, 0.0]);
    }
}
