//! One vector interface over the instruction sets, and the choice among them at run time.
//!
//! A kernel is written once, generic over [`Simd`], as an [`Kernel`] whose `run` is `#[inline(always)]`; [`dispatch`] calls it inside a
//! function compiled for the best instruction set that this processor has. The rule that makes this work: everything between `run` and
//! the intrinsics is `#[inline(always)]`, so rayon splits the work outside and each part dispatches for itself. A closure cannot be: one
//! that the compiler leaves as a function is not compiled for the instructions of the code around it, and each of them becomes a
//! call. `.ci/run` looks for such calls.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_bf16;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use std::cell::Cell;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512_bf16::has_pairs;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

use crate::Precision;

/// An instruction set with its registers of `f32`.
///
/// A value exists only where the processor has the instructions; its methods rely on that.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// A register of `LANES` numbers.
    type V: Copy;
    /// Numbers in a register.
    const LANES: usize;
    /// Rows and registers per row of the matrix product's tile: `ROWS * COLS` accumulators beside `COLS` operands and a broadcast.
    const ROWS: usize;
    const COLS: usize;

    /// Numbers along the depth of a product that a place of its factors holds, a place being as large as an `f32`.
    const DEPTH: usize = 1;

    fn splat(self, x: f32) -> Self::V;
    /// # Safety
    /// `LANES` numbers can be read at `p`.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// # Safety
    /// `LANES` numbers can be written at `p`.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// As [`store`](Self::store), past the caches where the hardware can; [`fence`](Self::fence) must follow before others read.
    /// # Safety
    /// `LANES` numbers can be written at `p`, which is aligned to 64 bytes or a multiple of a register behind such a place.
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, v: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { self.store(p, v) }
    }
    /// Makes what was [streamed](Self::stream) visible to other threads.
    #[inline(always)]
    fn fence(self) {}
    /// The first `n <= LANES` numbers at `p`, zeros behind.
    /// # Safety
    /// `n` numbers can be read at `p`.
    unsafe fn load_partial(self, p: *const f32, n: usize) -> Self::V;
    /// # Safety
    /// `n` numbers can be written at `p`.
    unsafe fn store_partial(self, p: *mut f32, v: Self::V, n: usize);
    /// `a * b + c`, rounded once where the hardware can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `sum + a * b` for places of a product's factors.
    #[inline(always)]
    fn dot(self, a: Self::V, b: Self::V, sum: Self::V) -> Self::V {
        self.mul_add(a, b, sum)
    }
    /// Copies numbers along the depth of a product to `to`, [`DEPTH`](Self::DEPTH) to a place, zeros behind the last.
    #[inline(always)]
    fn copy_factor(self, from: &[f32], to: &mut [f32]) {
        to[..from.len()].copy_from_slice(from);
    }
    /// Places of two numbers each, where they hold so many: those of the same lane.
    #[inline(always)]
    fn pair(self, _first: Self::V, _second: Self::V) -> Self::V {
        unreachable!("a place holds one number")
    }
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of each pair; `b` where one is not a number.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger of each pair; `b` where one is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `yes` where `a > b`, else `no`.
    fn select_gt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// The nearest whole number as a float, and two to that power: the pieces of an exponential. `|x| <= 126`.
    fn round_and_exp2(self, x: Self::V) -> (Self::V, Self::V);
    /// The sum of the lanes, in a fixed order.
    fn sum(self, v: Self::V) -> f32;

    /// Whether there is a loop of its own for the product of `R` rows at equal distances with `C` registers
    /// ([`rows_at_pitch`](Self::rows_at_pitch)).
    #[inline(always)]
    fn has_rows_at_pitch<const R: usize, const C: usize>(self) -> bool {
        false
    }

    /// `sums[r][c] += x[r * pitch + k] * b[k][c]` over `k < depth`, with `b` packed `[depth][COLS * LANES]`, where there is such a loop:
    /// the [`dot`](Self::dot) of places.
    ///
    /// # Safety
    ///
    /// `depth` places can be read at each of the `R` rows, and `depth * COLS * LANES` at `b`.
    #[inline(always)]
    unsafe fn rows_at_pitch<const R: usize, const C: usize>(
        self,
        _sums: &mut [[Self::V; C]; R],
        _rows: (*const f32, usize),
        _depth: usize,
        _b: *const f32,
    ) {
        unreachable!("there is no such loop")
    }

    /// Asks for the cache line at `p`, which need not be readable: a hint.
    fn prefetch(self, p: *const f32);

    /// The same into the second-level cache, for what is read too late to stay in the first.
    fn prefetch_far(self, p: *const f32) {
        self.prefetch(p);
    }

    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
}

/// Work compiled once per instruction set.
pub(crate) trait Kernel {
    type Output;
    /// Must be `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The instruction sets, from the plainest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// Plain Rust, vectorised by the compiler for the architecture's baseline.
    Portable,
    /// 128-bit registers of 64-bit ARM.
    Neon,
    /// 256-bit registers with fused multiply-add.
    Avx2,
    /// 512-bit registers.
    Avx512,
}

impl Level {
    /// The best instruction set of this processor, or the lower one named by the environment variable `REKINDLE_KERNELS`
    /// (`portable`, `avx2`, `avx512`, `neon`).
    pub fn detect() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            let best = Self::available().last().copied().unwrap_or(Self::Portable);
            let wanted = match std::env::var("REKINDLE_KERNELS").as_deref() {
                Ok("portable") => Self::Portable,
                Ok("neon") => Self::Neon,
                Ok("avx2") => Self::Avx2,
                _ => best,
            };
            if Self::available().contains(&wanted) {
                wanted
            } else {
                best
            }
        })
    }

    /// The instruction sets of this processor, from the plainest.
    pub fn available() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2 && is_x86_feature_detected!("avx512f");
            match (avx512, avx2) {
                (true, _) => &[Self::Portable, Self::Avx2, Self::Avx512],
                (false, true) => &[Self::Portable, Self::Avx2],
                (false, false) => &[Self::Portable],
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            &[Self::Portable, Self::Neon]
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            &[Self::Portable]
        }
    }

    /// The level of this thread's kernels: [`detect`](Self::detect) unless a test has set another.
    pub(crate) fn current() -> Self {
        FORCED.get().unwrap_or_else(Self::detect)
    }

    /// Rows and columns of the matrix product's tile.
    pub(crate) fn tile(self) -> (usize, usize) {
        fn of<S: Simd>() -> (usize, usize) {
            (S::ROWS, S::COLS * S::LANES)
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => of::<avx512::Avx512<avx512::Floats>>(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => of::<Avx2>(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => of::<Neon>(),
            _ => of::<Portable>(),
        }
    }
}

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

/// Runs `work` with kernels of `level` on this thread (not on the pool's other threads): for tests that compare levels.
///
/// # Panics
///
/// When the processor lacks the level.
#[doc(hidden)]
pub fn with_level<R>(level: Level, work: impl FnOnce() -> R) -> R {
    assert!(
        Level::available().contains(&level),
        "{level:?} is not available here"
    );
    let before = FORCED.replace(Some(level));
    let result = work();
    FORCED.set(before);
    result
}

/// Runs a kernel at a level, which must be available (all values outside tests come from [`Level::current`]).
#[inline]
pub(crate) fn dispatch_at<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        Level::Portable => kernel.run(Portable),
        level => dispatch_specialised(level, kernel),
    }
}

/// The same for a kernel that has a plainer sibling for [`Level::Portable`]: code that nobody waits for need not be compiled.
///
/// # Panics
///
/// For [`Level::Portable`].
#[inline]
pub(crate) fn dispatch_specialised<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this level is chosen only where the processor has avx512f (and avx2, fma).
        Level::Avx512 => unsafe { avx512::enter(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this level is chosen only where the processor has avx2 and fma.
        Level::Avx2 => unsafe { avx2::enter(kernel) },
        #[cfg(target_arch = "aarch64")]
        Level::Neon => kernel.run(Neon::new()),
        _ => unreachable!("{level:?} has no specialised kernels"),
    }
}

/// Runs a kernel with its products in a precision, which must be available.
#[inline]
pub(crate) fn dispatch_in<K: Kernel>(level: Level, precision: Precision, kernel: K) -> K::Output {
    match precision {
        Precision::F32 => dispatch_at(level, kernel),
        Precision::Bf16 => dispatch_pairs(kernel),
    }
}

/// Runs a kernel whose products are of pairs of `bf16`.
///
/// # Panics
///
/// Where the processor lacks the instructions; [`Precision::is_available`] tells.
#[inline]
pub(crate) fn dispatch_pairs<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    return avx512_bf16::enter(kernel);
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = kernel;
        unreachable!("bf16 was chosen on a processor without it")
    }
}
