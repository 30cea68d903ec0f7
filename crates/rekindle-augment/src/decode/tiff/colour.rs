//! Samples of a TIFF to RGB.
//!
//! Owns: what grey, colours, indices, inks and luma with chroma are as RGB, with alpha over white.

use super::page::{Alpha, Meaning, YCbCr};
use super::samples::Row;
use crate::decode::pixels;

/// Where the samples of the bands of a row lie: in one row with all of them, or in one for each.
pub(super) struct Bands<'a> {
    pub(super) rows: &'a [Row],
    /// Samples of a pixel in one row.
    pub(super) stride: usize,
}

/// A number that stands for a share of white.
trait Value: Copy {
    fn byte(self) -> u8;
    fn inverted(self) -> Self;
    /// Over white, where the value is not multiplied by alpha.
    fn straight(self, alpha: Self) -> u8;
    /// Over white, where it is.
    fn associated(self, alpha: Self) -> u8;
}

impl Value for u8 {
    fn byte(self) -> u8 {
        self
    }

    fn inverted(self) -> Self {
        255 - self
    }

    fn straight(self, alpha: Self) -> u8 {
        pixels::over_white(self, alpha)
    }

    fn associated(self, alpha: Self) -> u8 {
        self.saturating_add(255 - alpha)
    }
}

impl Value for u16 {
    fn byte(self) -> u8 {
        pixels::from_16_bit(self)
    }

    fn inverted(self) -> Self {
        65_535 - self
    }

    fn straight(self, alpha: Self) -> u8 {
        pixels::over_white_16_bit(self, alpha)
    }

    fn associated(self, alpha: Self) -> u8 {
        self.saturating_add(65_535 - alpha).byte()
    }
}

impl Value for f32 {
    fn byte(self) -> u8 {
        (self * 255.0).round() as u8
    }

    fn inverted(self) -> Self {
        1.0 - self
    }

    fn straight(self, alpha: Self) -> u8 {
        (self * alpha + (1.0 - alpha)).byte()
    }

    fn associated(self, alpha: Self) -> u8 {
        (self + (1.0 - alpha)).min(1.0).byte()
    }
}

/// Fills a line of pixels from the first samples of a row. Rows of planes have all the same kind of numbers.
pub(super) fn write(bands: &Bands, meaning: &Meaning, line: &mut [u8]) {
    match bands.rows.first() {
        Some(Row::Bytes(_)) => write_values(bands, meaning, line, |row| match row {
            Row::Bytes(values) => values.as_slice(),
            _ => &[],
        }),
        Some(Row::Words(_)) => write_values(bands, meaning, line, |row| match row {
            Row::Words(values) => values.as_slice(),
            _ => &[],
        }),
        Some(Row::Floats(_)) => write_values(bands, meaning, line, |row| match row {
            Row::Floats(values) => values.as_slice(),
            _ => &[],
        }),
        None => {}
    }
}

fn write_values<'a, T: Value + 'a>(
    bands: &Bands<'a>,
    meaning: &Meaning,
    line: &mut [u8],
    values: impl Fn(&'a Row) -> &'a [T],
) {
    let is_planar = bands.rows.len() > 1;
    let band = |number: usize| -> &'a [T] {
        let (row, skipped) = if is_planar { (number, 0) } else { (0, number) };
        let row = bands.rows.get(row).map(&values).unwrap_or_default();
        row.get(skipped..).unwrap_or_default()
    };
    let stride = if is_planar { 1 } else { bands.stride };
    let of = |number: usize| band(number).iter().copied().step_by(stride);
    if let Meaning::Bands(count) = meaning {
        for number in 0..*count {
            for (pixel, value) in line.chunks_exact_mut(*count).zip(of(number)) {
                pixel[number] = value.byte();
            }
        }
        return;
    }
    let pixels = line.as_chunks_mut::<3>().0.iter_mut();
    match meaning {
        Meaning::Grey { is_inverted, alpha } => {
            let grey = of(0).map(|value| {
                if *is_inverted {
                    value.inverted()
                } else {
                    value
                }
            });
            match alpha {
                Alpha::None => pixels
                    .zip(grey)
                    .for_each(|(pixel, value)| *pixel = [value.byte(); 3]),
                alpha => {
                    for ((pixel, value), opacity) in pixels.zip(grey).zip(of(1)) {
                        *pixel = [over_white(value, opacity, *alpha); 3];
                    }
                }
            }
        }
        Meaning::Rgb { alpha } => {
            let colours = of(0).zip(of(1)).zip(of(2));
            match alpha {
                Alpha::None => {
                    for (pixel, ((red, green), blue)) in pixels.zip(colours) {
                        *pixel = [red, green, blue].map(Value::byte);
                    }
                }
                alpha => {
                    for ((pixel, ((red, green), blue)), opacity) in pixels.zip(colours).zip(of(3)) {
                        *pixel = [red, green, blue].map(|value| over_white(value, opacity, *alpha));
                    }
                }
            }
        }
        Meaning::Palette(colours) => {
            for (pixel, index) in pixels.zip(of(0)) {
                // A table has an entry for every index of so many bits.
                *pixel = colours
                    .get(usize::from(index.byte()))
                    .copied()
                    .unwrap_or_default();
            }
        }
        Meaning::Cmyk => {
            let inks = of(0).zip(of(1)).zip(of(2)).zip(of(3));
            for (pixel, (((cyan, magenta), yellow), black)) in pixels.zip(inks) {
                *pixel = [cyan, magenta, yellow]
                    .map(|ink| pixels::ink_to_light(ink.byte(), black.byte()));
            }
        }
        // Written above.
        Meaning::Bands(_) => {}
        Meaning::YCbCr(rule) => {
            let parts = of(0).zip(of(1)).zip(of(2));
            for (pixel, ((luma, blue), red)) in pixels.zip(parts) {
                *pixel = rule.colour([luma, blue, red].map(Value::byte));
            }
        }
    }
}

fn over_white<T: Value>(value: T, opacity: T, alpha: Alpha) -> u8 {
    match alpha {
        Alpha::Associated => value.associated(opacity),
        Alpha::Alone => opacity.byte(),
        _ => value.straight(opacity),
    }
}

impl YCbCr {
    /// Source: TIFF revision 6.0, section 21, the formulas of YCbCr and of reference black and white.
    pub(super) fn colour(&self, codes: [u8; 3]) -> [u8; 3] {
        let [black, white, blue_zero, blue_full, red_zero, red_full] = self.reference;
        let [luma, blue, red] = codes.map(f32::from);
        let luma = (luma - black) * 255.0 / (white - black);
        let blue = (blue - blue_zero) * 127.0 / (blue_full - blue_zero);
        let red = (red - red_zero) * 127.0 / (red_full - red_zero);
        let [of_red, of_green, of_blue] = self.weights;
        let r = luma + red * (2.0 - 2.0 * of_red);
        let b = luma + blue * (2.0 - 2.0 * of_blue);
        let g = (luma - of_blue * b - of_red * r) / of_green;
        [r, g, b].map(|value| value.round().clamp(0.0, 255.0) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_weights_give_the_colours_of_jfif() {
        let usual = YCbCr {
            subsampling: [1, 1],
            weights: [0.299, 0.587, 0.114],
            reference: [0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
        };
        for luma in (0..=255).step_by(17) {
            for blue in (0..=255).step_by(15) {
                for red in (0..=255).step_by(15) {
                    let codes: [u8; 3] = [luma, blue, red];
                    // JFIF rounds its constants to five digits.
                    let [y, cb, cr] = [
                        f32::from(luma),
                        f32::from(blue) - 128.0,
                        f32::from(red) - 128.0,
                    ];
                    let expected = [
                        y + 1.402 * cr,
                        y - 0.344_14 * cb - 0.714_14 * cr,
                        y + 1.772 * cb,
                    ];
                    for (found, expected) in usual.colour(codes).into_iter().zip(expected) {
                        let expected = expected.round().clamp(0.0, 255.0);
                        assert!((f32::from(found) - expected).abs() <= 1.0, "{codes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn colours_that_are_multiplied_by_alpha_are_not_multiplied_again() {
        assert_eq!([100u8.associated(200), 100u8.straight(200)], [155, 133]);
        assert_eq!(10_000u16.associated(0), 255);
        assert_eq!([0.25f32.associated(0.5), 0.5f32.straight(0.5)], [191, 191]);
    }
}
