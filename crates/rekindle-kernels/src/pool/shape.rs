//! The sizes of a pooling and the lengths of its arrays.

/// Sizes of a pooling: input `[batch, height, width, channels]`, output `[batch, out[0], out[1], channels]`.
///
/// The output's size is explicit, so that windows may reach over the bottom and right border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolShape {
    /// Images.
    pub batch: usize,
    /// Height of the input in pixels.
    pub height: usize,
    /// Width of the input in pixels.
    pub width: usize,
    /// Channels of both sides.
    pub channels: usize,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Step in each direction.
    pub stride: [usize; 2],
    /// Distance between the window's taps in each direction.
    pub dilation: [usize; 2],
    /// Padding above and on the left; it belongs to no window's result, unless it is [counted](Self::counted).
    pub padding: [usize; 2],
    /// Height and width of the output.
    pub out: [usize; 2],
    /// Whether a mean counts the pixels of its window that lie outside the input as zeros (PyTorch's `count_include_pad`).
    pub counted: bool,
}

impl PoolShape {
    /// A square window with the same padding on all sides; windows end inside the padded input.
    pub fn new(
        batch: usize,
        size: [usize; 2],
        channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Self {
        let out = size.map(|size| (size + 2 * padding).saturating_sub(kernel) / stride.max(1) + 1);
        Self {
            batch,
            height: size[0],
            width: size[1],
            channels,
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            padding: [padding; 2],
            out,
            counted: false,
        }
    }

    /// The same with windows that begin inside the input or its left padding but may end beyond, PyTorch's `ceil_mode`.
    pub fn with_ceil(mut self) -> Self {
        for (dim, size) in [(0, self.height), (1, self.width)] {
            let (stride, padding) = (self.stride[dim], self.padding[dim]);
            let reach = self.dilation[dim] * (self.kernel[dim] - 1) + 1;
            let out = (size + 2 * padding).saturating_sub(reach).div_ceil(stride) + 1;
            self.out[dim] = out - usize::from((out - 1) * stride >= size + padding);
        }
        self
    }

    /// The same with means that count padding as zeros: windows of one size all. They must end inside the padded input, so that it goes
    /// not with [`with_ceil`](Self::with_ceil).
    pub fn with_counted_padding(self) -> Self {
        Self {
            counted: true,
            ..self
        }
    }

    /// Numbers in the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.height * self.width * self.channels
    }

    /// Numbers in the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.out[0] * self.out[1] * self.channels
    }

    /// # Panics
    ///
    /// When a size is zero, a window lies wholly outside the input, or the window has more than 256 taps.
    pub fn check(&self) {
        let sizes = [self.batch, self.height, self.width, self.channels];
        let pairs = [self.kernel, self.stride, self.dilation, self.out];
        let positive = sizes.iter().chain(pairs.iter().flatten()).all(|&n| n > 0);
        assert!(positive, "a pooling has a size of zero: {self:?}");
        assert!(
            self.kernel[0] * self.kernel[1] <= 256,
            "a pooling's window has over 256 taps: {self:?}"
        );
        let inside = (0..2).all(|dim| {
            self.windows(dim)
                .iter()
                .all(|window| !window.taps.is_empty())
        });
        assert!(
            inside,
            "a pooling's window lies outside the input: {self:?}"
        );
    }

    /// Checks a forward pass's shape and arrays.
    pub(super) fn check_forward(&self, x: &[f32], out: &[f32]) {
        self.check();
        assert_eq!(x.len(), self.input_len(), "input of {self:?}");
        assert_eq!(out.len(), self.output_len(), "output of {self:?}");
    }

    /// Checks a backward pass's shape and gradients.
    pub(super) fn check_backward(&self, dy: &[f32], dx: &[f32]) {
        self.check();
        assert_eq!(dy.len(), self.output_len(), "output's gradient of {self:?}");
        assert_eq!(dx.len(), self.input_len(), "input's gradient of {self:?}");
    }
}
