//! How the factors of products lie in 512-bit registers: one to a place, or a pair.

use std::arch::x86_64::*;

/// Sums of a tile of 14 rows and two registers.
pub(super) type Sums = [[__m512; 2]; 14];

/// How the factors of products are held, and their products.
///
/// A value exists only where the processor has the instructions.
pub(crate) trait Factors: Copy + Send + Sync + 'static {
    /// [`Simd::DEPTH`]: 1, or 2 and then the processor has avx512bw.
    const DEPTH: usize;

    /// [`Simd::dot`].
    fn dot(self, a: __m512, b: __m512, sum: __m512) -> __m512;

    /// Where a place holds two numbers: those of `first` and then those of `second`, rounded to nearest even.
    fn rounded(self, first: __m512, second: __m512) -> __m512i;

    /// The product of 14 rows, `pitch` places apart, with a panel of two registers, `[depth][32]`, added to `sums`.
    ///
    /// # Safety
    ///
    /// `depth` places can be read at each row, `32 * depth` at `b`.
    unsafe fn fourteen_rows(
        self,
        sums: &mut Sums,
        rows: (*const f32, usize),
        depth: usize,
        b: *const f32,
    );
}

/// The first `n` lanes.
#[inline(always)]
pub(super) fn mask(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

/// [`Simd::copy_factor`](super::vector::Simd::copy_factor) of pairs.
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

/// [`Simd::pair`](super::vector::Simd::pair).
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
