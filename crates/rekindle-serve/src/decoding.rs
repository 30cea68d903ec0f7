//! Decoding of one image on a thread of its own: bytes to what the networks see. Owns that few large pictures are decoded at a time.

use std::sync::{Mutex, PoisonError};

use rekindle_augment::{DecodeLimits, read_header};
use rekindle_model::{ImageViews, ModelError, Predictor};

/// Larger pictures are decoded one at a time, so that many at once do not take as many times the memory that one may.
const LARGE_PIXELS: u64 = 32 << 20;

/// Limits of decoding, and the lock of large pictures.
#[derive(Debug)]
pub(crate) struct Decoding {
    limits: DecodeLimits,
    large: Mutex<()>,
}

impl Decoding {
    pub fn new(limits: DecodeLimits) -> Self {
        Self {
            limits,
            large: Mutex::default(),
        }
    }

    /// What a model's networks see of the bytes of an image.
    ///
    /// # Errors
    ///
    /// They cannot be decoded within the limits.
    pub fn views(&self, model: &Predictor, bytes: &[u8]) -> Result<ImageViews, ModelError> {
        let header = read_header(bytes, &self.limits)?;
        let pixels = u64::from(header.width) * u64::from(header.height);
        let _one = (pixels > LARGE_PIXELS).then(|| {
            let lock = self.large.lock();
            lock.unwrap_or_else(PoisonError::into_inner)
        });
        model.views_of(bytes, &self.limits)
    }
}
