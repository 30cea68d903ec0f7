//! Memory for results and scratch: aligned to a cache line, and kept for the next step instead of going back to the system.
//!
//! A training step asks for the same sizes again and again; fresh pages from the system cost a fault and a clearing each.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Mutex;

/// Bytes of a cache line, and of the widest register.
pub(crate) const ALIGNMENT: usize = 64;

/// Smaller buffers go to the system's allocator, which is quick with them.
const SMALLEST_KEPT: usize = 32 << 10;

/// Memory kept for reuse at most.
const MOST_KEPT: usize = 2 << 30;

/// Whether a result of this place and size is better written past the caches: it is aligned, and no cache would hold it until it is
/// read.
pub(crate) fn streams(out: &[f32]) -> bool {
    const LARGE: usize = 24 << 20;
    size_of_val(out) >= LARGE && (out.as_ptr() as usize).is_multiple_of(ALIGNMENT)
}

struct Pool {
    /// Free blocks by size in bytes.
    free: BTreeMap<usize, Vec<usize>>,
    kept: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: BTreeMap::new(),
    kept: 0,
});

fn pool() -> std::sync::MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Gives the kept memory back to the system.
pub fn release_memory() {
    let free = {
        let mut pool = pool();
        pool.kept = 0;
        std::mem::take(&mut pool.free)
    };
    for (bytes, blocks) in free {
        for block in blocks {
            // SAFETY: the pool holds blocks of this size from `alloc` with this layout, each once.
            unsafe { dealloc(block as *mut u8, layout(bytes)) };
        }
    }
}

/// Bytes of a large page of memory: a map of many megabytes then needs few entries of the processor's address cache, which matters
/// most in a virtual machine, where a miss is looked up twice.
const LARGE_PAGE: usize = 2 << 20;

fn layout(bytes: usize) -> Layout {
    let alignment = if bytes >= LARGE_PAGE {
        LARGE_PAGE
    } else {
        ALIGNMENT
    };
    Layout::from_size_align(bytes, alignment).expect("a buffer is smaller than the address space")
}

/// A block of zeros from the system. Zeroed, so that no byte is ever uninitialised.
fn fresh(bytes: usize) -> NonNull<f32> {
    let layout = layout(bytes);
    if bytes < LARGE_PAGE {
        // SAFETY: the layout has a size above zero.
        let start = unsafe { alloc_zeroed(layout) };
        return NonNull::new(start.cast()).unwrap_or_else(|| handle_alloc_error(layout));
    }
    // SAFETY: as above.
    let start = unsafe { alloc(layout) };
    let Some(start) = NonNull::new(start) else {
        handle_alloc_error(layout)
    };
    ask_for_large_pages(start, bytes);
    // SAFETY: `bytes` were just allocated.
    unsafe { start.write_bytes(0, bytes) };
    start.cast()
}

/// Before the first touch of a block, which decides on the size of its pages.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the range is our own; the advice changes no content. Where it is refused, pages are small as before.
    unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: NonNull<u8>, _: usize) {}

/// Numbers in memory aligned to 64 bytes, which is kept for reuse when the buffer is dropped ([`release_memory`]).
pub struct Buffer {
    start: NonNull<f32>,
    len: usize,
    bytes: usize,
}

// SAFETY: the buffer owns its memory, which any thread may use and free.
unsafe impl Send for Buffer {}
// SAFETY: a shared reference gives read access alone.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer whose numbers are unspecified (of an earlier use, or zero); the caller overwrites them.
    pub(crate) fn unspecified(len: usize) -> Self {
        // Whole pages for the large ones, so that nearly equal sizes share blocks.
        let bytes = (len * 4)
            .max(1)
            .next_multiple_of(if len * 4 >= SMALLEST_KEPT {
                4096
            } else {
                ALIGNMENT
            });
        if bytes >= SMALLEST_KEPT {
            let mut pool = pool();
            // The smallest block that fits, unless it wastes more than an eighth.
            let found = pool
                .free
                .range(bytes..=bytes + bytes / 8)
                .next()
                .map(|(&size, _)| size);
            if let Some(size) = found {
                let blocks = pool.free.get_mut(&size).expect("the key was just found");
                let block = blocks.pop().expect("no list is left empty");
                if blocks.is_empty() {
                    pool.free.remove(&size);
                }
                pool.kept -= size;
                let start = NonNull::new(block as *mut f32).expect("the pool holds no null");
                return Self {
                    start,
                    len,
                    bytes: size,
                };
            }
        }
        let start = fresh(bytes);
        Self { start, len, bytes }
    }

    /// A buffer of zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::unspecified(len);
        buffer.fill(0.0);
        buffer
    }
}

impl Default for Buffer {
    /// No numbers.
    fn default() -> Self {
        Self::unspecified(0)
    }
}

#[cfg(feature = "flex")]
impl Buffer {
    /// The numbers as Burn's bytes, without a copy; dropped, they return to the pool.
    pub(crate) fn into_bytes(self) -> burn_std::Bytes {
        let bytes = self.len * 4;
        // SAFETY: all `len` numbers are initialised.
        unsafe { burn_std::Bytes::from_controller(Box::new(self), bytes) }
    }
}

#[cfg(feature = "flex")]
impl burn_std::AllocationController for Buffer {
    fn alloc_align(&self) -> usize {
        ALIGNMENT
    }

    fn property(&self) -> burn_std::AllocationProperty {
        burn_std::AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _policy: burn_std::AccessPolicy,
    ) -> Result<&mut [std::mem::MaybeUninit<u8>], burn_std::AccessError> {
        let numbers: &mut [f32] = self;
        // SAFETY: the numbers' own bytes; the caller writes initialised ones alone.
        Ok(unsafe {
            std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers))
        })
    }

    fn memory(
        &self,
        _policy: burn_std::AccessPolicy,
    ) -> Result<&[std::mem::MaybeUninit<u8>], burn_std::AccessError> {
        let numbers: &[f32] = self;
        // SAFETY: the numbers' own bytes.
        Ok(unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes >= SMALLEST_KEPT {
            let mut pool = pool();
            if pool.kept + self.bytes <= MOST_KEPT {
                pool.kept += self.bytes;
                pool.free
                    .entry(self.bytes)
                    .or_default()
                    .push(self.start.as_ptr() as usize);
                return;
            }
        }
        // SAFETY: the block came from the allocator with this layout and is freed once.
        unsafe { dealloc(self.start.as_ptr().cast(), layout(self.bytes)) };
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len` initialised numbers, owned by this buffer.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: `len` initialised numbers, owned by this buffer and borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_buffer_is_used_again_and_aligned() {
        let len = 123_457;
        let first = Buffer::unspecified(len);
        let at = first.as_ptr();
        assert_eq!(at as usize % ALIGNMENT, 0);
        drop(first);
        let again = Buffer::zeros(len);
        assert!(again.iter().all(|&x| x == 0.0));
        release_memory();
    }
}
