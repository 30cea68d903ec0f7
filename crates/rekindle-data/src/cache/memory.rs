//! Pictures kept in memory, so that later epochs need not decode them again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Form, KeptImage};

/// Pictures by sample and form, up to a number of bytes.
///
/// They take three bytes a pixel, and are never dropped to make room: what is offered when the budget is spent is not kept. Every epoch
/// reads every image once, so any other rule would throw away what is needed soonest.
#[derive(Debug)]
pub struct MemoryCache {
    budget_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    images: HashMap<(usize, Form), KeptImage>,
    bytes: usize,
}

impl MemoryCache {
    /// An empty cache; a budget of 0 keeps nothing.
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            budget_bytes,
            kept: Mutex::default(),
        }
    }

    /// The same cache without any picture.
    pub fn emptied(self) -> Self {
        Self::new(self.budget_bytes)
    }

    /// A sample's picture in this form, where it was kept.
    pub fn get(&self, sample: usize, form: Form) -> Option<KeptImage> {
        if self.budget_bytes == 0 {
            return None;
        }
        self.lock().images.get(&(sample, form)).cloned()
    }

    /// Whether a picture of so many bytes would fit now.
    pub fn has_room(&self, bytes: u64) -> bool {
        let left = self.budget_bytes.saturating_sub(self.used_bytes());
        bytes <= left as u64
    }

    /// Keeps a picture if it fits; true when it is kept by this call.
    pub fn offer(&self, sample: usize, form: Form, kept: &KeptImage) -> bool {
        let mut all = self.lock();
        let total = all.bytes.saturating_add(kept.image.as_raw().len());
        if total > self.budget_bytes || all.images.contains_key(&(sample, form)) {
            return false;
        }
        all.bytes = total;
        all.images.insert((sample, form), kept.clone());
        true
    }

    /// Bytes of pixels that are kept.
    pub fn used_bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rekindle_augment::RgbImage;

    use super::*;

    fn picture() -> KeptImage {
        KeptImage {
            image: Arc::new(RgbImage::new(10, 10)),
            orientation: 1,
        }
    }

    #[test]
    fn pictures_are_kept_until_the_budget_is_spent() {
        let image = picture();
        let cache = MemoryCache::new(650);
        assert!(cache.offer(2, Form::Whole, &image) && cache.offer(0, Form::Reduced(4), &image));
        assert!(
            !cache.offer(1, Form::Whole, &image),
            "900 bytes do not fit into 650"
        );
        assert_eq!(cache.used_bytes(), 600);
        assert!(cache.get(0, Form::Reduced(4)).is_some() && cache.get(0, Form::Whole).is_none());
        assert!(cache.get(1, Form::Whole).is_none() && cache.get(2, Form::Whole).is_some());
    }

    #[test]
    fn a_picture_that_is_offered_twice_is_counted_once() {
        let image = picture();
        let cache = MemoryCache::new(1000);
        assert!(cache.offer(0, Form::Whole, &image) && !cache.offer(0, Form::Whole, &image));
        assert_eq!(cache.used_bytes(), 300);
    }
}
