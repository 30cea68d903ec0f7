//! 512-bit registers of pairs of `bf16`, which are multiplied into sums in `f32`.

use std::arch::x86_64::*;

use super::avx512::Avx512;

/// Proof that the processor has avx512bf16 and avx512bw beside what [`Avx512`] needs.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16(Avx512);

/// Work that multiplies pairs.
pub(crate) trait PairKernel {
    /// Must be `#[inline(always)]`.
    fn run(self, simd: Avx512Bf16);
}

/// Runs a kernel.
///
/// # Panics
///
/// Where the processor lacks the instructions; [`Precision::is_available`](crate::Precision::is_available) tells.
pub(crate) fn dispatch_pairs<K: PairKernel>(kernel: K) {
    assert!(
        crate::Precision::Bf16.is_available(),
        "bf16 was chosen on a processor without it"
    );
    // SAFETY: just checked.
    unsafe { enter(kernel) }
}

/// # Safety
///
/// The processor has the named features.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
unsafe fn enter<K: PairKernel>(kernel: K) {
    kernel.run(Avx512Bf16(Avx512::assumed()))
}

// SAFETY of every block below: a value of the type exists only inside `enter`, whose caller vouches for the instructions; pointers are
// the callers' promise.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Avx512Bf16 {
    /// The registers of `f32`.
    #[inline(always)]
    pub(crate) fn plain(self) -> Avx512 {
        self.0
    }

    /// Sixteen pairs.
    /// # Safety
    /// 64 bytes can be read at `p`.
    #[inline(always)]
    pub(crate) unsafe fn load(self, p: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    /// # Safety
    /// 64 bytes can be written at `p`.
    #[inline(always)]
    pub(crate) unsafe fn store(self, p: *mut u32, pairs: __m512i) {
        unsafe { _mm512_storeu_si512(p.cast(), pairs) }
    }

    /// One pair in every place.
    #[inline(always)]
    pub(crate) fn splat(self, pair: u32) -> __m512i {
        unsafe { _mm512_set1_epi32(pair.cast_signed()) }
    }

    /// `sums + a.0 * b.0 + a.1 * b.1` in each place.
    #[inline(always)]
    pub(crate) fn dot(self, a: __m512i, b: __m512i, sums: __m512) -> __m512 {
        // Both types are 64 bytes without further meaning.
        unsafe {
            let (a, b) = (
                std::mem::transmute::<__m512i, __m512bh>(a),
                std::mem::transmute::<__m512i, __m512bh>(b),
            );
            _mm512_dpbf16_ps(sums, a, b)
        }
    }

    /// Pairs of the numbers in the same places, rounded.
    #[inline(always)]
    pub(crate) fn pair(self, first: __m512, second: __m512) -> __m512i {
        unsafe {
            let rounded =
                std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first));
            let order = std::mem::transmute::<[u16; 32], __m512i>(const { interleaved() });
            _mm512_permutexvar_epi16(order, rounded)
        }
    }

    /// Rounds the numbers of `from` to `to`, one after the other.
    #[inline(always)]
    pub(crate) fn round(self, from: &[f32], to: &mut [u16]) {
        assert_eq!(from.len(), to.len());
        let mut at = 0;
        while at < from.len() {
            let left = (from.len() - at).min(32);
            let mask = |n: usize| (((1u64 << n) - 1) & 0xffff) as u16;
            let (low, high) = (left.min(16), left.saturating_sub(16));
            // SAFETY: only `left` numbers of each are touched.
            unsafe {
                let from = from.as_ptr().add(at);
                let first = _mm512_maskz_loadu_ps(mask(low), from);
                let second = _mm512_maskz_loadu_ps(mask(high), from.wrapping_add(16));
                let rounded =
                    std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first));
                let all = ((1u64 << left) - 1) as u32;
                _mm512_mask_storeu_epi16(to.as_mut_ptr().add(at).cast(), all, rounded);
            }
            at += left;
        }
    }
}

/// 0, 16, 1, 17, ...
const fn interleaved() -> [u16; 32] {
    let mut order = [0; 32];
    let mut at = 0;
    while at < 32 {
        order[at] = (at / 2 + at % 2 * 16) as u16;
        at += 1;
    }
    order
}
