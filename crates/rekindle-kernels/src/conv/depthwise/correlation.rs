//! What the forward pass and the input's gradient compute, and how its outputs are loaded and stored; `rows` and `window` have the
//! inner loops.

use std::borrow::Cow;

use super::ahead::Ahead;
use super::packed::{GROUP, unroll};
use super::tiles::{Line, Tile, cut, is_wide};
use crate::Activation;
use crate::simd::{Level, Simd};

/// Sums of products of an image with a kernel per channel:
/// `out[y, x, c] = bias[c] + sum over (i, j) of weight[i, j, c] * image[y * stride + i * dilation + origin, (the same of x, j), c]`,
/// clamped. Pixels outside the image count as zero.
pub(super) struct Correlation<'a> {
    pub channels: usize,
    /// Rows of the image and of the kernel; the field `outputs` is not used.
    pub vertical: Line,
    /// Columns of the image, of the output and of the kernel.
    pub horizontal: Line,
    /// As [`pack_weight`](super::packed::pack_weight) lays it out.
    pub weight: Cow<'a, [f32]>,
    /// Padded with zeros to a multiple of [`GROUP`].
    pub bias: Vec<f32>,
    /// A pixel outside the image.
    pub zeros: Vec<f32>,
    /// What is applied while the sums are in registers.
    pub last: Last,
    /// An activation that is applied to what was stored.
    pub activation: Option<Activation>,
    /// Tiles of a row of outputs, for the level.
    pub tiles: Vec<Tile>,
    pub level: Level,
}

/// What is cheap enough to be applied in registers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Last {
    /// The smallest and the largest result.
    Clamp([f32; 2]),
    HardSwish,
}

/// Where two rows of outputs go.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// The first row's first pixel, at the first channel that is computed.
    pub out: *mut f32,
    /// Numbers from a pixel to its neighbour.
    pub pixel: usize,
    /// Numbers from the first row to the second.
    pub row: usize,
    /// What the next rows will read and write.
    pub ahead: [Ahead; 2],
}

impl<'a> Correlation<'a> {
    pub fn new(
        level: Level,
        channels: usize,
        vertical: Line,
        horizontal: Line,
        weight: Cow<'a, [f32]>,
    ) -> Self {
        Self {
            channels,
            vertical,
            horizontal,
            weight,
            bias: vec![0.0; channels.next_multiple_of(GROUP)],
            zeros: vec![0.0; channels],
            last: Last::Clamp([f32::NEG_INFINITY, f32::INFINITY]),
            activation: None,
            tiles: cut(&horizontal, if is_wide(level) { 8 } else { 7 }),
            level,
        }
    }

    /// Whether two rows of outputs see the same rows of the image, so that they can be computed together.
    pub fn pairs(&self) -> bool {
        self.vertical.stride.is_multiple_of(self.vertical.dilation)
    }
}

/// Stores the first `count` outputs of a row of a tile from `out` on, `pixel` numbers from each to the next.
///
/// # Safety
///
/// `lanes` channels of those outputs can be written, which fill a register without `PARTIAL`.
#[inline(always)]
pub(super) unsafe fn store<S: Simd, const T: usize, const PARTIAL: bool>(
    s: S,
    last: Last,
    (out, pixel): (*mut f32, usize),
    count: usize,
    lanes: usize,
    sums: &[S::V; T],
) {
    // Where outputs go that do not exist: with a branch instead, the compiler would move their sums behind it, out of step with the
    // others.
    let mut spare = [0.0f32; GROUP];
    macro_rules! store_all {
        (|$sum:ident| $value:expr) => {{
            unroll!(t < 8, {
                if t < T {
                    let $sum = sums[t % T];
                    let value = $value;
                    let to = if t < count {
                        out.wrapping_add(t * pixel)
                    } else {
                        spare.as_mut_ptr()
                    };
                    // SAFETY: the output is one of those that the caller lets us write, or the spare place of a whole register.
                    unsafe {
                        if PARTIAL {
                            s.store_partial(to, value, lanes);
                        } else {
                            s.store(to, value);
                        }
                    }
                }
            });
        }};
    }
    match last {
        Last::Clamp(limits) => {
            let [low, high] = limits.map(|limit| s.splat(limit));
            store_all!(|sum| s.min(high, s.max(low, sum)));
        }
        Last::HardSwish => store_all!(|sum| Activation::HardSwish.vector(s, sum)),
    }
}

/// # Safety
///
/// `lanes` numbers can be read at `at`, a whole register without `PARTIAL`.
#[inline(always)]
pub(super) unsafe fn load<S: Simd, const PARTIAL: bool>(
    s: S,
    at: *const f32,
    lanes: usize,
) -> S::V {
    // SAFETY: the same contract.
    unsafe {
        if PARTIAL {
            s.load_partial(at, lanes)
        } else {
            s.load(at)
        }
    }
}
