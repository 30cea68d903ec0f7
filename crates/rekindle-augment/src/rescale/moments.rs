//! Mean, standard deviation and covariance of the channels of many pixels.
//!
//! Owns: exact sums, in whole numbers, so that the order in which images are added changes nothing. It does not own what is
//! made of them.

/// Sums over pixels of this many channels, from which mean and covariance follow.
///
/// Bytes and their products are summed in integers of 128 bits: nothing is rounded before the last division, and sums that
/// several threads made can be merged in any order.
///
/// ```
/// use rekindle_augment::ChannelMoments;
///
/// let mut moments = ChannelMoments::new();
/// moments.add(&[[0, 255], [255, 255]]);
/// assert_eq!(moments.mean(), Some([0.5, 1.0]));
/// assert_eq!(moments.std(), Some([0.5, 0.0]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelMoments<const CHANNELS: usize> {
    pixels: u64,
    sums: [u128; CHANNELS],
    /// Products of two channels; the lower triangle only.
    products: [[u128; CHANNELS]; CHANNELS],
}

impl<const CHANNELS: usize> Default for ChannelMoments<CHANNELS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const CHANNELS: usize> ChannelMoments<CHANNELS> {
    /// Sums over no pixels.
    pub fn new() -> Self {
        Self {
            pixels: 0,
            sums: [0; CHANNELS],
            products: [[0; CHANNELS]; CHANNELS],
        }
    }

    /// Adds pixels, interleaved as images hold them.
    pub fn add(&mut self, pixels: &[[u8; CHANNELS]]) {
        // 255 * 255 * 2^30 fits 64 bits with room; the narrow sums are several times as fast as wide ones.
        for part in pixels.chunks(1 << 30) {
            let mut sums = [0u64; CHANNELS];
            let mut products = [[0u64; CHANNELS]; CHANNELS];
            for pixel in part {
                let values = pixel.map(u64::from);
                for (row, value) in values.iter().enumerate() {
                    sums[row] += value;
                    for (column, other) in values[..=row].iter().enumerate() {
                        products[row][column] += value * other;
                    }
                }
            }
            self.merge(&Self {
                pixels: part.len() as u64,
                sums: sums.map(u128::from),
                products: products.map(|row| row.map(u128::from)),
            });
        }
    }

    /// Adds the pixels that another one has seen.
    pub fn merge(&mut self, other: &Self) {
        self.pixels += other.pixels;
        for row in 0..CHANNELS {
            self.sums[row] += other.sums[row];
            for column in 0..=row {
                self.products[row][column] += other.products[row][column];
            }
        }
    }

    /// How many pixels were added.
    pub fn pixels(&self) -> u64 {
        self.pixels
    }

    /// The mean of each channel, from 0 to 1; none without pixels.
    pub fn mean(&self) -> Option<[f64; CHANNELS]> {
        let whole = self.pixels as f64 * 255.0;
        (self.pixels > 0).then(|| self.sums.map(|sum| sum as f64 / whole))
    }

    /// The standard deviation of each channel, of values from 0 to 1; none without pixels.
    ///
    /// It is that of the pixels themselves, divided by their number and not by one less, as `numpy.std` does.
    pub fn std(&self) -> Option<[f64; CHANNELS]> {
        let square = (self.pixels as f64 * 255.0).powi(2);
        let variance = |row| self.scatter(row, row) as f64 / square;
        (self.pixels > 0).then(|| std::array::from_fn(|row| variance(row).sqrt()))
    }

    /// The covariance of the channels, of values from 0 to 1; none for fewer than two pixels.
    ///
    /// The sums are divided by the number of pixels less one, as `numpy.cov` and scikit-learn's `PCA` do.
    pub fn covariance(&self) -> Option<[[f64; CHANNELS]; CHANNELS]> {
        if self.pixels < 2 {
            return None;
        }
        let divisor = self.pixels as f64 * (self.pixels - 1) as f64 * 255.0 * 255.0;
        let entry = |row: usize, column: usize| {
            self.scatter(row.max(column), row.min(column)) as f64 / divisor
        };
        Some(std::array::from_fn(|row| {
            std::array::from_fn(|column| entry(row, column))
        }))
    }

    /// The same values with no regard to their channel.
    pub fn pooled(&self) -> ChannelMoments<1> {
        let squares = (0..CHANNELS).map(|row| self.products[row][row]).sum();
        ChannelMoments {
            pixels: self.pixels * CHANNELS as u64,
            sums: [self.sums.iter().sum()],
            products: [[squares]],
        }
    }

    /// `n sum(x y) - sum(x) sum(y)` of bytes, exactly.
    fn scatter(&self, row: usize, column: usize) -> i128 {
        let whole = u128::from(self.pixels) * self.products[row][column];
        whole as i128 - (self.sums[row] * self.sums[column]) as i128
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_mean_and_one_pixel_has_no_covariance() {
        let mut moments = ChannelMoments::<3>::new();
        assert_eq!((moments.mean(), moments.std()), (None, None));
        moments.add(&[[255, 51, 0]]);
        assert_eq!(moments.mean(), Some([1.0, 0.2, 0.0]));
        assert_eq!(moments.std(), Some([0.0; 3]));
        assert_eq!(moments.covariance(), None);
    }

    #[test]
    fn pooled_values_are_those_of_all_channels() {
        let mut moments = ChannelMoments::<2>::new();
        moments.add(&[[0, 1], [2, 3]]);
        let mut flat = ChannelMoments::<1>::new();
        flat.add(&[[0], [1], [2], [3]]);
        assert_eq!(moments.pooled(), flat);
    }

    proptest! {
        #[test]
        fn neither_order_nor_grouping_changes_the_sums(
            pixels in prop::collection::vec(any::<[u8; 4]>(), 0..60), cut in 0usize..60,
        ) {
            let mut whole = ChannelMoments::new();
            whole.add(&pixels);
            let (first, second) = pixels.split_at(cut.min(pixels.len()));
            let [mut one, mut other] = [ChannelMoments::new(); 2];
            one.add(second);
            other.add(first);
            one.merge(&other);
            prop_assert_eq!(one, whole);
        }

        #[test]
        fn covariance_is_symmetric_and_agrees_with_its_definition(
            pixels in prop::collection::vec(any::<[u8; 3]>(), 2..60),
        ) {
            let mut moments = ChannelMoments::new();
            moments.add(&pixels);
            let (mean, covariance) = (moments.mean().unwrap(), moments.covariance().unwrap());
            for (place, found) in covariance.iter().flatten().enumerate() {
                let (row, column) = (place / 3, place % 3);
                let value = |pixel: &[u8; 3], channel: usize| f64::from(pixel[channel]) / 255.0 - mean[channel];
                let sum: f64 = pixels.iter().map(|pixel| value(pixel, row) * value(pixel, column)).sum();
                let expected = sum / (pixels.len() - 1) as f64;
                prop_assert!((found - expected).abs() < 1e-12);
                prop_assert_eq!(*found, covariance[column][row]);
            }
        }
    }
}
