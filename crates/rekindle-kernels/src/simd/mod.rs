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
#[cfg(target_arch = "x86_64")]
mod avx512_factors;
mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod vector;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
pub use level::{Level, with_level};
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;
pub(crate) use vector::{Kernel, Simd};

use crate::Precision;

impl Level {
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

impl Precision {
    /// Whether this processor multiplies in this format.
    pub fn is_available(self) -> bool {
        match self {
            Self::F32 => true,
            #[cfg(target_arch = "x86_64")]
            Self::Bf16 => avx512_bf16::has_pairs(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Bf16 => false,
        }
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
