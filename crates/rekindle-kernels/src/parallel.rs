//! Splitting work over rayon's threads in parts that do not depend on their number.

use rayon::prelude::*;

/// A pointer that parts of one parallel loop share, each writing where no other does.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(*mut T);

// SAFETY: the pointer is only followed in `unsafe` code, which answers for the absence of overlap.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// A place inside what others share too.
    pub(crate) fn at(start: *mut T) -> Self {
        Self(start)
    }

    #[inline(always)]
    pub(crate) fn get(self) -> *mut T {
        self.0
    }
}

/// Calls `part` for `0..count`, on all threads unless there is one part.
pub(crate) fn for_each(count: usize, part: impl Fn(usize) + Send + Sync) {
    if count <= 1 {
        (0..count).for_each(part);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(part);
    }
}
