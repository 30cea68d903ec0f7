//! What every loss provides.

use burn::tensor::Tensor;
use rekindle_settings::SettingError;

use crate::targets::Targets;

/// A loss on a head's outputs and targets of the same shape. Its settings are those of a recipe; their defaults are documented there.
pub trait Loss {
    /// What the rows of targets are.
    const TARGETS: Targets;

    /// Checks the settings against a head with so many outputs. Keys are those of the loss by itself, `gamma`: a recipe adds where it
    /// stands, with [`Within::within`](rekindle_settings::Within::within).
    ///
    /// # Errors
    ///
    /// [`SettingError`] names the first setting that is out of range, or a list whose length is not the number of outputs.
    fn check(&self, outputs: usize) -> Result<(), SettingError>;

    /// By what the sum over a batch with these targets is divided to give its mean loss. By default the number of images.
    fn divisor(&self, targets: &Tensor<2>) -> f64 {
        targets.dims()[0] as f64
    }

    /// The mean loss of a batch.
    ///
    /// # Shapes
    ///
    /// `outputs` and `targets` are `[batch, outputs]`, targets as [`TARGETS`](Self::TARGETS) says; the loss is `[1]`.
    ///
    /// # Panics
    ///
    /// If the shapes differ, or the settings did not pass [`check`](Self::check).
    fn forward(&self, outputs: Tensor<2>, targets: Tensor<2>) -> Tensor<1>;
}
