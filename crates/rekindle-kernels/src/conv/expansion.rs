//! A 1x1 convolution and the depthwise one behind it in one pass, as inverted residuals have them (Sandler et al. 2018, "MobileNetV2"),
//! for inference. The wide map between the two is the largest of such a network; it is made panel by panel of channels, as the product
//! gives them, and row by row, as the depthwise convolution reads them, and never leaves the caches.

use std::ops::Range;

use super::copies::rounded;
use super::depthwise::{Frame, Places, Producer};
use super::epilogue::Epilogue;
use super::panels::Panels;
use super::product::{Finish, InTiles, Tiled, bias_of, finish, rows_times_panel};
use crate::buffer::Buffer;
use crate::simd::{Level, Simd, dispatch_in};
use crate::{ConvShape, Precision};

/// The 1x1 convolution: what makes the map.
pub(super) struct Expansion<'a> {
    shape: &'a ConvShape,
    x: &'a [f32],
    /// The pixels of `x` in places, where they are rounded.
    rounded: Option<Buffer>,
    panels: &'a Panels,
    finish: Finish,
}

/// Whether the convolution, with these panels, can give its map to a depthwise one panel by panel.
pub(super) fn applies(shape: &ConvShape, panels: &Panels) -> bool {
    shape.kernel == [1, 1]
        && shape.stride == [1, 1]
        && shape.padding == [[0; 2]; 2]
        && shape.groups == 1
        && panels.level != Level::Portable
}

impl<'a> Expansion<'a> {
    /// The convolution of `x`, without a residual.
    pub(super) fn new(
        shape: &'a ConvShape,
        x: &'a [f32],
        panels: &'a Panels,
        epilogue: Epilogue<'a>,
    ) -> Self {
        assert!(applies(shape, panels));
        assert!(epilogue.residual.is_none() && !epilogue.accumulate);
        assert_eq!(x.len(), shape.input_len(), "input of {shape:?}");
        Self {
            shape,
            x,
            rounded: (panels.precision == Precision::Bf16).then(|| rounded(x, shape.channels_in)),
            panels,
            finish: Finish::new(epilogue, 0, false),
        }
    }
}

impl Producer for Expansion<'_> {
    fn width(&self) -> usize {
        self.panels.level.tile().1
    }

    fn compute(
        &self,
        panel: usize,
        pixels: Range<usize>,
        limit: usize,
        first: usize,
        frame: &mut Frame,
    ) -> usize {
        let width = self.width();
        let depth = self.panels.precision.places(self.shape.channels_in);
        let x = self.rounded.as_deref().unwrap_or(self.x);
        let channel = panel * width;
        let columns = (self.shape.channels_out - channel).min(width);
        // Whole tiles, so that only the last is computed in vain.
        let rows = self.panels.level.tile().0;
        let end = (pixels.start + pixels.len().next_multiple_of(rows)).min(limit);
        let mut finish = self.finish;
        if !finish.bias.is_null() {
            // SAFETY: the bias has a number for each of the channels.
            finish.bias = unsafe { finish.bias.add(channel) };
        }
        dispatch_in(
            self.panels.level,
            self.panels.precision,
            InTiles(Pixels {
                x: &x[pixels.start * depth..end * depth],
                depth,
                panel: &self.panels.data[panel * depth * width..][..depth * width],
                places: frame.places_from(pixels.start - first),
                out: frame.data(),
                columns,
                finish,
            }),
        );
        end
    }
}

/// Numbers in a cache line.
const LINE: usize = 16;

/// Numbers of a pixel from which its neighbours are prefetched: shorter ones the processor finds by itself.
const DEEP: usize = 64;

/// Some pixels, one after the other, times a panel.
struct Pixels<'a> {
    x: &'a [f32],
    /// Places of a pixel.
    depth: usize,
    panel: &'a [f32],
    places: Places,
    out: &'a mut [f32],
    columns: usize,
    finish: Finish,
}

impl Tiled for Pixels<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const C: usize>(self, s: S) {
        // A last panel that fills one register at most is computed with one.
        if C > 1 && self.columns <= S::LANES {
            self.of_width::<S, R, 1>(s, C * S::LANES);
        } else {
            self.of_width::<S, R, C>(s, C * S::LANES);
        }
    }
}

impl Pixels<'_> {
    #[inline(always)]
    fn of_width<S: Simd, const R: usize, const C: usize>(self, s: S, width: usize) {
        let Self {
            x,
            depth,
            panel,
            places: mut walk,
            out,
            columns,
            finish: how,
        } = self;
        let pixels = x.len() / depth;
        assert!(x.len() == pixels * depth && panel.len() == depth * width);
        // The sums start with the bias.
        // SAFETY: the bias has a number for each of the panel's columns.
        let bias: [S::V; C] = unsafe { bias_of(s, how.bias, 0, columns) };
        let how = Finish {
            bias: std::ptr::null(),
            ..how
        };
        for first in (0..pixels).step_by(R) {
            let used = R.min(pixels - first);
            let row = x[first * depth..].as_ptr();
            // Rows behind the last repeat it and are not stored.
            let rows: [*const f32; R] = if used == R {
                std::array::from_fn(|r| row.wrapping_add(r * depth))
            } else {
                std::array::from_fn(|r| row.wrapping_add(r.min(used - 1) * depth))
            };
            if depth >= DEEP {
                // The next tile comes from the second-level cache, and is asked for now.
                let next = row.wrapping_add(R * depth);
                for line in (0..R * depth).step_by(LINE) {
                    s.prefetch(next.wrapping_add(line));
                }
            }
            let side_by_side = if used == R {
                walk.side_by_side(R)
            } else {
                None
            };
            let places: [usize; R] = match side_by_side {
                Some(place) => std::array::from_fn(|r| place + r * width),
                None => {
                    let mut places = [0; R];
                    places[..used].fill_with(|| walk.step());
                    places
                }
            };
            assert!(places[used - 1] + columns <= out.len());
            let mut sums = [bias; R];
            // SAFETY: each row has `depth` places, since `used` pixels of `x` are left, and the panel `depth * width`; the places lie in
            // `out` one behind the other.
            unsafe {
                let b = (panel.as_ptr(), width);
                rows_times_panel::<S, R, C>(s, &mut sums, &rows, depth, b, None);
                finish::<S, R, C>(s, &sums, out.as_mut_ptr(), &places[..used], 0, columns, how);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::check::{ACTIVATIONS, at_each_level, numbers, with_threads};
    use crate::conv::panels::precision;
    use crate::conv::{PreparedConv, reference_forward};
    use crate::precision::all_rounded as rounded;
    use crate::{Activation, ConvShape, Epilogue, Level, Precision};

    /// The layers of a pair with their numbers.
    struct Pair {
        shapes: [ConvShape; 2],
        weights: [Vec<f32>; 2],
        biases: [Option<Vec<f32>>; 2],
        activations: [Activation; 2],
        x: Vec<f32>,
    }

    impl Pair {
        fn new(shapes: [ConvShape; 2], activations: [Activation; 2], biased: bool) -> Self {
            let weight = |i: usize| numbers(shapes[i].weight_len(), i as u64 + 1);
            let bias = |i: usize| biased.then(|| numbers(shapes[i].channels_out, i as u64 + 3));
            Self {
                shapes,
                weights: [weight(0), weight(1)],
                biases: [bias(0), bias(1)],
                activations,
                x: numbers(shapes[0].input_len(), 5),
            }
        }

        fn epilogue(&self, i: usize) -> Epilogue<'_> {
            Epilogue {
                bias: self.biases[i].as_deref(),
                activation: self.activations[i],
                ..Epilogue::default()
            }
        }

        /// One after the other, by the definition, of factors as they are or rounded.
        fn expected(&self) -> Vec<f32> {
            let [shape, next] = &self.shapes;
            let [x, weight] = [&self.x, &self.weights[0]].map(|numbers| match precision(shape) {
                Precision::F32 => numbers.clone(),
                Precision::Bf16 => rounded(numbers),
            });
            let mut map = vec![0.0; shape.output_len()];
            reference_forward(shape, &x, &weight, self.epilogue(0), &mut map);
            let mut out = vec![0.0; next.output_len()];
            reference_forward(next, &map, &self.weights[1], self.epilogue(1), &mut out);
            out
        }

        fn in_one(&self) -> Vec<f32> {
            let [shape, next] = &self.shapes;
            let [first, second] =
                [0, 1].map(|i| PreparedConv::new(&self.shapes[i], &self.weights[i]));
            assert!(first.feeds(shape, &second, next));
            let mut out = vec![f32::NAN; next.output_len()];
            let (epilogue, next_epilogue) = (self.epilogue(0), self.epilogue(1));
            first.forward_into(
                (shape, epilogue),
                &self.x,
                &second,
                (next, next_epilogue),
                &mut out,
            );
            out
        }

        fn check(&mut self) {
            for precision in [Precision::F32, Precision::Bf16] {
                self.shapes = self.shapes.map(|shape| shape.with_precision(precision));
                at_each_level(|| self.check_here());
            }
        }

        fn check_here(&self) {
            if Level::current() == Level::Portable {
                return;
            }
            let expected = self.expected();
            let scale = expected.iter().fold(1.0f32, |a, b| a.max(b.abs()));
            for (i, (got, expected)) in self.in_one().iter().zip(&expected).enumerate() {
                assert!(
                    (got - expected).abs() <= 1e-4 * scale,
                    "{:?} at {:?}: {got} instead of {expected} at {i}",
                    self.shapes,
                    Level::current(),
                );
            }
        }
    }

    fn shapes(
        batch: usize,
        size: [usize; 2],
        [channels, wide]: [usize; 2],
        (kernel, stride, padding): (usize, usize, [[usize; 2]; 2]),
    ) -> [ConvShape; 2] {
        let next = ConvShape::new(batch, size, [wide; 2], kernel)
            .with_stride(stride)
            .with_groups(wide);
        [
            ConvShape::new(batch, size, [channels, wide], 1),
            ConvShape { padding, ..next },
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_pair_in_one_pass_is_one_after_the_other(
            batch in 1usize..4, height in 4usize..20, width in 32usize..40,
            channels in 1usize..40, wide in 2usize..70,
            larger in any::<bool>(), stride in 1usize..3, pads in prop::array::uniform4(0usize..4),
            which in prop::array::uniform2(0usize..ACTIVATIONS.len()), biased in any::<bool>(),
        ) {
            let kernel = if larger { 5 } else { 3 };
            let padding = [[pads[0], pads[1]], [pads[2], pads[3]]];
            let height = height.max(kernel);
            let shapes = shapes(batch, [height, width], [channels, wide], (kernel, stride, padding));
            Pair::new(shapes, which.map(|i| ACTIVATIONS[i]), biased).check();
        }
    }

    #[test]
    fn pairs_of_the_common_networks() {
        let same = [[1, 1]; 2];
        for (batch, size, channels, window) in [
            (1, 28, [40, 240], (5, 1, [[2, 2]; 2])),
            (3, 14, [80, 480], (3, 1, same)),
            (2, 14, [112, 672], (5, 2, [[1, 2]; 2])),
            (1, 57, [24, 72], (3, 2, same)),
            (5, 12, [8, 100], (3, 1, same)),
        ] {
            let shapes = shapes(batch, [size; 2], channels, window);
            Pair::new(shapes, [Activation::Relu6, Activation::HardSwish], true).check();
        }
    }

    #[test]
    fn results_are_the_same_bytes_with_any_number_of_threads() {
        let shapes = shapes(7, [14; 2], [112, 672], (5, 1, [[2, 2]; 2]));
        for precision in [Precision::F32, Precision::Bf16] {
            let shapes = shapes.map(|shape| shape.with_precision(precision));
            let pair = Pair::new(shapes, [Activation::Relu6; 2], true);
            if Level::detect() != Level::Portable {
                assert_eq!(
                    with_threads(1, || pair.in_one()),
                    with_threads(4, || pair.in_one())
                );
            }
        }
    }
}
