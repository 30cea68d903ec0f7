//! The product with a map of other pixels, each of which stands for those that it lies nearest to (Tang et al. 2022, GhostNetV2's attention;
//! PyTorch's `interpolate(mode="nearest")` in front of a product).

use crate::channels::{Access, Part, Whole, in_parts};
use crate::parallel::Shared;
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// A map and the one that weights it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearestShape {
    /// Images.
    pub batch: usize,
    /// Height and width of the map.
    pub size: [usize; 2],
    /// Height and width of the weights: place `p` of `n` has weight `p * m / n` of `m`, rounded down.
    pub weights: [usize; 2],
    /// Of both.
    pub channels: usize,
}

impl NearestShape {
    /// The rows (axis 0) or columns of the map that row or column `from` of the weights stands for.
    fn covered(&self, axis: usize, from: usize) -> std::ops::Range<usize> {
        let (size, weights) = (self.size[axis], self.weights[axis]);
        (from * size).div_ceil(weights)..((from + 1) * size).div_ceil(weights)
    }

    fn len(&self) -> usize {
        self.batch * self.size[0] * self.size[1] * self.channels
    }

    fn weights_len(&self) -> usize {
        self.batch * self.weights[0] * self.weights[1] * self.channels
    }

    fn check(&self, x: &[f32], weights: &[f32]) {
        assert_eq!(x.len(), self.len(), "a map of {self:?}");
        assert_eq!(weights.len(), self.weights_len(), "weights of {self:?}");
    }
}

/// `out = x * nearest(weights)`; `x` and `out` are `[batch, size, channels]`.
///
/// # Panics
///
/// When a slice has another length than `shape` says.
pub fn weigh(shape: &NearestShape, x: &[f32], weights: &[f32], out: &mut [f32]) {
    shape.check(x, weights);
    assert_eq!(out.len(), x.len(), "output of {shape:?}");
    let columns: Vec<_> = (0..shape.weights[1])
        .map(|at| shape.covered(1, at))
        .collect();
    let (level, out) = (Level::current(), Shared::new(out));
    let row = |row: usize| {
        let weigh = Weigh::<false> {
            shape,
            columns: &columns,
            row,
            x,
            weights,
            gradient: x,
            out,
            d_weights: Shared::new(&mut []),
        };
        dispatch_at(level, weigh);
    };
    in_parts(shape.batch * shape.weights[0], &row);
}

/// The backward pass of [`weigh`]: `dx = gradient * nearest(weights)`, and `d_weights` is given the sums of `gradient * x` over the places
/// that each weight stands for.
///
/// # Panics
///
/// As [`weigh`].
pub fn weigh_backward(
    shape: &NearestShape,
    x: &[f32],
    weights: &[f32],
    gradient: &[f32],
    dx: &mut [f32],
    d_weights: &mut [f32],
) {
    shape.check(x, weights);
    shape.check(gradient, d_weights);
    assert_eq!(dx.len(), x.len(), "gradient of {shape:?}");
    let columns: Vec<_> = (0..shape.weights[1])
        .map(|at| shape.covered(1, at))
        .collect();
    let (level, out, d_weights) = (Level::current(), Shared::new(dx), Shared::new(d_weights));
    let row = |row: usize| {
        let weigh = Weigh::<true> {
            shape,
            columns: &columns,
            row,
            x,
            weights,
            gradient,
            out,
            d_weights,
        };
        dispatch_at(level, weigh);
    };
    in_parts(shape.batch * shape.weights[0], &row);
}

/// What a row of weights stands for.
struct Weigh<'a, const BACKWARD: bool> {
    shape: &'a NearestShape,
    /// Columns of the map for each of the weights.
    columns: &'a [std::ops::Range<usize>],
    /// Counted over all images.
    row: usize,
    x: &'a [f32],
    weights: &'a [f32],
    gradient: &'a [f32],
    out: Shared<f32>,
    d_weights: Shared<f32>,
}

impl<const BACKWARD: bool> Kernel for Weigh<'_, BACKWARD> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.shape.channels;
        for column in 0..self.columns.len() {
            let mut channel = 0;
            while channel + S::LANES <= channels {
                // SAFETY: a whole register of a weight's channels; each weight is of one row, and each place of the map of one weight.
                unsafe { self.registers(s, Whole, column, channel) };
                channel += S::LANES;
            }
            if channel < channels {
                // SAFETY: the channels that are left.
                unsafe { self.registers(s, Part(channels - channel), column, channel) };
            }
        }
    }
}

impl<const BACKWARD: bool> Weigh<'_, BACKWARD> {
    /// # Safety
    ///
    /// The lanes of `access` lie inside the channels from `channel` on, and no other thread has the places of this weight.
    #[inline(always)]
    unsafe fn registers<S: Simd, A: Access<S>>(
        &self,
        s: S,
        access: A,
        column: usize,
        channel: usize,
    ) {
        let NearestShape {
            size: [height, width],
            weights: [rows, columns],
            channels,
            ..
        } = *self.shape;
        let (image, own) = (self.row / rows, self.row % rows);
        let of_weight = (self.row * columns + column) * channels + channel;
        let lines = self.shape.covered(0, own);
        let places = &self.columns[column];
        // SAFETY: the caller's promise.
        unsafe {
            let weight = access.load(s, self.weights.as_ptr().add(of_weight));
            let mut sum = s.zero();
            let mut y = lines.start;
            while y < lines.end {
                let mut x = places.start;
                while x < places.end {
                    let at = ((image * height + y) * width + x) * channels + channel;
                    let g = access.load(s, self.gradient.as_ptr().add(at));
                    if BACKWARD {
                        sum = s.mul_add(g, access.load(s, self.x.as_ptr().add(at)), sum);
                    }
                    access.store(s, self.out.get().add(at), s.mul(g, weight));
                    x += 1;
                }
                y += 1;
            }
            if BACKWARD {
                access.store(s, self.d_weights.get().add(of_weight), sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{assert_close, at_each_level, differences, numbers, wide, with_threads};

    fn defined(shape: &NearestShape, x: &[f64], weights: &[f64]) -> Vec<f64> {
        let [height, width] = shape.size;
        let [rows, columns] = shape.weights;
        let each = x.iter().enumerate();
        each.map(|(i, x)| {
            let (channel, place) = (i % shape.channels, i / shape.channels);
            let (image, line, column) = (
                place / width / height,
                place / width % height,
                place % width,
            );
            let (row, column) = (line * rows / height, column * columns / width);
            x * weights[((image * rows + row) * columns + column) * shape.channels + channel]
        })
        .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn products_and_their_gradients_are_those_of_the_definition(
            batch in 1usize..3, height in 1usize..9, width in 1usize..9, rows in 1usize..7, columns in 1usize..7,
            channels in 1usize..40, seed in 0u64..1 << 40
        ) {
            let shape = NearestShape { batch, size: [height, width], weights: [rows, columns], channels };
            let (x, weights) = (numbers(shape.len(), seed), numbers(shape.weights_len(), seed + 1));
            let gradient = numbers(shape.len(), seed + 2);
            let expected = defined(&shape, &wide(&x), &wide(&weights));
            let of_x = defined(&shape, &wide(&gradient), &wide(&weights));
            // A product is linear in its weights: the derivative by one of them is the product where it alone is 1.
            let of_weights: Vec<f64> = (0..weights.len().min(30)).map(|i| {
                let mut one = vec![0.0; weights.len()];
                one[i] = 1.0;
                let out = defined(&shape, &wide(&x), &one);
                out.iter().zip(&gradient).map(|(y, &g)| y * f64::from(g)).sum()
            }).collect();
            at_each_level(|| {
                let mut out = vec![f32::NAN; x.len()];
                weigh(&shape, &x, &weights, &mut out);
                assert_close(&out, &expected, "product");
                let (mut dx, mut d_weights) = (vec![f32::NAN; x.len()], vec![f32::NAN; weights.len()]);
                weigh_backward(&shape, &x, &weights, &gradient, &mut dx, &mut d_weights);
                assert_close(&dx, &of_x, "gradient of the map");
                assert_close(&d_weights[..of_weights.len()], &of_weights, "gradient of the weights");
                assert!(d_weights.iter().all(|x| !x.is_nan()));
            });
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        let shape = NearestShape {
            batch: 2,
            size: [5, 3],
            weights: [2, 2],
            channels: 3,
        };
        let (x, weights) = (numbers(shape.len(), 1), numbers(shape.weights_len(), 2));
        let gradient = numbers(shape.len(), 3);
        let loss = |x: &[f64], weights: &[f64]| -> f64 {
            let out = defined(&shape, x, weights);
            out.iter()
                .zip(&gradient)
                .map(|(y, &g)| y * f64::from(g))
                .sum()
        };
        let of_x = differences(&x, |x| loss(x, &wide(&weights)));
        let of_weights = differences(&weights, |weights| loss(&wide(&x), weights));
        at_each_level(|| {
            let (mut dx, mut d_weights) = (vec![0.0; x.len()], vec![0.0; weights.len()]);
            weigh_backward(&shape, &x, &weights, &gradient, &mut dx, &mut d_weights);
            assert_close(&dx, &of_x, "gradient of the map");
            assert_close(&d_weights, &of_weights, "gradient of the weights");
        });
    }

    #[test]
    fn results_are_the_same_bytes_with_any_number_of_threads() {
        let shape = NearestShape {
            batch: 3,
            size: [28, 28],
            weights: [14, 14],
            channels: 20,
        };
        let (x, weights) = (numbers(shape.len(), 1), numbers(shape.weights_len(), 2));
        let run = || {
            let (mut dx, mut d_weights) = (vec![0.0; x.len()], vec![0.0; weights.len()]);
            weigh_backward(&shape, &x, &weights, &x, &mut dx, &mut d_weights);
            (dx, d_weights)
        };
        assert_eq!(with_threads(1, run), with_threads(4, run));
    }
}
