//! The layers of a plan that have a geometry of their own: convolutions and pooling windows.

use crate::conv::uses_tiles;
use crate::pool::PoolShape;
use crate::{ConvShape, Precision};

/// Border padding of a planned layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanPadding {
    /// So many zeros on each side.
    Fixed(usize),
    /// So many zeros above and below, and so many to the left and right.
    Sides([usize; 2]),
    /// TensorFlow's "same": output size `ceil(input / stride)`, the odd pixel at the bottom and right.
    Same,
}

/// A convolution's weights and geometry.
pub struct PlannedConv {
    /// `[channels_out, channels_in / groups, kernel height, kernel width]`.
    pub weight: Vec<f32>,
    /// The weight's dimensions.
    pub dims: [usize; 4],
    /// `[channels_out]`.
    pub bias: Option<Vec<f32>>,
    /// Step in both directions.
    pub stride: usize,
    /// Border padding.
    pub padding: PlanPadding,
    /// Number of groups.
    pub groups: usize,
    /// In which the products are computed.
    pub precision: Precision,
}

impl PlannedConv {
    /// Its sizes for images of these dimensions.
    pub(super) fn shape(&self, [batch, height, width, channels_in]: [usize; 4]) -> ConvShape {
        let [channels_out, group_in, kernel_height, kernel_width] = self.dims;
        assert_eq!(
            channels_in,
            group_in * self.groups,
            "an image's channels and a weight {:?}",
            self.dims
        );
        let pad = |side: usize, size: usize, kernel: usize| match self.padding {
            PlanPadding::Fixed(pad) => [pad; 2],
            PlanPadding::Sides(pads) => [pads[side]; 2],
            PlanPadding::Same => {
                let total =
                    ((size.div_ceil(self.stride) - 1) * self.stride + kernel).saturating_sub(size);
                [total / 2, total - total / 2]
            }
        };
        ConvShape {
            batch,
            height,
            width,
            channels_in,
            channels_out,
            kernel: [kernel_height, kernel_width],
            stride: [self.stride; 2],
            dilation: [1; 2],
            padding: [pad(0, height, kernel_height), pad(1, width, kernel_width)],
            groups: self.groups,
            precision: self.precision,
        }
    }

    /// Rows of the matrix product that one image gives.
    pub(super) fn rows_per_image(&self, dims: [usize; 4]) -> usize {
        let shape = self.shape(dims);
        let rows = shape.out_height() * shape.out_width();
        // Winograd's products have a row per tile.
        if uses_tiles(&shape) {
            shape.out_height().div_ceil(4) * shape.out_width().div_ceil(4)
        } else {
            rows
        }
    }
}

/// A pooling window of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedPool {
    /// Side of the window.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Padding on each side.
    pub padding: usize,
    /// Whether windows may reach over the bottom and right border.
    pub ceil: bool,
    /// Whether a mean counts the padding as zeros, which is not for `ceil`.
    pub counted: bool,
}

impl PlannedPool {
    /// Its sizes for images of these dimensions.
    pub(super) fn shape(&self, [batch, height, width, channels]: [usize; 4]) -> PoolShape {
        let shape = PoolShape::new(
            batch,
            [height, width],
            channels,
            self.kernel,
            self.stride,
            self.padding,
        );
        match self {
            Self { counted: true, .. } => shape.with_counted_padding(),
            Self { ceil: true, .. } => shape.with_ceil(),
            _ => shape,
        }
    }
}
