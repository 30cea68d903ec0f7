//! Where the factors of a convolution's matrix product lie in the images: nothing is copied, rows are found by pointers.

use crate::ConvShape;

/// A product of image rows with packed weights: for each point of a grid over the destination, `segments` runs of `depth` numbers of
/// the source, one after the other, are one row of the left factor.
#[derive(Debug, Clone)]
pub(super) struct Gather {
    pub batch: usize,
    /// Points of the grid.
    pub rows: usize,
    pub columns: usize,
    /// Numbers from one image, row and column of the grid to the next in the destination, and before its first point.
    pub to: [usize; 3],
    pub to_start: usize,
    /// The source: height and width in pixels, numbers per pixel, numbers before the first that is read of a pixel.
    pub height: usize,
    pub width: usize,
    pub pitch: usize,
    pub start: usize,
    /// Source pixels from one grid point to the next.
    pub step: [usize; 2],
    /// Source pixel of each segment relative to `point * step`.
    pub segments: Vec<[isize; 2]>,
    /// The kernel's tap of each segment, `ky * kernel width + kx`.
    pub taps: Vec<usize>,
    /// Numbers of each segment.
    pub depth: usize,
}

impl Gather {
    /// The forward pass of one group.
    pub(super) fn forward(shape: &ConvShape, group: usize) -> Self {
        let (rows, columns) = (shape.out_height(), shape.out_width());
        let pixel = shape.channels_out;
        let mut segments = Vec::new();
        for ky in 0..shape.kernel[0] {
            for kx in 0..shape.kernel[1] {
                segments.push([
                    (ky * shape.dilation[0]) as isize - shape.padding[0][0] as isize,
                    (kx * shape.dilation[1]) as isize - shape.padding[1][0] as isize,
                ]);
            }
        }
        Self {
            batch: shape.batch,
            rows,
            columns,
            to: [rows * columns * pixel, columns * pixel, pixel],
            to_start: group * (shape.channels_out / shape.groups),
            height: shape.height,
            width: shape.width,
            pitch: shape.channels_in,
            start: group * (shape.channels_in / shape.groups),
            step: shape.stride,
            taps: (0..segments.len()).collect(),
            segments,
            depth: shape.channels_in / shape.groups,
        }
    }

    /// The gradient of the input of one group: one product per class of input pixels that see the same taps (one class for stride 1,
    /// four for stride 2). A class without taps has no segments; its gradient is zero.
    pub(super) fn backward(shape: &ConvShape, group: usize) -> Vec<Self> {
        let [stride_y, stride_x] = shape.stride;
        let pixel = shape.channels_in;
        // Taps of one dimension for the residue, with their offset in the output.
        let taps = |dim: usize, residue: usize| -> Vec<(usize, isize)> {
            let stride = shape.stride[dim] as isize;
            (0..shape.kernel[dim])
                .filter_map(|tap| {
                    let at = (residue + shape.padding[dim][0]) as isize
                        - (tap * shape.dilation[dim]) as isize;
                    (at.rem_euclid(stride) == 0).then(|| (tap, at.div_euclid(stride)))
                })
                .collect()
        };
        let mut classes = Vec::new();
        for y in 0..stride_y.min(shape.height) {
            for x in 0..stride_x.min(shape.width) {
                let mut segments = Vec::new();
                let mut indices = Vec::new();
                for (ky, oy) in taps(0, y) {
                    for &(kx, ox) in &taps(1, x) {
                        segments.push([oy, ox]);
                        indices.push(ky * shape.kernel[1] + kx);
                    }
                }
                classes.push(Self {
                    batch: shape.batch,
                    rows: (shape.height - y).div_ceil(stride_y),
                    columns: (shape.width - x).div_ceil(stride_x),
                    to: [
                        shape.height * shape.width * pixel,
                        stride_y * shape.width * pixel,
                        stride_x * pixel,
                    ],
                    to_start: (y * shape.width + x) * pixel
                        + group * (shape.channels_in / shape.groups),
                    height: shape.out_height(),
                    width: shape.out_width(),
                    pitch: shape.channels_out,
                    start: group * (shape.channels_out / shape.groups),
                    step: [1, 1],
                    segments,
                    taps: indices,
                    depth: shape.channels_out / shape.groups,
                });
            }
        }
        classes
    }

    /// Rows of the left factor.
    pub(super) fn points(&self) -> usize {
        self.batch * self.rows * self.columns
    }

    /// Image, row and column of the points from `index` on. They are counted on: a division for each would take as long as the products
    /// of a shallow layer.
    #[inline(always)]
    pub(super) fn points_from(&self, index: usize) -> Points {
        let area = self.rows * self.columns;
        let rest = index % area;
        Points {
            next: [index / area, rest / self.columns, rest % self.columns],
            rows: self.rows,
            columns: self.columns,
        }
    }

    /// Numbers from one point to the next in the source and in the destination, where these are the same all over: in a 1x1 convolution
    /// of stride 1.
    #[inline(always)]
    pub(super) fn in_one_run(&self) -> Option<[usize; 2]> {
        let pixel = self.to[2];
        let run = self.segments == [[0, 0]]
            && self.step == [1, 1]
            && [self.height, self.width] == [self.rows, self.columns]
            && self.to[..2] == [self.rows * self.columns * pixel, self.columns * pixel];
        run.then_some([self.pitch, pixel])
    }

    /// Where a point's result starts in the destination.
    #[inline(always)]
    pub(super) fn place(&self, [image, row, column]: [usize; 3]) -> usize {
        self.to_start + image * self.to[0] + row * self.to[1] + column * self.to[2]
    }

    /// Where a point's segment starts in the source; nothing where it falls into the padding.
    #[inline(always)]
    pub(super) fn from(
        &self,
        [image, row, column]: [usize; 3],
        segment: [isize; 2],
    ) -> Option<usize> {
        // Before the first row or column is far behind the last one, as an unsigned number.
        let y = (row * self.step[0]).wrapping_add_signed(segment[0]);
        let x = (column * self.step[1]).wrapping_add_signed(segment[1]);
        (y < self.height && x < self.width)
            .then(|| ((image * self.height + y) * self.width + x) * self.pitch + self.start)
    }
}

/// A walk over the points of a grid, image by image and row by row.
pub(super) struct Points {
    next: [usize; 3],
    rows: usize,
    columns: usize,
}

impl Points {
    /// The next point.
    #[inline(always)]
    pub(super) fn step(&mut self) -> [usize; 3] {
        let point = self.next;
        let [image, row, column] = &mut self.next;
        *column += 1;
        if *column == self.columns {
            *column = 0;
            *row += 1;
            if *row == self.rows {
                *row = 0;
                *image += 1;
            }
        }
        point
    }
}
