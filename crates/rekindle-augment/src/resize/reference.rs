//! Resizing by its definition, in f64 and without tricks, as a witness for the tests.
//!
//! Owns: the values that a resize in two passes with bytes between them may have, and the exact means of areas. It does not own the filters' names, nor
//! anything that runs outside tests.

use image::RgbImage;

use super::Interpolation;

/// The lowest and the highest value that fixed-point weights allow, for each value of the resized image.
///
/// A value that is a tie but for the error of the weights can round either way; if it lies between the two passes, the
/// second one weighs that difference. Everything else has one value only.
pub(super) struct Bounds {
    pub(super) low: RgbImage,
    pub(super) high: RgbImage,
}

impl Bounds {
    /// How many values of an image at `(left, top)` of the whole one lie outside.
    pub(super) fn count_outside(&self, image: &RgbImage, left: u32, top: u32) -> usize {
        let outside = |(x, y, pixel): (u32, u32, &image::Rgb<u8>)| {
            let low = self.low.get_pixel(left + x, top + y).0;
            let high = self.high.get_pixel(left + x, top + y).0;
            let range = |channel: usize| low[channel]..=high[channel];
            (0..3)
                .filter(|&channel| !range(channel).contains(&pixel.0[channel]))
                .count()
        };
        image.enumerate_pixels().map(outside).sum()
    }

    /// How many values have bounds that are further apart than this.
    pub(super) fn count_wider(&self, than: u8) -> usize {
        let pairs = self.low.iter().zip(self.high.iter());
        pairs.filter(|(low, high)| **high - **low > than).count()
    }
}

/// The bounds of the whole image at another size, by a filter that is a convolution.
pub(super) fn bounds(
    image: &RgbImage,
    width: u32,
    height: u32,
    interpolation: Interpolation,
) -> Bounds {
    let start = Bounds {
        low: image.clone(),
        high: image.clone(),
    };
    let across = Weights::new(image.width(), width, interpolation);
    let down = Weights::new(image.height(), height, interpolation);
    let saved_rows = i64::from(image.height()) - i64::from(height);
    let saved_columns = i64::from(image.width()) - i64::from(width);
    if saved_rows > 0 && saved_rows > 2 * saved_columns {
        across.pass(&down.pass_down(&start))
    } else {
        down.pass_down(&across.pass(&start))
    }
}

/// The weights of one axis.
struct Weights {
    /// For each output pixel, its first source pixel and the weights from there on.
    pixels: Vec<(u32, Vec<f64>)>,
    /// Largest error of a weight: half of the step that 15 bits leave for the largest one, as in Pillow.
    error: f64,
}

impl Weights {
    fn new(source: u32, output: u32, interpolation: Interpolation) -> Self {
        let scale = f64::from(source) / f64::from(output);
        let stretch = scale.max(1.0);
        let reach = interpolation.support() * stretch;
        let pixel = |index: u32| {
            let centre = (f64::from(index) + 0.5) * scale;
            let first = (centre - reach).floor().max(0.0) as u32;
            let last = ((centre + reach).ceil() as u32).min(source);
            let value = |at: u32| kernel((f64::from(at) + 0.5 - centre) / stretch, interpolation);
            let raw: Vec<f64> = (first..last).map(value).collect();
            let sum: f64 = raw.iter().sum();
            (first, raw.iter().map(|weight| weight / sum).collect())
        };
        let pixels: Vec<(u32, Vec<f64>)> = (0..output).map(pixel).collect();
        let largest = |weights: &[f64]| weights.iter().copied().fold(0.0, f64::max);
        let top = pixels.iter().map(|(_, weights)| largest(weights));
        let top = top.fold(0.0, f64::max);
        // The step is a power of two, the finest that leaves the largest weight under 2^15 steps.
        let error = (top / 32768.0).log2().floor().exp2();
        Self { pixels, error }
    }

    /// One pass across.
    fn pass(&self, from: &Bounds) -> Bounds {
        let size = (self.pixels.len() as u32, from.low.height());
        self.sums(from, size, |x, _| x, |step, _, y| (step, y))
    }

    /// One pass down.
    fn pass_down(&self, from: &Bounds) -> Bounds {
        let size = (from.low.width(), self.pixels.len() as u32);
        self.sums(from, size, |_, y| y, |step, x, _| (x, step))
    }

    fn sums(
        &self,
        from: &Bounds,
        (width, height): (u32, u32),
        index: impl Fn(u32, u32) -> u32,
        place: impl Fn(u32, u32, u32) -> (u32, u32),
    ) -> Bounds {
        let mut low = RgbImage::new(width, height);
        let mut high = RgbImage::new(width, height);
        for y in 0..height {
            for x in 0..width {
                let (first, weights) = &self.pixels[index(x, y) as usize];
                for channel in 0..3 {
                    let (mut least, mut most) = (0.0, 0.0);
                    for (step, weight) in (*first..).zip(weights) {
                        let (at_x, at_y) = place(step, x, y);
                        let ends = [&from.low, &from.high]
                            .map(|image| f64::from(image.get_pixel(at_x, at_y)[channel]));
                        let error = if *weight == 0.0 {
                            0.0
                        } else {
                            self.error * ends[1]
                        };
                        let sums = ends.map(|end| weight * end);
                        least += sums[0].min(sums[1]) - error;
                        most += sums[0].max(sums[1]) + error;
                    }
                    // A float that does not fit a byte becomes the nearest byte.
                    low.get_pixel_mut(x, y)[channel] = least.round() as u8;
                    high.get_pixel_mut(x, y)[channel] = most.round() as u8;
                }
            }
        }
        Bounds { low, high }
    }
}

/// The exact mean of the area under each value of the resized image, in the order of its values.
pub(super) fn area_means(image: &RgbImage, width: u32, height: u32) -> Vec<f64> {
    let share = |place: u32, count: u32, pixel: u32, pixels: u32| {
        let scale = f64::from(pixels) / f64::from(count);
        let (from, to) = (f64::from(place) * scale, f64::from(place + 1) * scale);
        let (left, right) = (f64::from(pixel), f64::from(pixel + 1));
        (to.min(right) - from.max(left)).max(0.0) / scale
    };
    let mut means = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let mut mean = [0.0; 3];
        for (column, row, pixel) in image.enumerate_pixels() {
            let weight =
                share(x, width, column, image.width()) * share(y, height, row, image.height());
            for (mean, value) in mean.iter_mut().zip(pixel.0) {
                *mean += weight * f64::from(value);
            }
        }
        means.extend(mean);
    }
    means
}

/// Pillow's filters, whose radius is [`Interpolation::support`].
fn kernel(at: f64, interpolation: Interpolation) -> f64 {
    let distance = at.abs();
    let sinc = |at: f64| {
        let angle = std::f64::consts::PI * at;
        if at == 0.0 { 1.0 } else { angle.sin() / angle }
    };
    if distance >= interpolation.support() {
        return 0.0;
    }
    match interpolation {
        Interpolation::Nearest | Interpolation::Area => 1.0,
        Interpolation::Bilinear => 1.0 - distance,
        Interpolation::Bicubic if distance < 1.0 => {
            (1.5 * distance - 2.5) * distance * distance + 1.0
        }
        Interpolation::Bicubic => ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0,
        Interpolation::Lanczos => sinc(distance) * sinc(distance / 3.0),
    }
}
