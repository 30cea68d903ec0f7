//! Operations that give every value a new one whatever its neighbours are: a table of 256 entries each.
//!
//! Owns: applying tables, and the histograms that some of them are made from. It does not own any table.

use image::RgbImage;

/// The new value of every old one.
pub(super) type Table = [u8; 256];

/// The table of a function.
pub(super) fn table(new_value: impl Fn(u8) -> u8) -> Table {
    std::array::from_fn(|value| new_value(value as u8))
}

/// Every value replaced through the table.
pub(super) fn look_up(mut image: RgbImage, table: &Table) -> RgbImage {
    for value in image.iter_mut() {
        *value = table[usize::from(*value)];
    }
    image
}

/// Every value replaced through the table of its channel.
pub(super) fn look_up_channels(mut image: RgbImage, [red, green, blue]: &[Table; 3]) -> RgbImage {
    for pixel in image.pixels_mut() {
        let [r, g, b] = pixel.0.map(usize::from);
        pixel.0 = [red[r], green[g], blue[b]];
    }
    image
}

/// How often each value occurs in each channel.
pub(super) fn histograms(image: &RgbImage) -> [[u64; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    for pixel in image.pixels() {
        for (count, value) in counts.iter_mut().zip(pixel.0) {
            count[usize::from(value)] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradient;

    #[test]
    fn each_channel_goes_through_its_own_table() {
        let image = gradient(9, 7);
        let tables = [
            table(|value| value),
            table(|value| 255 - value),
            table(|_| 3),
        ];
        let output = look_up_channels(image.clone(), &tables);
        for (new, old) in output.pixels().zip(image.pixels()) {
            assert_eq!(new.0, [old.0[0], 255 - old.0[1], 3]);
        }
        assert_eq!(look_up(image.clone(), &tables[0]), image);
    }

    #[test]
    fn a_histogram_counts_every_pixel_once() {
        let image = gradient(9, 7);
        let counts = histograms(&image);
        assert!(counts.iter().all(|count| count.iter().sum::<u64>() == 63));
        let first = usize::from(image.get_pixel(0, 0).0[1]);
        assert!(counts[1][first] > 0);
    }
}
