//! Moving pixels.
//!
//! Owns: the sampling that every geometric transform shares. A transform says from which place of the source a pixel comes,
//! in coordinates whose whole numbers are the edges of pixels, as in Pillow; it does not own what a place means.

use image::RgbImage;
use rekindle_settings::SettingError;

use super::pad::PaddingMode;
use crate::resize::Interpolation;

/// Checks the `interpolation` of pixels that move. Lanczos has no sampler here: Pillow and torchvision have none either. The mean of
/// an area is a matter of resizing.
pub(super) fn check_interpolation(interpolation: Interpolation) -> Result<(), SettingError> {
    let value = match interpolation {
        Interpolation::Nearest | Interpolation::Bilinear | Interpolation::Bicubic => return Ok(()),
        Interpolation::Lanczos => "lanczos",
        Interpolation::Area => "area",
    };
    Err(SettingError::new(
        "interpolation",
        value,
        "nearest, bilinear or bicubic",
    ))
}

/// What a place on or beyond the edge of the source becomes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Border {
    /// Beyond the edge is the colour and nothing else; before it, a filter that reaches over the edge sees the pixel there
    /// again. This is Pillow's rule.
    Cut([u8; 3]),
    /// The image goes on by this mode, so that a filter mixes what lies on both sides of the edge.
    Extend(PaddingMode, [u8; 3]),
}

impl Border {
    /// Pillow's rule for a colour, and the continuation of the image for every other mode.
    pub(super) fn cut_or_extend(mode: PaddingMode, fill: [u8; 3]) -> Self {
        match mode {
            PaddingMode::Constant => Self::Cut(fill),
            _ => Self::Extend(mode, fill),
        }
    }
}

/// An affine map: `x' = a x + b y + c`, `y' = d x + e y + f`, from output to source.
pub(super) type Map = [f64; 6];

/// The image seen through an affine map, at its own size.
pub(super) fn warp_affine(
    image: &RgbImage,
    [a, b, c, d, e, f]: Map,
    interpolation: Interpolation,
    border: Border,
) -> RgbImage {
    let place = |x: u32, y: u32| {
        let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        (a * x + b * y + c, d * x + e * y + f)
    };
    warp(image, place, interpolation, border)
}

/// The image whose pixel in column `x` and row `y` comes from `place(x, y)` of the source, at its own size.
pub(super) fn warp(
    image: &RgbImage,
    place: impl Fn(u32, u32) -> (f64, f64),
    interpolation: Interpolation,
    border: Border,
) -> RgbImage {
    let source = Source {
        bytes: image.as_raw(),
        width: image.width() as usize,
        height: image.height() as usize,
        border,
    };
    let size = image.dimensions();
    match interpolation {
        Interpolation::Nearest => fill_rows(size, place, |x, y| source.nearest(x, y)),
        Interpolation::Bilinear | Interpolation::Area => {
            fill_rows(size, place, |x, y| source.bilinear(x, y))
        }
        Interpolation::Bicubic | Interpolation::Lanczos => {
            fill_rows(size, place, |x, y| source.bicubic(x, y))
        }
    }
}

#[inline]
fn fill_rows(
    (width, height): (u32, u32),
    place: impl Fn(u32, u32) -> (f64, f64),
    sample: impl Fn(f64, f64) -> [u8; 3],
) -> RgbImage {
    let mut output = RgbImage::new(width, height);
    if width > 0 {
        for (y, line) in (0..).zip(output.chunks_exact_mut(3 * width as usize)) {
            for (x, pixel) in (0..).zip(line.chunks_exact_mut(3)) {
                let (from_x, from_y) = place(x, y);
                pixel.copy_from_slice(&sample(from_x, from_y));
            }
        }
    }
    output
}

struct Source<'a> {
    bytes: &'a [u8],
    width: usize,
    height: usize,
    border: Border,
}

/// A pixel as a vector of four lanes, of which the last one is ignored: compilers turn it into one register.
type Lanes = [f32; 4];

impl Source<'_> {
    #[inline]
    fn nearest(&self, x: f64, y: f64) -> [u8; 3] {
        if x >= 0.0 && y >= 0.0 {
            let (column, row) = (x as usize, y as usize);
            if column < self.width && row < self.height {
                let at = 3 * (row * self.width + column);
                return [self.bytes[at], self.bytes[at + 1], self.bytes[at + 2]];
            }
        }
        self.beyond(x, y, |x, y| self.pixel(x.floor() as i64, y.floor() as i64))
    }

    #[inline]
    fn bilinear(&self, x: f64, y: f64) -> [u8; 3] {
        let (from_x, from_y) = (x - 0.5, y - 0.5);
        if from_x >= 0.0 && from_y >= 0.0 {
            let (column, row) = (from_x as usize, from_y as usize);
            if column.saturating_add(1) < self.width && row.saturating_add(1) < self.height {
                let across = (from_x - column as f64) as f32;
                let down = (from_y - row as f64) as f32;
                let at = 3 * (row * self.width + column);
                let line = |at: usize| {
                    // Two pixels, and one byte more than they have for the fourth lane of the second one.
                    let pair = self.bytes.get(at..at + 7)?;
                    Some(blend(lanes(pair, 0), lanes(pair, 3), across))
                };
                if let (Some(top), Some(bottom)) = (line(at), line(at + 3 * self.width)) {
                    return rounded(blend(top, bottom, down));
                }
            }
        }
        self.bilinear_at_edge(x, y)
    }

    #[cold]
    fn bilinear_at_edge(&self, x: f64, y: f64) -> [u8; 3] {
        self.beyond(x, y, |x, y| {
            let (column, across) = split(x);
            let (row, down) = split(y);
            let [top, bottom] = [row, row + 1].map(|row| {
                let [left, right] = [column, column + 1].map(|column| self.wide(column, row));
                blend(left, right, across)
            });
            rounded(blend(top, bottom, down))
        })
    }

    #[inline]
    fn bicubic(&self, x: f64, y: f64) -> [u8; 3] {
        let (from_x, from_y) = (x - 1.5, y - 1.5);
        if from_x >= 0.0 && from_y >= 0.0 {
            let (column, row) = (from_x as usize, from_y as usize);
            if column.saturating_add(3) < self.width && row.saturating_add(3) < self.height {
                let across = cubic((from_x - column as f64) as f32);
                let down = cubic((from_y - row as f64) as f32);
                let at = 3 * (row * self.width + column);
                let line = |step: usize| {
                    let at = at + 3 * step * self.width;
                    let pixels = self.bytes.get(at..at + 13)?;
                    let pixels = [0, 3, 6, 9].map(|start| lanes(pixels, start));
                    Some(weigh(pixels, across))
                };
                if let (Some(a), Some(b), Some(c), Some(d)) = (line(0), line(1), line(2), line(3)) {
                    return rounded(weigh([a, b, c, d], down));
                }
            }
        }
        self.bicubic_at_edge(x, y)
    }

    #[cold]
    fn bicubic_at_edge(&self, x: f64, y: f64) -> [u8; 3] {
        self.beyond(x, y, |x, y| {
            let (column, across) = split(x);
            let (row, down) = split(y);
            let (across, down) = (cubic(across), cubic(down));
            let lines = [-1, 0, 1, 2].map(|step| {
                weigh(
                    [-1, 0, 1, 2].map(|side| self.wide(column + side, row + step)),
                    across,
                )
            });
            rounded(weigh(lines, down))
        })
    }

    /// What a place near the edge or beyond it becomes, `inside` being how places are sampled.
    fn beyond(&self, x: f64, y: f64, inside: impl Fn(f64, f64) -> [u8; 3]) -> [u8; 3] {
        if let Border::Cut(fill) = self.border {
            let (width, height) = (self.width as f64, self.height as f64);
            if !((0.0..width).contains(&x) && (0.0..height).contains(&y)) {
                return fill;
            }
        }
        // Far from every image, and a place that is no number, there is still a pixel to be named.
        let near = |place: f64| place.clamp(-1e12, 1e12);
        inside(near(x), near(y))
    }

    fn wide(&self, x: i64, y: i64) -> Lanes {
        let [red, green, blue] = self.pixel(x, y).map(f32::from);
        [red, green, blue, 0.0]
    }

    /// The pixel at a place that may lie beyond the edge.
    fn pixel(&self, x: i64, y: i64) -> [u8; 3] {
        let (mode, fill) = match self.border {
            Border::Cut(fill) => (PaddingMode::Edge, fill),
            Border::Extend(mode, fill) => (mode, fill),
        };
        match (mode.index(x, self.width), mode.index(y, self.height)) {
            (Some(column), Some(row)) => {
                let at = 3 * (row * self.width + column);
                [0, 1, 2].map(|channel| self.bytes[at + channel])
            }
            _ => fill,
        }
    }
}

#[inline]
fn lanes(bytes: &[u8], at: usize) -> Lanes {
    [0, 1, 2, 3].map(|lane| f32::from(bytes[at + lane]))
}

#[inline]
fn blend(from: Lanes, to: Lanes, share: f32) -> Lanes {
    std::array::from_fn(|lane| from[lane] + (to[lane] - from[lane]) * share)
}

#[inline]
fn weigh(pixels: [Lanes; 4], weights: [f32; 4]) -> Lanes {
    std::array::from_fn(|lane| {
        (pixels[0][lane] * weights[0] + pixels[1][lane] * weights[1])
            + (pixels[2][lane] * weights[2] + pixels[3][lane] * weights[3])
    })
}

/// The nearest bytes; a float that does not fit a byte becomes the nearest one that does.
#[inline]
fn rounded(pixel: Lanes) -> [u8; 3] {
    // Not `round`: without SSE4.1, which not every build may use, that is a call of a function for each value.
    [0, 1, 2].map(|channel| (pixel[channel] + 0.5) as u8)
}

/// The pixel whose centre lies before a place, and the distance from that centre, from 0 to 1.
fn split(place: f64) -> (i64, f32) {
    let from_centre = place - 0.5;
    let whole = from_centre.floor();
    (whole as i64, (from_centre - whole) as f32)
}

/// The weights of four values for a place between the second and the third, by the cubic with a = -1: Pillow's in
/// `Image.transform`, which is sharper than the one it resizes with.
#[inline]
fn cubic(at: f32) -> [f32; 4] {
    let (square, cube) = (at * at, at * at * at);
    [
        2.0 * square - at - cube,
        1.0 - 2.0 * square + cube,
        at + square - cube,
        cube - square,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradient, largest_difference};
    use image::Rgb;
    use proptest::prelude::*;

    const FILTERS: [Interpolation; 3] = [
        Interpolation::Nearest,
        Interpolation::Bilinear,
        Interpolation::Bicubic,
    ];

    const IDENTITY: Map = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

    #[test]
    fn the_identity_changes_nothing() {
        let image = gradient(9, 5);
        for interpolation in FILTERS {
            assert_eq!(
                warp_affine(&image, IDENTITY, interpolation, Border::Cut([0; 3])),
                image
            );
        }
    }

    #[test]
    fn a_shift_by_one_pixel_fills_the_edge() {
        let image = gradient(4, 3);
        let map = [1.0, 0.0, -1.0, 0.0, 1.0, 0.0];
        for interpolation in FILTERS {
            let moved = warp_affine(&image, map, interpolation, Border::Cut([1, 2, 3]));
            assert_eq!(moved.get_pixel(0, 1).0, [1, 2, 3]);
            assert_eq!(moved.get_pixel(1, 1), image.get_pixel(0, 1));
            assert_eq!(moved.get_pixel(3, 2), image.get_pixel(2, 2));
        }
    }

    #[test]
    fn a_constant_stays_constant_under_every_filter() {
        let image = RgbImage::from_pixel(6, 6, Rgb([10, 200, 255]));
        let map = [0.7, 0.3, 0.4, -0.2, 0.8, 1.1];
        for interpolation in FILTERS {
            let moved = warp_affine(&image, map, interpolation, Border::Cut([10, 200, 255]));
            assert_eq!(moved, image);
        }
    }

    #[test]
    fn a_place_that_is_no_number_or_endless_still_has_a_colour() {
        let image = gradient(5, 4);
        for place in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            for interpolation in FILTERS {
                let cut = Border::Cut([1, 2, 3]);
                let filled = warp(&image, |_, _| (place, 2.0), interpolation, cut);
                assert!(filled.pixels().all(|pixel| pixel.0 == [1, 2, 3]));
                for mode in [PaddingMode::Edge, PaddingMode::Reflect, PaddingMode::Wrap] {
                    let extend = Border::Extend(mode, [0; 3]);
                    let extended = warp(&image, |_, _| (place, place), interpolation, extend);
                    assert_eq!(extended.dimensions(), (5, 4));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn pixels_inside_equal_those_of_an_image_that_goes_on(
            width in 1u32..12, height in 1u32..12, scale in 0.2f64..3.0, turn in -3.0f64..3.0,
            x in -4.0f64..14.0, y in -4.0f64..14.0, filter in 0usize..3, mode in 0usize..4,
        ) {
            // Where the image is large enough, its inner pixels take the quick way and those of the small one do not.
            let mode = [PaddingMode::Edge, PaddingMode::Reflect, PaddingMode::Symmetric, PaddingMode::Wrap][mode];
            let small = gradient(width, height);
            let large = super::super::pad::pad(&small, [64; 4], mode, [0; 3]);
            let (sine, cosine) = turn.sin_cos();
            let place = |column: u32, row: u32| {
                let (u, v) = (f64::from(column), f64::from(row));
                (x + scale * (cosine * u - sine * v), y + scale * (sine * u + cosine * v))
            };
            let border = Border::Extend(mode, [0; 3]);
            let seen = warp(&small, place, FILTERS[filter], border);
            let moved = |column: u32, row: u32| {
                // What is cropped away below comes from one place.
                let shown = column < width && row < height;
                let (x, y) = if shown { place(column, row) } else { (0.0, 0.0) };
                (x + 64.0, y + 64.0)
            };
            let expected = warp(&large, moved, FILTERS[filter], border);
            let expected = image::imageops::crop_imm(&expected, 0, 0, width, height).to_image();
            // The places differ in their last bits, and so may a tie.
            prop_assert!(FILTERS[filter] == Interpolation::Nearest || largest_difference(&seen, &expected) <= 1);
            prop_assert_eq!(seen.dimensions(), (width, height));
        }
    }
}
