//! Sequences of several lengths as one padded tensor.

use burn::tensor::{Device, Tensor, TensorData};

/// Features of several sequences, padded with zeros to the longest.
#[derive(Debug, Clone)]
pub struct FeatureBatch {
    /// `[batch, frames, features]`.
    pub features: Tensor<3>,
    /// How many frames each sequence has.
    pub lengths: Vec<usize>,
}

impl FeatureBatch {
    /// A batch of sequences, each given frame by frame.
    ///
    /// # Panics
    ///
    /// When a sequence has no frame, or its numbers are not those of whole frames of `width` features.
    pub fn new(sequences: &[&[f32]], width: usize, device: &Device) -> Self {
        let whole = |values: &&[f32]| !values.is_empty() && values.len().is_multiple_of(width);
        assert!(sequences.iter().all(whole), "sequences of whole frames");
        let lengths: Vec<usize> = sequences
            .iter()
            .map(|values| values.len() / width)
            .collect();
        let longest = lengths.iter().copied().max().unwrap_or_default();
        let mut values = vec![0.0; sequences.len() * longest * width];
        for (row, sequence) in values.chunks_mut(longest * width).zip(sequences) {
            row[..sequence.len()].copy_from_slice(sequence);
        }
        let data = TensorData::new(values, [sequences.len(), longest, width]);
        Self {
            features: Tensor::from_data(data, device),
            lengths,
        }
    }
}
