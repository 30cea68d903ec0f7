//! Large pictures, one at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{DecodeLimits, read_header};
use crate::error::AugmentError;

/// Lets large pictures be decoded one at a time where many threads decode, so that they do not take as many times the memory that one may.
#[derive(Debug, Default)]
pub struct LargeInTurn(Mutex<()>);

impl LargeInTurn {
    /// Pixels above which a picture waits for its turn: 32 megapixels (2^25), 96 MiB.
    pub const PIXELS: u64 = 32 << 20;

    /// Waits until the picture of these bytes may be decoded; to be held until that is done.
    ///
    /// # Errors
    ///
    /// Those of [`read_header`].
    pub fn wait(
        &self,
        bytes: &[u8],
        limits: &DecodeLimits,
    ) -> Result<Option<MutexGuard<'_, ()>>, AugmentError> {
        let header = read_header(bytes, limits)?;
        let pixels = u64::from(header.width) * u64::from(header.height);
        // Nothing is guarded that a panic could have left half done.
        let turn = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((pixels > Self::PIXELS).then(turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG of one colour.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let image = image::GrayImage::new(width, height);
        let written = image.write_to(&mut bytes, image::ImageFormat::Png);
        assert!(written.is_ok(), "{written:?}");
        bytes.into_inner()
    }

    #[test]
    fn only_large_pictures_wait() -> Result<(), AugmentError> {
        let turns = LargeInTurn::default();
        let limits = DecodeLimits::default();
        let large = png(8193, 4096);
        let first = turns.wait(&large, &limits)?;
        assert!(first.is_some());
        assert!(turns.0.try_lock().is_err());
        assert!(turns.wait(&png(8192, 4096), &limits)?.is_none());
        drop(first);
        assert!(turns.wait(&large, &limits)?.is_some());
        assert!(turns.wait(b"no image", &limits).is_err());
        Ok(())
    }
}
