//! Factors of products as pairs of `bf16`, two numbers in the place of an `f32`, which are summed in `f32`.

use std::arch::x86_64::*;

use super::avx512::{Avx512, Factors, Sums, fourteen_rows, mask, row, step};
use super::{Kernel, Level};

/// Whether pairs can be multiplied: the processor has avx512bf16 or, in tests, what emulating it takes.
pub(crate) fn has_pairs() -> bool {
    Level::current() == Level::Avx512
        && is_x86_feature_detected!("avx512bw")
        && (is_x86_feature_detected!("avx512bf16") || cfg!(test))
}

/// Runs a kernel whose products are of pairs.
///
/// # Panics
///
/// Where the processor lacks the instructions; [`Precision::is_available`](crate::Precision::is_available) tells.
pub(super) fn enter<K: Kernel>(kernel: K) -> K::Output {
    assert!(has_pairs(), "bf16 was chosen on a processor without it");
    #[cfg(test)]
    if !is_x86_feature_detected!("avx512bf16") {
        // SAFETY: just checked.
        return unsafe { emulated::enter(kernel) };
    }
    // SAFETY: just checked.
    unsafe { enter_bf16(kernel) }
}

/// # Safety
///
/// The processor has the named features.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
unsafe fn enter_bf16<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::assumed(Pairs(())))
}

/// [`Simd::copy_factor`](super::Simd::copy_factor) of pairs.
#[inline(always)]
pub(super) fn copy<F: Factors>(factors: F, from: &[f32], to: &mut [f32]) {
    const AT_ONCE: usize = 32;
    assert!(F::DEPTH == 2);
    let to = &mut to[..from.len().div_ceil(2)];
    let whole = from.len() / AT_ONCE;
    let (source, to) = (from.as_ptr(), to.as_mut_ptr());
    // SAFETY: the slices have so many numbers and places, two to a place; the processor has avx512f.
    unsafe {
        for chunk in 0..whole {
            let source = source.add(chunk * AT_ONCE);
            let (first, second) = (_mm512_loadu_ps(source), _mm512_loadu_ps(source.add(16)));
            let to = to.add(chunk * AT_ONCE / 2);
            _mm512_storeu_si512(to.cast(), factors.rounded(first, second));
        }
        let left = from.len() % AT_ONCE;
        if left > 0 {
            let source = source.add(whole * AT_ONCE);
            let first = _mm512_maskz_loadu_ps(mask(left.min(16)), source);
            let rest = mask(left.saturating_sub(16));
            let second = _mm512_maskz_loadu_ps(rest, source.wrapping_add(16));
            // The last pair of an odd number of them ends with a zero.
            let to = to.add(whole * AT_ONCE / 2);
            let pairs = mask(left.div_ceil(2));
            _mm512_mask_storeu_epi32(to.cast(), pairs, factors.rounded(first, second));
        }
    }
}

/// [`Simd::pair`](super::Simd::pair).
#[inline(always)]
pub(super) fn pair<F: Factors>(factors: F, first: __m512, second: __m512) -> __m512 {
    assert!(F::DEPTH == 2);
    // SAFETY: the processor has avx512bw; both types are 64 bytes without further meaning.
    unsafe {
        let order = std::mem::transmute::<[u16; 32], __m512i>(const { interleaved() });
        _mm512_castsi512_ps(_mm512_permutexvar_epi16(
            order,
            factors.rounded(first, second),
        ))
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

/// The processor's own instructions.
#[derive(Clone, Copy)]
struct Pairs(());

// SAFETY of every block below: a value of the type exists only inside `enter_bf16`, whose caller vouches for the instructions.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Factors for Pairs {
    const DEPTH: usize = 2;

    #[inline(always)]
    fn dot(self, a: __m512, b: __m512, sum: __m512) -> __m512 {
        // Both types are 64 bytes without further meaning.
        unsafe {
            let (a, b) = (
                std::mem::transmute::<__m512, __m512bh>(a),
                std::mem::transmute::<__m512, __m512bh>(b),
            );
            _mm512_dpbf16_ps(sum, a, b)
        }
    }

    #[inline(always)]
    fn rounded(self, first: __m512, second: __m512) -> __m512i {
        // Both types are 64 bytes without further meaning.
        unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)) }
    }

    #[inline(always)]
    unsafe fn fourteen_rows(
        self,
        sums: &mut Sums,
        rows: (*const f32, usize),
        depth: usize,
        b: *const f32,
    ) {
        unsafe { fourteen_rows_of_pairs(sums, rows, depth, b) }
    }
}

fourteen_rows!(fourteen_rows_of_pairs, "vdpbf16ps");

/// The same results from older instructions, slowly: so that the tests of products in pairs run on more machines.
#[cfg(test)]
mod emulated {
    use super::*;
    use crate::precision::rounded;

    #[derive(Clone, Copy)]
    struct Emulated(());

    /// # Safety
    ///
    /// The processor has the named features.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
    pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Avx512::assumed(Emulated(())))
    }

    // SAFETY of every block below: a value of the type exists only inside `enter`, whose caller vouches for the instructions; pointers
    // are the callers' promise.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Factors for Emulated {
        const DEPTH: usize = 2;

        #[inline(always)]
        fn dot(self, a: __m512, b: __m512, sum: __m512) -> __m512 {
            // A bf16 is the upper half of an f32. The second of each pair comes first, as in the instruction.
            unsafe {
                let (a, b) = (_mm512_castps_si512(a), _mm512_castps_si512(b));
                let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
                let [a1, b1] = [_mm512_and_si512(a, upper), _mm512_and_si512(b, upper)];
                let [a0, b0] = [_mm512_slli_epi32::<16>(a), _mm512_slli_epi32::<16>(b)];
                let sum = _mm512_fmadd_ps(_mm512_castsi512_ps(a1), _mm512_castsi512_ps(b1), sum);
                _mm512_fmadd_ps(_mm512_castsi512_ps(a0), _mm512_castsi512_ps(b0), sum)
            }
        }

        #[inline(always)]
        fn rounded(self, first: __m512, second: __m512) -> __m512i {
            // All these types are 64 bytes without further meaning, or two of them.
            unsafe {
                let numbers = std::mem::transmute::<[__m512; 2], [f32; 32]>([first, second]);
                std::mem::transmute::<[u16; 32], __m512i>(numbers.map(rounded))
            }
        }

        #[inline(always)]
        unsafe fn fourteen_rows(
            self,
            sums: &mut Sums,
            (x, pitch): (*const f32, usize),
            depth: usize,
            b: *const f32,
        ) {
            for k in 0..depth {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (c, sum) in sums.iter_mut().enumerate() {
                        unsafe {
                            let a = _mm512_set1_ps(*x.add(r * pitch + k));
                            let b = _mm512_loadu_ps(b.add(32 * k + 16 * c));
                            *sum = self.dot(a, b, *sum);
                        }
                    }
                }
            }
        }
    }
}
