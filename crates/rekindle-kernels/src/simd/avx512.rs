//! 512-bit registers.

use std::arch::x86_64::*;

use super::avx512_factors::{Factors, Sums, copy, mask, pair};
use super::vector::{Kernel, Simd};

/// Proof that the processor has avx512f, and what the factors of products take.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<F>(F);

/// # Safety
///
/// The processor has avx512f, avx2 and fma.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(Floats(())))
}

impl<F: Factors> Avx512<F> {
    /// A value inside a function that is compiled for these instructions.
    #[inline(always)]
    pub(super) fn assumed(factors: F) -> Self {
        Self(factors)
    }
}

/// Factors in `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Floats(());

impl Factors for Floats {
    const DEPTH: usize = 1;

    #[inline(always)]
    fn dot(self, a: __m512, b: __m512, sum: __m512) -> __m512 {
        // SAFETY: the value exists only where the processor has avx512f.
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    fn rounded(self, _first: __m512, _second: __m512) -> __m512i {
        unreachable!("a place holds one number")
    }

    #[inline(always)]
    unsafe fn fourteen_rows(
        self,
        sums: &mut Sums,
        rows: (*const f32, usize),
        depth: usize,
        b: *const f32,
    ) {
        // SAFETY: the processor has avx512f; the caller's promise.
        unsafe { fourteen_rows_of_floats(sums, rows, depth, b) }
    }
}

// SAFETY of every block below: a value of the type exists only inside `enter`, whose caller vouches for the instructions; pointers are
// the callers' promise.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<F: Factors> Simd for Avx512<F> {
    type V = __m512;
    const LANES: usize = 16;
    const ROWS: usize = 14;
    const COLS: usize = 2;
    const DEPTH: usize = F::DEPTH;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, v: __m512) {
        unsafe { _mm512_stream_ps(p, v) }
    }
    #[inline(always)]
    fn fence(self) {
        unsafe { _mm_sfence() }
    }
    #[inline(always)]
    unsafe fn load_partial(self, p: *const f32, n: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(mask(n), p) }
    }
    #[inline(always)]
    unsafe fn store_partial(self, p: *mut f32, v: __m512, n: usize) {
        unsafe { _mm512_mask_storeu_ps(p, mask(n), v) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn select_gt(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes) }
    }
    #[inline(always)]
    fn round_and_exp2(self, x: __m512) -> (__m512, __m512) {
        unsafe {
            let whole = _mm512_cvtps_epi32(x);
            let power = _mm512_slli_epi32::<23>(_mm512_add_epi32(whole, _mm512_set1_epi32(127)));
            (_mm512_cvtepi32_ps(whole), _mm512_castsi512_ps(power))
        }
    }
    #[inline(always)]
    fn has_rows_at_pitch<const R: usize, const C: usize>(self) -> bool {
        R == Self::ROWS && C == Self::COLS
    }
    #[inline(always)]
    unsafe fn rows_at_pitch<const R: usize, const C: usize>(
        self,
        sums: &mut [[__m512; C]; R],
        (x, pitch): (*const f32, usize),
        depth: usize,
        b: *const f32,
    ) {
        assert!(self.has_rows_at_pitch::<R, C>());
        // R and C are these numbers, which the compiler does not see.
        let sums = std::ptr::from_mut(sums).cast::<Sums>();
        unsafe { self.0.fourteen_rows(&mut *sums, (x, pitch), depth, b) }
    }
    #[inline(always)]
    fn dot(self, a: __m512, b: __m512, sum: __m512) -> __m512 {
        self.0.dot(a, b, sum)
    }
    #[inline(always)]
    fn copy_factor(self, from: &[f32], to: &mut [f32]) {
        match F::DEPTH {
            1 => to[..from.len()].copy_from_slice(from),
            _ => copy(self.0, from, to),
        }
    }
    #[inline(always)]
    fn pair(self, first: __m512, second: __m512) -> __m512 {
        pair(self.0, first, second)
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    fn prefetch_far(self, p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[inline(always)]
    fn sum(self, v: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(v) }
    }
}

/// Adds the products of one row's number `k` with the two registers at hand.
macro_rules! row {
    ($dot:literal, $k:literal, $r:literal, $place:literal) => {
        concat!(
            "vbroadcastss {a}, dword ptr [",
            $place,
            " + 4*",
            $k,
            "]\n",
            $dot,
            " {s",
            $r,
            "_0}, {a}, {b0}\n",
            $dot,
            " {s",
            $r,
            "_1}, {a}, {b1}\n",
        )
    };
}

/// Adds the products of all rows' numbers `k`.
macro_rules! step {
    ($dot:literal, $k:literal) => {
        concat!(
            "vmovups {b0}, [{b} + 128*",
            $k,
            "]\n",
            "vmovups {b1}, [{b} + 128*",
            $k,
            " + 64]\n",
            // What comes eight steps later: it lies in the second-level cache.
            "prefetcht0 [{b} + 128*",
            $k,
            " + 1024]\n",
            "prefetcht0 [{b} + 128*",
            $k,
            " + 1088]\n",
            row!($dot, $k, 0, "{x}"),
            row!($dot, $k, 1, "{x} + {p}"),
            row!($dot, $k, 2, "{x} + 2*{p}"),
            row!($dot, $k, 3, "{x} + {p3}"),
            row!($dot, $k, 4, "{x} + 4*{p}"),
            row!($dot, $k, 5, "{x} + {p5}"),
            row!($dot, $k, 6, "{x} + 2*{p3}"),
            row!($dot, $k, 7, "{x} + {p7}"),
            row!($dot, $k, 8, "{x} + 8*{p}"),
            row!($dot, $k, 9, "{x} + {p9}"),
            row!($dot, $k, 10, "{x} + 2*{p5}"),
            row!($dot, $k, 11, "{x} + {p11}"),
            row!($dot, $k, 12, "{x} + 4*{p3}"),
            row!($dot, $k, 13, "{x} + {p13}"),
        )
    };
}

/// Defines a function for the product of 14 rows, `pitch` places apart, with a panel of two registers, `[depth][32]`, whose places one
/// instruction multiplies.
///
/// In assembly: compilers keep a pointer for each row, more than there are registers for, and spend up to a fifth of the instructions on
/// fetching them. Where another thread has half of the core, instructions are what the loop waits for.
macro_rules! fourteen_rows {
    ($name:ident, $dot:literal) => {
        /// # Safety
        ///
        /// `depth` places can be read at each row, `32 * depth` at `b`; the processor has the instruction.
        #[inline]
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn $name(
            sums: &mut Sums,
            (x, pitch): (*const f32, usize),
            depth: usize,
            b: *const f32,
        ) {
            let pitch = pitch * size_of::<f32>();
            // With a type: without one, the compiler (1.95) gets the names of the upper registers wrong where avx512vl is enabled.
            let (_a, _b0, _b1): (__m512, __m512, __m512);
            // SAFETY: the loop reads number `k` of each row and row `k` of the panel for each `k < depth`, four and then one at a time, and
            // changes the registers that it names alone. Prefetched places need not exist.
            unsafe {
                std::arch::asm!(
                    "cmp {n}, 4",
                    "jb 3f",
                    "2:",
                    step!($dot, 0),
                    step!($dot, 1),
                    step!($dot, 2),
                    step!($dot, 3),
                    "add {x}, 16",
                    "add {b}, 512",
                    "sub {n}, 4",
                    "cmp {n}, 4",
                    "jae 2b",
                    "3:",
                    "test {n}, {n}",
                    "jz 5f",
                    "4:",
                    step!($dot, 0),
                    "add {x}, 4",
                    "add {b}, 128",
                    "dec {n}",
                    "jnz 4b",
                    "5:",
                    x = inout(reg) x => _,
                    b = inout(reg) b => _,
                    n = inout(reg) depth => _,
                    p = in(reg) pitch,
                    p3 = in(reg) pitch.wrapping_mul(3),
                    p5 = in(reg) pitch.wrapping_mul(5),
                    p7 = in(reg) pitch.wrapping_mul(7),
                    p9 = in(reg) pitch.wrapping_mul(9),
                    p11 = in(reg) pitch.wrapping_mul(11),
                    p13 = in(reg) pitch.wrapping_mul(13),
                    a = out(zmm_reg) _a,
                    b0 = out(zmm_reg) _b0,
                    b1 = out(zmm_reg) _b1,
                    s0_0 = inout(zmm_reg) sums[0][0],
                    s0_1 = inout(zmm_reg) sums[0][1],
                    s1_0 = inout(zmm_reg) sums[1][0],
                    s1_1 = inout(zmm_reg) sums[1][1],
                    s2_0 = inout(zmm_reg) sums[2][0],
                    s2_1 = inout(zmm_reg) sums[2][1],
                    s3_0 = inout(zmm_reg) sums[3][0],
                    s3_1 = inout(zmm_reg) sums[3][1],
                    s4_0 = inout(zmm_reg) sums[4][0],
                    s4_1 = inout(zmm_reg) sums[4][1],
                    s5_0 = inout(zmm_reg) sums[5][0],
                    s5_1 = inout(zmm_reg) sums[5][1],
                    s6_0 = inout(zmm_reg) sums[6][0],
                    s6_1 = inout(zmm_reg) sums[6][1],
                    s7_0 = inout(zmm_reg) sums[7][0],
                    s7_1 = inout(zmm_reg) sums[7][1],
                    s8_0 = inout(zmm_reg) sums[8][0],
                    s8_1 = inout(zmm_reg) sums[8][1],
                    s9_0 = inout(zmm_reg) sums[9][0],
                    s9_1 = inout(zmm_reg) sums[9][1],
                    s10_0 = inout(zmm_reg) sums[10][0],
                    s10_1 = inout(zmm_reg) sums[10][1],
                    s11_0 = inout(zmm_reg) sums[11][0],
                    s11_1 = inout(zmm_reg) sums[11][1],
                    s12_0 = inout(zmm_reg) sums[12][0],
                    s12_1 = inout(zmm_reg) sums[12][1],
                    s13_0 = inout(zmm_reg) sums[13][0],
                    s13_1 = inout(zmm_reg) sums[13][1],
                    options(nostack, readonly),
                );
            }
        }
    };
}

fourteen_rows!(fourteen_rows_of_floats, "vfmadd231ps");

pub(super) use {fourteen_rows, row, step};
