//! A map of what decided: values over a picture, brought to other sizes and to a scale that can be drawn.

/// Values over a picture, row by row from its top left corner.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    height: usize,
    width: usize,
    values: Vec<f32>,
    signed: bool,
}

impl HeatMap {
    /// A map; `signed` is whether values below 0 mean something, speaking against what is explained.
    ///
    /// # Panics
    ///
    /// When there are not `height * width` values, or none.
    pub fn new([height, width]: [usize; 2], values: Vec<f32>, signed: bool) -> Self {
        assert!(
            height * width == values.len() && !values.is_empty(),
            "{} values for {height}x{width}",
            values.len()
        );
        Self {
            height,
            width,
            values,
            signed,
        }
    }

    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Whether values below 0 speak against what is explained; in other maps there are none.
    pub fn is_signed(&self) -> bool {
        self.signed
    }

    /// The sum of all values.
    pub fn sum(&self) -> f64 {
        self.values.iter().copied().map(f64::from).sum()
    }

    /// The values times a factor.
    pub fn times(&self, factor: f64) -> Self {
        self.with(
            self.values
                .iter()
                .map(|value| (f64::from(*value) * factor) as f32),
        )
    }

    /// The greatest value, or the greatest distance from 0 of a signed map.
    pub fn greatest(&self) -> f32 {
        let size = |value: &f32| if self.signed { value.abs() } else { *value };
        self.values
            .iter()
            .map(size)
            .fold(f32::NEG_INFINITY, f32::max)
    }

    /// From 0 to 1 as pytorch-grad-cam has it, `(x - least) / (1e-7 + greatest)`, where `greatest` is what is left of the greatest value.
    /// A signed map goes from -1 to 1 instead, by division by the greatest distance from 0: 0 stays 0.
    pub fn scaled(&self) -> Self {
        let least = match self.signed {
            true => 0.0,
            false => self.values.iter().copied().fold(f32::INFINITY, f32::min),
        };
        let room = 1e-7 + (self.greatest() - least);
        self.with(self.values.iter().map(|value| (value - least) / room))
    }

    /// Left and right changed.
    pub fn mirrored(&self) -> Self {
        let rows = self.values.chunks(self.width);
        self.with(rows.flat_map(|row| row.iter().rev().copied()))
    }

    /// The map at another size, between the middles of its cells as OpenCV's and PyTorch's bilinear filters have it
    /// (`align_corners=False`); beyond the outermost middles the values stay as they are.
    ///
    /// # Panics
    ///
    /// For a size without pixels.
    pub fn resized(&self, [height, width]: [usize; 2]) -> Self {
        let rows = places(self.height, height);
        let columns = places(self.width, width);
        let mut values = Vec::with_capacity(height * width);
        for &(top, bottom, down) in &rows {
            let row = |row: usize| &self.values[row * self.width..][..self.width];
            let (top, bottom) = (row(top), row(bottom));
            for &(left, right, across) in &columns {
                let along = |row: &[f32]| row[left] + (row[right] - row[left]) * across;
                let (above, below) = (along(top), along(bottom));
                values.push(above + (below - above) * down);
            }
        }
        Self::new([height, width], values, self.signed)
    }

    /// The mean over the square of this radius around each value, cut at the edges: what single pixels say is hard to see.
    pub fn smoothed(&self, radius: usize) -> Self {
        let mean = |values: &[f32], stride: usize, length: usize, place: usize, at: usize| {
            let low = place.saturating_sub(radius);
            let high = (place + radius + 1).min(length);
            let start = at - place * stride;
            let sum: f32 = (low..high).map(|near| values[start + near * stride]).sum();
            sum / (high - low) as f32
        };
        let all = 0..self.values.len();
        let across: Vec<f32> = all
            .clone()
            .map(|at| mean(&self.values, 1, self.width, at % self.width, at))
            .collect();
        let down = all.map(|at| mean(&across, self.width, self.height, at / self.width, at));
        self.with(down)
    }

    /// The value that this share of the distances from 0 does not exceed.
    pub fn quantile(&self, share: f64) -> f32 {
        let mut sizes: Vec<f32> = self.values.iter().map(|value| value.abs()).collect();
        sizes.sort_by(f32::total_cmp);
        let last = sizes.len() - 1;
        sizes[((last as f64 * share).round() as usize).min(last)]
    }

    /// The same map with other values.
    fn with(&self, values: impl Iterator<Item = f32>) -> Self {
        Self::new(self.size(), values.collect(), self.signed)
    }
}

/// For each place of a new side: the two old ones that it lies between, and how far it is from the first to the second.
fn places(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let place = |place: usize| {
        let at = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let at = at.clamp(0.0, (from - 1) as f64);
        let low = at.floor();
        let first = low as usize;
        (first, (first + 1).min(from - 1), (at - low) as f32)
    };
    (0..to).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlarging_goes_between_the_middles_of_cells() {
        let map = HeatMap::new([1, 2], vec![0.0, 4.0], false);
        // cv2.resize(np.float32([[0, 4]]), (8, 1)).
        let expected = [0.0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.0, 4.0];
        assert_eq!(map.resized([1, 8]).values(), expected);
        assert_eq!(map.resized([3, 2]).values(), [0.0, 4.0].repeat(3));
        assert_eq!(map.resized([1, 2]), map);
    }

    #[test]
    fn a_mirror_changes_columns_and_keeps_rows() {
        let map = HeatMap::new([2, 2], vec![1.0, 2.0, 3.0, 4.0], true);
        assert_eq!(map.mirrored().values(), [2.0, 1.0, 4.0, 3.0]);
    }

    #[test]
    fn a_scaled_map_fills_its_range_and_a_signed_one_keeps_its_zero() {
        let plain = HeatMap::new([1, 3], vec![1.0, 2.0, 5.0], false);
        assert_eq!(plain.scaled().values(), [0.0, 0.25, 1.0]);
        let signed = HeatMap::new([1, 3], vec![-4.0, 0.0, 2.0], true);
        assert_eq!(signed.scaled().values(), [-1.0, 0.0, 0.5]);
        let nothing = HeatMap::new([1, 2], vec![0.0, 0.0], true);
        assert_eq!(nothing.scaled().values(), [0.0, 0.0]);
    }

    #[test]
    fn smoothing_keeps_what_is_even_and_spreads_a_point() {
        let even = HeatMap::new([3, 4], vec![2.0; 12], true);
        assert_eq!(even.smoothed(1), even);
        let mut values = vec![0.0; 25];
        values[12] = 9.0;
        let point = HeatMap::new([5, 5], values, true).smoothed(1);
        assert_eq!(point.values()[6..9], [1.0; 3]);
        assert_eq!((point.values()[5], point.sum()), (0.0, 9.0));
        assert_eq!(even.smoothed(0), even);
    }

    #[test]
    fn a_quantile_is_one_of_the_distances() {
        let map = HeatMap::new([1, 4], vec![-8.0, 1.0, 2.0, -3.0], true);
        assert_eq!(
            [0.0, 0.34, 1.0].map(|share| map.quantile(share)),
            [1.0, 2.0, 8.0]
        );
    }
}
