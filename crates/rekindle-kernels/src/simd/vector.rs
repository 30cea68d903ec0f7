//! The vector interface that kernels are written over, and what a kernel is.

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
