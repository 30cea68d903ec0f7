//! What a pass does with registers, and the walk that hands them to it: whole ones along the pattern, a part of one at the array's end.

use crate::parallel::Shared;
use crate::simd::{Kernel, Simd};

/// How a register meets memory.
pub(crate) trait Access<S: Simd>: Copy {
    /// # Safety
    /// The lanes can be read at `p`.
    unsafe fn load(self, s: S, p: *const f32) -> S::V;
    /// # Safety
    /// The lanes can be written at `p`.
    unsafe fn store(self, s: S, p: *mut f32, v: S::V);
    /// As [`store`](Self::store), past the caches if `stream` and the register is whole.
    /// # Safety
    /// The lanes can be written at `p`, which is a whole number of registers behind an aligned place if `stream`.
    #[inline(always)]
    unsafe fn store_or_stream(self, s: S, p: *mut f32, v: S::V, stream: bool) {
        let _ = stream;
        // SAFETY: the caller's promise.
        unsafe { self.store(s, p, v) }
    }
}

/// All lanes.
#[derive(Clone, Copy)]
pub(crate) struct Whole;

/// The first lanes, at the array's end.
#[derive(Clone, Copy)]
pub(crate) struct Part(pub(crate) usize);

impl<S: Simd> Access<S> for Whole {
    #[inline(always)]
    unsafe fn load(self, s: S, p: *const f32) -> S::V {
        // SAFETY: the caller's promise.
        unsafe { s.load(p) }
    }
    #[inline(always)]
    unsafe fn store(self, s: S, p: *mut f32, v: S::V) {
        // SAFETY: the caller's promise.
        unsafe { s.store(p, v) }
    }
    #[inline(always)]
    unsafe fn store_or_stream(self, s: S, p: *mut f32, v: S::V, stream: bool) {
        // SAFETY: the caller's promise.
        unsafe {
            if stream {
                s.stream(p, v);
            } else {
                s.store(p, v);
            }
        }
    }
}

impl<S: Simd> Access<S> for Part {
    #[inline(always)]
    unsafe fn load(self, s: S, p: *const f32) -> S::V {
        // SAFETY: the caller's promise.
        unsafe { s.load_partial(p, self.0) }
    }
    #[inline(always)]
    unsafe fn store(self, s: S, p: *mut f32, v: S::V) {
        // SAFETY: the caller's promise.
        unsafe { s.store_partial(p, v, self.0) }
    }
}

/// The sums of a pass within a part: arrays of the pattern's length, one behind the other.
#[derive(Clone, Copy)]
struct Sums {
    start: *mut f32,
    stride: usize,
}

/// The registers that one [step](Pass::step) of a pass handles: one in each of its rows, which all meet the pattern at the same lane.
#[derive(Clone, Copy)]
pub(crate) struct Registers<A> {
    access: A,
    /// Where the first row's register lies in the arrays.
    at: usize,
    /// From one row's register to the next one's.
    stride: usize,
    /// Where they meet the pattern.
    lane: usize,
    sums: Sums,
}

/// Each method is sound where a pass uses it inside its own [step](Pass::step), on arrays and patterns of the lengths that it was
/// walked with, and for rows below the step's number of them.
impl<A> Registers<A> {
    /// What belongs to the registers' channels.
    ///
    /// # Safety
    ///
    /// The lanes lie inside `pattern`.
    #[inline(always)]
    pub(crate) unsafe fn pattern<S: Simd>(self, s: S, pattern: &[f32]) -> S::V
    where
        A: Access<S>,
    {
        // SAFETY: the caller's promise.
        unsafe { self.access.load(s, pattern.as_ptr().add(self.lane)) }
    }

    /// Row `r` of an array.
    ///
    /// # Safety
    ///
    /// The row's lanes lie inside `array`.
    #[inline(always)]
    pub(crate) unsafe fn load<S: Simd>(self, s: S, r: usize, array: &[f32]) -> S::V
    where
        A: Access<S>,
    {
        // SAFETY: the caller's promise.
        unsafe { self.access.load(s, array.as_ptr().add(self.row(r))) }
    }

    /// Row `r` of an array that is written too.
    ///
    /// # Safety
    ///
    /// The row's lanes lie inside the array, and no other thread writes them.
    #[inline(always)]
    pub(crate) unsafe fn load_shared<S: Simd>(self, s: S, r: usize, array: Shared<f32>) -> S::V
    where
        A: Access<S>,
    {
        // SAFETY: the caller's promise.
        unsafe { self.access.load(s, array.get().add(self.row(r))) }
    }

    /// Writes row `r` of an array.
    ///
    /// # Safety
    ///
    /// The row's lanes lie inside the array, and no other thread reads or writes them.
    #[inline(always)]
    pub(crate) unsafe fn store<S: Simd>(self, s: S, r: usize, array: Shared<f32>, v: S::V)
    where
        A: Access<S>,
    {
        // SAFETY: the caller's promise.
        unsafe { self.access.store(s, array.get().add(self.row(r)), v) }
    }

    /// As [`store`](Self::store), past the caches if `stream` and the registers are whole.
    ///
    /// # Safety
    ///
    /// As for [`store`](Self::store); if `stream`, the array is aligned to 64 bytes.
    #[inline(always)]
    pub(crate) unsafe fn store_or_stream<S: Simd>(
        self,
        s: S,
        r: usize,
        array: Shared<f32>,
        v: S::V,
        stream: bool,
    ) where
        A: Access<S>,
    {
        // SAFETY: the caller's promise.
        unsafe {
            self.access
                .store_or_stream(s, array.get().add(self.row(r)), v, stream)
        }
    }

    /// Adds `v` to the registers' sum number `which`.
    ///
    /// # Safety
    ///
    /// `which` is below [`Pass::SUMS`].
    #[inline(always)]
    pub(crate) unsafe fn add_to_sum<S: Simd>(self, s: S, which: usize, v: S::V)
    where
        A: Access<S>,
    {
        // SAFETY: inside the sums by the caller's promise.
        unsafe {
            let p = self.sums.start.add(which * self.sums.stride + self.lane);
            self.access.store(s, p, s.add(self.access.load(s, p), v));
        }
    }

    /// Where row `r` lies in the arrays.
    #[inline(always)]
    fn row(&self, r: usize) -> usize {
        self.at + r * self.stride
    }
}

/// What is done with each register of one or several arrays of the same shape. Arrays inside must cover every stretch that
/// [`Pattern`](super::Pattern) is asked to walk, and patterns have [`Pattern::lanes`](super::Pattern::lanes) numbers; `step` is called
/// only inside them.
pub(crate) trait Pass: Copy + Send + Sync {
    /// Number of sums per channel.
    const SUMS: usize = 0;

    /// Whether four rows of the pattern are taken together: the sums are read and written a quarter as often, but the arrays in four
    /// places at once, which memory answers more slowly. Measured to help where little is computed beside the sums.
    const TOGETHER: bool = false;

    /// Whether the pass writes past the caches.
    fn streams(&self) -> bool {
        false
    }

    /// Handles the registers of the `R` rows of `at`. Must be `#[inline(always)]`.
    ///
    /// # Safety
    ///
    /// The registers lie inside the arrays, the pattern and the pass's sums, and no other thread is given the same places.
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>);
}

/// A pass over one stretch of its arrays.
pub(super) struct Walk<P> {
    pub(super) pass: P,
    pub(super) start: usize,
    pub(super) end: usize,
    /// The pattern's length.
    pub(super) period: usize,
    pub(super) sums: Shared<f32>,
    /// From one sum to the next.
    pub(super) stride: usize,
}

impl<P: Pass> Kernel for Walk<P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            pass,
            start,
            end,
            period,
            ..
        } = self;
        let sums = Sums {
            start: self.sums.get(),
            stride: self.stride,
        };
        let mut row = start;
        while P::TOGETHER && row + 4 * period <= end {
            let mut lane = 0;
            while lane < period {
                let at = Registers {
                    access: Whole,
                    at: row + lane,
                    stride: period,
                    lane,
                    sums,
                };
                // SAFETY: the period is a multiple of the register, and all rows end before `end`.
                unsafe { pass.step::<S, Whole, 4>(s, at) };
                lane += S::LANES;
            }
            row += 4 * period;
        }
        while row < end {
            let width = period.min(end - row);
            let mut lane = 0;
            while lane + S::LANES <= width {
                let at = Registers {
                    access: Whole,
                    at: row + lane,
                    stride: 0,
                    lane,
                    sums,
                };
                // SAFETY: a whole register before `end`.
                unsafe { pass.step::<S, Whole, 1>(s, at) };
                lane += S::LANES;
            }
            if lane < width {
                let at = Registers {
                    access: Part(width - lane),
                    at: row + lane,
                    stride: 0,
                    lane,
                    sums,
                };
                // SAFETY: the lanes up to `end`.
                unsafe { pass.step::<S, Part, 1>(s, at) };
            }
            row += period;
        }
        if pass.streams() {
            s.fence();
        }
    }
}

/// The sum of each channel.
#[derive(Clone, Copy)]
pub(crate) struct SumOf<'a> {
    pub x: &'a [f32],
}

impl Pass for SumOf<'_> {
    const SUMS: usize = 1;
    const TOGETHER: bool = true;

    #[inline(always)]
    unsafe fn step<S: Simd, A: Access<S>, const R: usize>(&self, s: S, at: Registers<A>) {
        // SAFETY: the places are inside `x` and the sums by the caller's promise.
        unsafe {
            let mut sum = s.zero();
            for r in 0..R {
                sum = s.add(sum, at.load(s, r, self.x));
            }
            at.add_to_sum(s, 0, sum);
        }
    }
}
