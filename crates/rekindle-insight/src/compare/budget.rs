//! Which runs fit a budget of time.
//!
//! Owns the estimate: a variant's own runs so far; else the slowest of the others; and nothing is known before the first.

use std::time::Duration;

/// What runs have taken so far.
#[derive(Debug, Clone)]
pub struct Budget {
    limit: Option<Duration>,
    seconds: Vec<Vec<f64>>,
}

impl Budget {
    /// A budget for so many variants; without a limit everything fits.
    pub fn new(limit: Option<Duration>, variants: usize) -> Self {
        Self {
            limit,
            seconds: vec![Vec::new(); variants],
        }
    }

    /// A run of a variant took so long.
    pub fn took(&mut self, variant: usize, seconds: f64) {
        self.seconds[variant].push(seconds);
    }

    /// How long the next run of a variant is expected to take; none before anything is known.
    pub fn expected(&self, variant: usize) -> Option<f64> {
        let mean =
            |all: &Vec<f64>| (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);
        mean(&self.seconds[variant])
            .or_else(|| self.seconds.iter().filter_map(mean).reduce(f64::max))
    }

    /// Whether a run of a variant is expected to end in time, where so much of it is over. The first run of all always is, since nothing
    /// is known before it.
    pub fn fits(&self, variant: usize, elapsed: Duration) -> bool {
        match (self.limit, self.expected(variant)) {
            (Some(limit), Some(expected)) => {
                elapsed.as_secs_f64() + expected <= limit.as_secs_f64()
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_expected_to_take_what_those_of_its_variant_took() {
        let minute = Duration::from_secs(60);
        let mut budget = Budget::new(Some(minute), 3);
        assert!(budget.fits(0, 2 * minute), "nothing is known yet");
        budget.took(0, 10.0);
        budget.took(0, 20.0);
        budget.took(1, 40.0);
        assert_eq!(budget.expected(0), Some(15.0));
        // The slowest of the others.
        assert_eq!(budget.expected(2), Some(40.0));
        assert!(budget.fits(2, Duration::from_secs(20)));
        assert!(!budget.fits(2, Duration::from_secs(21)));
        assert!(budget.fits(0, Duration::from_secs(45)));
        assert!(!budget.fits(0, minute));
        let without = Budget::new(None, 3);
        assert!(without.fits(0, 100 * minute));
    }
}
