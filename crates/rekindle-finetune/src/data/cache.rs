//! Decoded images kept in memory, so that later epochs need not decode them again.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use rekindle_augment::RgbImage;

/// Decoded images by sample index, up to a number of bytes.
///
/// Images are kept at the size they were decoded to, three bytes a pixel, and are never dropped to make room: what is offered when the
/// budget is spent is not kept. Every epoch reads every image once, so any other rule would throw away what is needed soonest.
#[derive(Debug)]
pub struct DecodedCache {
    slots: Vec<OnceLock<Arc<RgbImage>>>,
    budget_bytes: usize,
    used_bytes: AtomicUsize,
}

impl DecodedCache {
    /// An empty cache for this many samples; a budget of 0 keeps nothing.
    pub fn new(samples: usize, budget_bytes: usize) -> Self {
        let slots = (0..samples).map(|_| OnceLock::new()).collect();
        Self {
            slots,
            budget_bytes,
            used_bytes: AtomicUsize::new(0),
        }
    }

    /// The image of a sample, where it was kept.
    ///
    /// # Panics
    /// When the index is out of range.
    pub fn get(&self, index: usize) -> Option<Arc<RgbImage>> {
        self.slots[index].get().cloned()
    }

    /// Whether an image of so many bytes would fit now.
    pub fn has_room(&self, bytes: u64) -> bool {
        let left = self.budget_bytes.saturating_sub(self.used_bytes());
        bytes <= left as u64
    }

    /// Keeps the image of a sample if it fits; true when it is kept by this call.
    ///
    /// # Panics
    /// When the index is out of range.
    pub fn offer(&self, index: usize, image: &Arc<RgbImage>) -> bool {
        let bytes = image.as_raw().len();
        let fits = |used: usize| {
            used.checked_add(bytes)
                .filter(|&total| total <= self.budget_bytes)
        };
        if self
            .used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_err()
        {
            return false;
        }
        let kept = self.slots[index].set(image.clone()).is_ok();
        if !kept {
            self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        kept
    }

    /// Bytes of pixels that are kept.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_kept_until_the_budget_is_spent() {
        let image = Arc::new(RgbImage::new(10, 10));
        let cache = DecodedCache::new(3, 650);
        assert!(cache.offer(2, &image) && cache.offer(0, &image));
        assert!(!cache.offer(1, &image), "900 bytes do not fit into 650");
        assert_eq!(cache.used_bytes(), 600);
        assert!(cache.get(0).is_some() && cache.get(1).is_none() && cache.get(2).is_some());
    }

    #[test]
    fn an_image_that_is_offered_twice_is_counted_once() {
        let image = Arc::new(RgbImage::new(10, 10));
        let cache = DecodedCache::new(1, 1000);
        assert!(cache.offer(0, &image) && !cache.offer(0, &image));
        assert_eq!(cache.used_bytes(), 300);
    }
}
