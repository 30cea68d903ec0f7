//! The geometry of a two-dimensional convolution or pooling.

use crate::Precision;

/// Sizes of a convolution over channels-last images: input `[batch, height, width, channels_in]`, output
/// `[batch, out_height, out_width, channels_out]`, weight `[channels_out, channels_in / groups, kernel height, kernel width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Images.
    pub batch: usize,
    /// Height of the input in pixels.
    pub height: usize,
    /// Width of the input in pixels.
    pub width: usize,
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Distance between the kernel's taps in each direction.
    pub dilation: [usize; 2],
    /// Zeros before and after, of the height and of the width.
    pub padding: [[usize; 2]; 2],
    /// Number of groups; each sees its share of both sides' channels.
    pub groups: usize,
    /// In which the products are computed, where that gains time.
    pub precision: Precision,
}

impl ConvShape {
    /// A dense convolution with a square kernel, stride 1, no dilation, and padding that keeps the size where the kernel is odd.
    pub fn new(batch: usize, size: [usize; 2], channels: [usize; 2], kernel: usize) -> Self {
        let pad = kernel / 2;
        Self {
            batch,
            height: size[0],
            width: size[1],
            channels_in: channels[0],
            channels_out: channels[1],
            kernel: [kernel; 2],
            stride: [1; 2],
            dilation: [1; 2],
            padding: [[pad; 2]; 2],
            groups: 1,
            precision: Precision::F32,
        }
    }

    /// The same with products in another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The same with another stride in both directions.
    pub fn with_stride(mut self, stride: usize) -> Self {
        self.stride = [stride; 2];
        self
    }

    /// The same with groups.
    pub fn with_groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    fn out(&self, dim: usize, size: usize) -> usize {
        let [before, after] = self.padding[dim];
        let reach = self.dilation[dim] * (self.kernel[dim] - 1) + 1;
        (size + before + after - reach) / self.stride[dim] + 1
    }

    /// Height of the output.
    pub fn out_height(&self) -> usize {
        self.out(0, self.height)
    }

    /// Width of the output.
    pub fn out_width(&self) -> usize {
        self.out(1, self.width)
    }

    /// Numbers in the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.height * self.width * self.channels_in
    }

    /// Numbers in the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.out_height() * self.out_width() * self.channels_out
    }

    /// Numbers in the weight.
    pub fn weight_len(&self) -> usize {
        self.channels_out * self.channels_in / self.groups * self.kernel[0] * self.kernel[1]
    }

    /// Whether each channel is convolved alone.
    pub fn is_depthwise(&self) -> bool {
        self.groups == self.channels_in && self.channels_out == self.channels_in && self.groups > 1
    }

    /// Whether the output is a product of the input's pixels with a matrix, without taps or padding.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1]
            && self.stride == [1, 1]
            && self.padding == [[0; 2]; 2]
            && self.groups == 1
    }

    /// # Panics
    ///
    /// When a size is zero, the groups do not divide the channels, or the kernel does not fit in the padded input.
    pub fn check(&self) {
        let positive = self.batch > 0
            && self.height > 0
            && self.width > 0
            && self.channels_in > 0
            && self.channels_out > 0
            && self.groups > 0
            && self
                .kernel
                .iter()
                .chain(&self.stride)
                .chain(&self.dilation)
                .all(|&n| n > 0);
        assert!(positive, "a convolution has a size of zero: {self:?}");
        assert!(
            self.channels_in.is_multiple_of(self.groups)
                && self.channels_out.is_multiple_of(self.groups),
            "the groups do not divide the channels: {self:?}"
        );
        for (dim, size) in [(0, self.height), (1, self.width)] {
            let reach = self.dilation[dim] * (self.kernel[dim] - 1) + 1;
            assert!(
                size + self.padding[dim][0] + self.padding[dim][1] >= reach,
                "the kernel is larger than the padded input: {self:?}"
            );
        }
    }

    /// Output positions of one dimension (0 height, 1 width) at which tap `tap` falls inside the input, as a range.
    pub(crate) fn valid(&self, dim: usize, tap: usize) -> std::ops::Range<usize> {
        let size = [self.height, self.width][dim];
        let out = self.out(dim, size);
        let (stride, pad) = (self.stride[dim], self.padding[dim][0]);
        let offset = tap * self.dilation[dim];
        // input = output * stride + offset - pad, inside [0, size)
        let first = pad.saturating_sub(offset).div_ceil(stride);
        let end = (size + pad).saturating_sub(offset).div_ceil(stride);
        let end = end.min(out);
        first.min(end)..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_positions_are_those_inside_the_input() {
        for size in 1..9 {
            for kernel in 1..5 {
                for stride in 1..4 {
                    for dilation in 1..3 {
                        for pad in [[0, 0], [1, 1], [0, 1], [2, 3]] {
                            let reach = dilation * (kernel - 1) + 1;
                            if size + pad[0] + pad[1] < reach {
                                continue;
                            }
                            let shape = ConvShape {
                                kernel: [1, kernel],
                                stride: [1, stride],
                                dilation: [1, dilation],
                                padding: [[0; 2], pad],
                                ..ConvShape::new(1, [1, size], [1, 1], 1)
                            };
                            for tap in 0..kernel {
                                let expected: Vec<usize> = (0..shape.out_width())
                                    .filter(|o| {
                                        let at = (o * stride + tap * dilation) as isize
                                            - pad[0] as isize;
                                        (0..size as isize).contains(&at)
                                    })
                                    .collect();
                                assert_eq!(shape.valid(1, tap).collect::<Vec<_>>(), expected);
                            }
                        }
                    }
                }
            }
        }
    }
}
