//! Weights kept in the form that the forward pass reads, for networks whose weights stay.

use super::algorithm::{Algorithm, timed, timed_pair};
use super::epilogue::{Epilogue, check};
use super::expansion::{self, Expansion};
use super::panels::Panels;
use super::{dense, depthwise, stem, winograd};
use crate::{ConvShape, Level};

/// A convolution whose weights are prepared once and used for many images.
pub struct PreparedConv {
    level: Level,
    weight_len: usize,
    form: Form,
}

enum Form {
    Depthwise(depthwise::Weights),
    Winograd(winograd::Weights),
    /// One set of panels per group.
    Dense(Vec<Panels>),
    Stem(Panels),
}

impl PreparedConv {
    /// Prepares `weight`, `[channels_out, channels_in / groups, kernel height, kernel width]`, for images of about this size.
    ///
    /// # Panics
    ///
    /// When the weight has another length than `shape` says.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        shape.check();
        assert_eq!(weight.len(), shape.weight_len(), "weight of {shape:?}");
        let level = Level::current();
        let form = match Algorithm::of(shape) {
            Algorithm::Depthwise => Form::Depthwise(depthwise::Weights::new(shape, weight)),
            Algorithm::Winograd => Form::Winograd(winograd::Weights::forward(level, shape, weight)),
            Algorithm::Stem => Form::Stem(stem::pack(shape, weight)),
            Algorithm::Dense | Algorithm::Matrix => {
                let groups = 0..shape.groups;
                let pack = |group| Panels::forward(level, shape, group, weight);
                Form::Dense(groups.map(pack).collect())
            }
        };
        Self {
            level,
            weight_len: weight.len(),
            form,
        }
    }

    /// Whether the prepared form is the one that this shape asks for; the best form depends on the size of the images.
    pub fn fits(&self, shape: &ConvShape) -> bool {
        let same = match (&self.form, Algorithm::of(shape)) {
            (Form::Depthwise(_), Algorithm::Depthwise)
            | (Form::Winograd(_), Algorithm::Winograd)
            | (Form::Stem(_), Algorithm::Stem) => true,
            (Form::Dense(panels), Algorithm::Dense | Algorithm::Matrix) => {
                panels.iter().all(|panels| panels.fit(shape))
            }
            _ => false,
        };
        same && self.weight_len == shape.weight_len() && self.level == Level::current()
    }

    /// Whether it is computed in tiles, which want whole images.
    pub(crate) fn is_tiled(&self) -> bool {
        matches!(self.form, Form::Winograd(_))
    }

    /// Whether an epilogue may accumulate.
    pub(crate) fn accumulates(&self) -> bool {
        !matches!(self.form, Form::Depthwise(_))
    }

    /// As [`conv_forward`](super::conv_forward).
    ///
    /// # Panics
    ///
    /// As there, and when the shape is of another kind than the weights were prepared for.
    pub fn forward(&self, shape: &ConvShape, x: &[f32], epilogue: Epilogue<'_>, out: &mut [f32]) {
        let same = match self.form {
            Form::Depthwise(_) => shape.is_depthwise(),
            Form::Winograd(_) => winograd::applies(shape),
            Form::Stem(_) => stem::applies(shape),
            Form::Dense(_) => !shape.is_depthwise(),
        };
        assert!(same, "weights prepared for another shape than {shape:?}");
        check(shape, x, self.weight_len, &epilogue, out);
        timed(shape, "inference", || match &self.form {
            Form::Depthwise(weights) => depthwise::forward_with(shape, x, weights, epilogue, out),
            Form::Winograd(weights) => winograd::forward_with(shape, x, weights, epilogue, out),
            Form::Dense(panels) => dense::forward_with(shape, x, panels, epilogue, out),
            Form::Stem(panels) => stem::forward_with(shape, x, panels, epilogue, out),
        });
    }

    /// Whether this convolution's result is better given to the `next`, a depthwise one, without being stored.
    pub fn feeds(&self, shape: &ConvShape, next: &Self, next_shape: &ConvShape) -> bool {
        let Form::Dense(panels) = &self.form else {
            return false;
        };
        matches!(next.form, Form::Depthwise(_))
            && self.level == next.level
            && expansion::applies(shape, &panels[0])
            && depthwise::wins(next_shape)
    }

    /// This convolution and the `next`, a depthwise one of its result, which is never stored. Neither adds a residual.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward), and when this convolution does not [feed](Self::feeds) the next.
    pub fn forward_into(
        &self,
        (shape, epilogue): (&ConvShape, Epilogue<'_>),
        x: &[f32],
        next: &Self,
        (next_shape, next_epilogue): (&ConvShape, Epilogue<'_>),
        out: &mut [f32],
    ) {
        let (Form::Dense(panels), Form::Depthwise(weights)) = (&self.form, &next.form) else {
            panic!("{shape:?} does not feed {next_shape:?}");
        };
        assert_eq!(shape.output_len(), next_shape.input_len(), "{shape:?}");
        assert_eq!(
            out.len(),
            next_shape.output_len(),
            "output of {next_shape:?}"
        );
        timed_pair(shape, next_shape, || {
            let map = Expansion::new(shape, x, &panels[0], epilogue);
            depthwise::forward_of(next_shape, &map, weights, next_epilogue, out);
        });
    }
}
