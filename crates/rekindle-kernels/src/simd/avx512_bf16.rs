//! Factors of products as pairs of `bf16`, two numbers in the place of an `f32`, which are summed in `f32`.

use std::arch::x86_64::*;

use super::avx512::{Avx512, fourteen_rows, row, step};
use super::avx512_factors::{Factors, Sums};
use super::level::Level;
use super::vector::Kernel;

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
