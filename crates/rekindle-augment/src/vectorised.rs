//! Wider vectors where the processor has them.
//!
//! Owns: the choice at run time. It does not own any vector code: loops that the compiler turns into it do.

/// Runs work compiled for the vectors of 256 bits that most x86 processors have, where this one has them; what it calls must be
/// `#[inline(always)]` to be compiled for them too. The result is the same on every processor.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return pulp::Simd::vectorize(simd, work);
    }
    work()
}
