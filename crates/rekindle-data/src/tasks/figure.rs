//! One figure by which outputs are measured: its names, its unit and which way is better.

use crate::metrics::short;

/// A figure that every epoch of a task has.
#[derive(Debug, PartialEq)]
pub struct Figure {
    /// The name in reports, `balanced_accuracy`; in recipes and in metrics.csv `validation_` stands before it.
    pub name: &'static str,
    /// What people call it, `balanced accuracy`.
    pub label: &'static str,
    /// The same in at most eight characters, for the heading of a column.
    pub short: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
}

/// What a figure is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A share of the images, from 0 to 1, told in per cent.
    Share,
    /// A score of at most 1.
    Score,
    /// A loss, in nats or squared deviations.
    Loss,
    /// Steps from a level to the next.
    Levels,
    /// The unit of the number that is learned; of several numbers their standard deviations.
    Own,
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// A greater value.
    Higher,
    /// A smaller one.
    Lower,
}

impl Better {
    /// Whether `new` is better than `old`, by more than `least`.
    pub fn improves(self, old: f64, new: f64, least: f64) -> bool {
        match self {
            Self::Higher => new - old > least,
            Self::Lower => old - new > least,
        }
    }
}

impl Figure {
    /// Stands before the names of figures of the validation images.
    pub const OF_VALIDATION: &str = "validation_";

    /// The name in recipes, `validation_accuracy`.
    pub fn monitor(&self) -> String {
        format!("{}{}", Self::OF_VALIDATION, self.name)
    }

    /// What it is called where there are so many outputs: errors of several numbers are in standard deviations.
    pub fn label_of(&self, outputs: usize) -> String {
        match self.unit {
            Unit::Own if outputs > 1 => format!("{} / deviation", self.label),
            _ => self.label.into(),
        }
    }

    /// The heading of its column where there are so many outputs.
    pub fn short_of(&self, outputs: usize) -> String {
        match self.unit {
            Unit::Own if outputs > 1 => format!("{}/dev", self.short),
            _ => self.short.into(),
        }
    }

    /// A value as people read it.
    pub fn text(&self, value: f64) -> String {
        match self.unit {
            Unit::Share => percent(value),
            Unit::Score | Unit::Levels => format!("{value:.3}"),
            Unit::Loss => format!("{value:.4}"),
            Unit::Own => short(value),
        }
    }
}

/// `92.6 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_better_beats_the_old_by_more_than_the_least() {
        assert!(Better::Higher.improves(0.5, 0.75, 0.125));
        assert!(!Better::Higher.improves(0.5, 0.625, 0.125));
        assert!(Better::Lower.improves(0.5, 0.25, 0.125));
        assert!(!Better::Lower.improves(0.5, f64::NAN, 0.0));
    }

    #[test]
    fn errors_of_several_numbers_are_in_deviations() {
        let figure = Figure {
            name: "mae",
            label: "MAE",
            short: "MAE",
            unit: Unit::Own,
            better: Better::Lower,
        };
        assert_eq!(figure.label_of(1), "MAE");
        assert_eq!(figure.label_of(2), "MAE / deviation");
        assert_eq!(figure.short_of(2), "MAE/dev");
        assert_eq!(figure.text(12.5), "12.500");
    }
}
