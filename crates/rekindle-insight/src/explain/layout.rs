//! Maps of several networks over one picture: each network sees a part of the picture at a size of its own. Owns where a value of one lies
//! in the view of another.

use super::HeatMap;

/// How places of a reference view lie in another view of the same picture: `other = factor * place + first`, across and down, in pixels
/// from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Layout {
    /// Height and width of the reference view.
    reference: [usize; 2],
    /// Those of the other.
    other: [usize; 2],
    /// Factor and first, down and across.
    sides: [(f64, f64); 2],
}

impl Layout {
    /// Of views of these sizes, which show these parts of the picture: left, top, width, height. Without parts both show the same.
    pub fn new([reference, other]: [[usize; 2]; 2], parts: Option<[[f64; 4]; 2]>) -> Self {
        let side = |side: usize| {
            let (own, others) = (reference[side] as f64, other[side] as f64);
            let Some([from, to]) = parts else {
                return (others / own, 0.0);
            };
            // Left and width are the first and third, top and height the second and fourth.
            let at = 1 - side;
            let scale = others / to[2 + at];
            (from[2 + at] / own * scale, (from[at] - to[at]) * scale)
        };
        Self {
            reference,
            other,
            sides: [side(0), side(1)],
        }
    }

    /// Whether both show the same part, but for what rounding to whole pixels does.
    pub fn is_same_part(&self) -> bool {
        let same = |side: usize| {
            let (factor, first) = self.sides[side];
            let (own, others) = (self.reference[side] as f64, self.other[side] as f64);
            first.abs() < 0.01 * others && (factor * own - others).abs() < 0.01 * others
        };
        same(0) && same(1)
    }

    /// A map over the other view, of any size, at the places of the reference view: between the middles of its cells, and 0 where the
    /// other view shows nothing.
    pub fn sampled(&self, map: &HeatMap) -> HeatMap {
        let size = map.size();
        let side = |side: usize| -> Vec<Option<(usize, usize, f32)>> {
            let (factor, first) = self.sides[side];
            let (others, cells) = (self.other[side] as f64, size[side]);
            let each = |place: usize| {
                let at = factor * (place as f64 + 0.5) + first;
                // Rounding of the edges of views that show the same.
                if at < -0.5 || at > others + 0.5 {
                    return None;
                }
                let at = at * cells as f64 / others - 0.5;
                let at = at.clamp(0.0, (cells - 1) as f64);
                let low = at.floor() as usize;
                Some((low, (low + 1).min(cells - 1), (at - low as f64) as f32))
            };
            (0..self.reference[side]).map(each).collect()
        };
        let (rows, columns) = (side(0), side(1));
        let value = |row: usize, column: usize| map.values()[row * size[1] + column];
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        for row in &rows {
            for column in &columns {
                values.push(match (row, column) {
                    (Some((top, bottom, down)), Some((left, right, across))) => {
                        let along = |row: usize| {
                            value(row, *left) + (value(row, *right) - value(row, *left)) * across
                        };
                        along(*top) + (along(*bottom) - along(*top)) * down
                    }
                    _ => 0.0,
                });
            }
        }
        HeatMap::new(self.reference, values, map.is_signed())
    }

    /// A map of the other view's pixels whose values are amounts: each is divided among the pixels of the reference view that it lies under,
    /// so that the sum stays what it is, but for what lies outside.
    pub fn spread(&self, map: &HeatMap) -> HeatMap {
        let shares = |side: usize| -> Vec<Vec<(usize, f64)>> {
            let (factor, first) = self.sides[side];
            let each = |place: usize| {
                let (low, high) = (
                    factor * place as f64 + first,
                    factor * (place + 1) as f64 + first,
                );
                let from = low.floor().max(0.0) as usize;
                let to = (high.ceil().max(0.0) as usize).min(self.other[side]);
                let covered = |cell: usize| {
                    let share = high.min((cell + 1) as f64) - low.max(cell as f64);
                    (cell, share.max(0.0))
                };
                (from..to).map(covered).collect()
            };
            (0..self.reference[side]).map(each).collect()
        };
        let (rows, columns) = (shares(0), shares(1));
        let width = map.size()[1];
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        for row in &rows {
            for column in &columns {
                let mut sum = 0.0f64;
                for (at, down) in row {
                    for (place, across) in column {
                        sum += down * across * f64::from(map.values()[at * width + place]);
                    }
                }
                values.push(sum as f32);
            }
        }
        HeatMap::new(self.reference, values, map.is_signed())
    }

    /// A window of the reference view, `[top, bottom, left, right]`, in whole pixels of the other.
    pub fn window(&self, [top, bottom, left, right]: [usize; 4]) -> [usize; 4] {
        let at = |side: usize, place: usize| {
            let (factor, first) = self.sides[side];
            let at = (factor * place as f64 + first).round();
            at.clamp(0.0, self.other[side] as f64) as usize
        };
        [at(0, top), at(0, bottom), at(1, left), at(1, right)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(size: [usize; 2]) -> HeatMap {
        let values = (0..size[0] * size[1]).map(|value| value as f32).collect();
        HeatMap::new(size, values, true)
    }

    #[test]
    fn the_same_view_changes_nothing() {
        let same = Layout::new([[4, 6]; 2], None);
        let map = numbered([4, 6]);
        assert_eq!(same.sampled(&map), map);
        assert_eq!(same.spread(&map), map);
        assert_eq!(same.window([1, 2, 3, 6]), [1, 2, 3, 6]);
        assert!(same.is_same_part());
        // A coarse map as `resized` has it.
        let coarse = numbered([2, 3]);
        assert_eq!(same.sampled(&coarse), coarse.resized([4, 6]));
    }

    #[test]
    fn amounts_keep_their_sum_at_another_size() {
        let map = numbered([6, 9]);
        for reference in [[4, 6], [12, 18], [5, 7]] {
            let layout = Layout::new([reference, [6, 9]], None);
            let spread = layout.spread(&map);
            assert_eq!(spread.size(), reference);
            assert!((spread.sum() - map.sum()).abs() < 1e-3, "{reference:?}");
        }
        let half = Layout::new([[3, 3], [6, 9]], None).spread(&map);
        // Two rows and three columns each.
        assert_eq!(
            half.values()[0],
            [0.0, 1.0, 2.0, 9.0, 10.0, 11.0].iter().sum::<f32>()
        );
    }

    #[test]
    fn parts_of_a_picture_lie_where_they_are_in_it() {
        // The reference shows the middle half of what the other shows, at the same scale.
        let whole = [0.0, 0.0, 80.0, 40.0];
        let middle = [20.0, 10.0, 40.0, 20.0];
        let layout = Layout::new([[2, 4], [4, 8]], Some([middle, whole]));
        assert!(!layout.is_same_part());
        assert_eq!(layout.window([0, 2, 0, 4]), [1, 3, 2, 6]);
        let map = numbered([4, 8]);
        let expected = [10.0, 11.0, 12.0, 13.0, 18.0, 19.0, 20.0, 21.0];
        assert_eq!(layout.sampled(&map).values(), expected);
        assert_eq!(layout.spread(&map).values(), expected);
        // The other way round there is nothing outside of the middle.
        let back = Layout::new([[4, 8], [2, 4]], Some([whole, middle]));
        let spread = back.spread(&numbered([2, 4]));
        assert_eq!(spread.sum(), 28.0);
        assert_eq!(spread.values()[10..14], [0.0, 1.0, 2.0, 3.0]);
        let sampled = back.sampled(&HeatMap::new([1, 1], vec![3.0], false));
        assert_eq!(sampled.values()[0], 0.0);
        assert_eq!(sampled.values()[10], 3.0);
        assert_eq!(back.window([0, 2, 0, 3]), [0, 1, 0, 1]);
    }
}
