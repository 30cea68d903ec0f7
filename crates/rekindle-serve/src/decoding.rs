//! Decoding of one image on a thread of its own: bytes to what the networks see.

use rekindle_augment::{DecodeLimits, LargeInTurn};
use rekindle_model::{ImageViews, ModelError, Predictor};

/// Limits of decoding, and the turns of large pictures.
#[derive(Debug)]
pub(crate) struct Decoding {
    limits: DecodeLimits,
    turns: LargeInTurn,
}

impl Decoding {
    pub fn new(limits: DecodeLimits) -> Self {
        Self {
            limits,
            turns: LargeInTurn::default(),
        }
    }

    /// What a model's networks see of the bytes of an image.
    ///
    /// # Errors
    ///
    /// They cannot be decoded within the limits.
    pub fn views(&self, model: &Predictor, bytes: &[u8]) -> Result<ImageViews, ModelError> {
        let limits = (model.info().preprocessing).limits_over(self.limits.clone());
        let _turn = self.turns.wait(bytes, &limits)?;
        model.views_of(bytes, &limits)
    }
}
