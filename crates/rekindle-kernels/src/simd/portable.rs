//! Plain Rust: arrays that the compiler maps to whatever the baseline has.

use super::vector::Simd;

/// Registers of eight as an array.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

type V = [f32; 8];

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> V {
    [f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)]
}

impl Simd for Portable {
    type V = V;
    const LANES: usize = 8;
    const ROWS: usize = 4;
    const COLS: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V {
        // SAFETY: the caller's promise; alignment is not asked for.
        unsafe { p.cast::<V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: V) {
        // SAFETY: the caller's promise; alignment is not asked for.
        unsafe { p.cast::<V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_partial(self, p: *const f32, n: usize) -> V {
        let mut v = [0.0; 8];
        for (i, lane) in v.iter_mut().enumerate().take(n) {
            // SAFETY: the caller's promise for the first n.
            *lane = unsafe { *p.add(i) };
        }
        v
    }
    #[inline(always)]
    unsafe fn store_partial(self, p: *mut f32, v: V, n: usize) {
        for (i, lane) in v.iter().enumerate().take(n) {
            // SAFETY: the caller's promise for the first n.
            unsafe { *p.add(i) = *lane };
        }
    }
    #[inline(always)]
    fn mul_add(self, a: V, b: V, c: V) -> V {
        // Two roundings: a fused one would be a call into the C library where the baseline lacks it.
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        each(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn select_gt(self, a: V, b: V, yes: V, no: V) -> V {
        each(|i| if a[i] > b[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn round_and_exp2(self, x: V) -> (V, V) {
        let whole = each(|i| x[i].round_ties_even());
        let power = each(|i| f32::from_bits(((whole[i] as i32 + 127) as u32) << 23));
        (whole, power)
    }
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }
}
