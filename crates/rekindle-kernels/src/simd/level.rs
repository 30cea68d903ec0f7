//! The instruction sets, and which of them this processor has.

use std::cell::Cell;
use std::sync::OnceLock;

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
    ///
    /// Compiled without optimisation it is the plainest one: each instruction then keeps its operands on the stack, and the largest
    /// kernel takes 3.6 MB of it with AVX-512 and 1.8 MB with AVX2 (rustc 1.95), where a thread has 2 MB.
    pub fn detect() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            let best = match cfg!(unoptimised) {
                true => Self::Portable,
                false => Self::available().last().copied().unwrap_or(Self::Portable),
            };
            let wanted = match std::env::var("REKINDLE_KERNELS").as_deref() {
                Ok("portable") => Self::Portable,
                Ok("neon") => Self::Neon,
                Ok("avx2") => Self::Avx2,
                Ok("avx512") => Self::Avx512,
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
