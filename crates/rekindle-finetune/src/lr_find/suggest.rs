//! What a range test suggests. Owns the rules; the test itself is in `lr_find.rs`.

/// The weight of what was seen before in the smoothed loss.
const SMOOTHING: f64 = 0.98;
/// A test ends where the smoothed loss is this many times the lowest.
const DIVERGED: f64 = 4.0;

/// The exponential moving average of losses, divided by the weight that it has seen: fastai's.
#[derive(Debug, Default)]
pub(super) struct Smoothed {
    average: f64,
    count: i32,
    lowest: f64,
}

impl Smoothed {
    pub(super) fn add(&mut self, loss: f64) -> f64 {
        self.average = SMOOTHING * self.average + (1.0 - SMOOTHING) * loss;
        self.count += 1;
        let smoothed = self.average / (1.0 - SMOOTHING.powi(self.count));
        self.lowest = match self.count {
            1 => smoothed,
            _ => self.lowest.min(smoothed),
        };
        smoothed
    }

    /// Whether `smoothed` says that the rate is far too high.
    pub(super) fn has_diverged(&self, smoothed: f64) -> bool {
        !smoothed.is_finite() || smoothed > DIVERGED * self.lowest
    }
}

/// The rate at which the loss falls the most for a change of the rate's logarithm; none of fewer than two.
///
/// Source: fastai's `steep`, from which the numbers in `tests/data/lr_find.json` are.
pub fn steepest(rates: &[f64], losses: &[f64]) -> Option<f64> {
    let slope =
        |at: &usize| (losses[at + 1] - losses[*at]) / (rates[at + 1].ln() - rates[*at].ln());
    let places = 0..rates.len().min(losses.len()).saturating_sub(1);
    let first = places.min_by(|one, other| slope(one).total_cmp(&slope(other)));
    first.map(|at| rates[at])
}

/// A rate in the middle of the longest stretch in which the loss falls, where it falls surely and is far from diverging; none of nothing.
///
/// The length of the longest falling subsequence is counted back from its end, and the middle of the second third of that is taken.
///
/// Source: fastai's `valley`, its default, from which the numbers in `tests/data/lr_find.json` are.
pub fn valley(rates: &[f64], losses: &[f64]) -> Option<f64> {
    let count = rates.len().min(losses.len());
    let mut lengths = vec![1usize; count];
    // One before the first where the whole falls.
    let (mut start, mut end) = (0isize, 0usize);
    for at in 1..count {
        for before in 0..at {
            if losses[at] < losses[before] && lengths[at] < lengths[before] + 1 {
                lengths[at] = lengths[before] + 1;
            }
            if lengths[end] < lengths[at] {
                end = at;
                start = end as isize - lengths[end] as isize;
            }
        }
    }
    let third = (end as isize - start) as f64 / 3.0;
    let at = start + third as isize + (third / 2.0) as isize;
    rates[..count].get(at.max(0) as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn suggestions_are_those_of_fastai() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../tests/data/lr_find.json")).unwrap();
        let cases = fixture["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 5);
        for case in cases {
            let numbers = |key: &str| -> Vec<f64> {
                let values = case[key].as_array().unwrap().iter();
                values.map(|value| value.as_f64().unwrap()).collect()
            };
            let (rates, losses) = (numbers("rates"), numbers("losses"));
            let near = |found: Option<f64>, key: &str| {
                let expected = case[key].as_f64().unwrap();
                let found = found.unwrap();
                assert!(
                    (found / expected - 1.0).abs() < 1e-6,
                    "{key}: {found} for {expected}"
                );
            };
            near(valley(&rates, &losses), "valley");
            near(steepest(&rates, &losses), "steepest");
        }
    }

    #[test]
    fn of_nothing_nothing_is_suggested() {
        assert_eq!(valley(&[], &[]), None);
        assert_eq!(steepest(&[1e-3], &[1.0]), None);
    }

    #[test]
    fn a_constant_loss_is_its_own_average() {
        let mut smoothed = Smoothed::default();
        for _ in 0..5 {
            assert!((smoothed.add(1.5) - 1.5).abs() < 1e-9);
        }
        assert!(smoothed.has_diverged(6.1) && !smoothed.has_diverged(5.9));
        assert!(smoothed.has_diverged(f64::NAN));
    }
}
