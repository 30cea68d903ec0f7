//! A report as text for a terminal. Owns the layout; the numbers are in `report.rs`.

use std::fmt::Write;

use super::report::MetricsReport;
use super::{MultilabelReport, RegressionReport};

/// Columns of numbers after the name, with the spaces between them.
const NUMBERS: usize = 4 * 11;
/// Most pairs of classes that are listed as mixed up.
const MOST_PAIRS: usize = 10;
/// Shortest room for a class name.
const SHORTEST_NAME: usize = 8;

impl MetricsReport {
    /// One row per class and one for all, no wider than `width` columns if `width` is at least 52.
    ///
    /// Names that are too long are cut and end in `…`; a class without a name is shown by its index.
    pub fn to_table(&self, class_names: &[String], width: usize) -> String {
        let names = names(class_names, self.per_class.len());
        let room = name_room(&names, width, NUMBERS);
        let mut text = format!(
            "{}{:>11}{:>11}{:>11}{:>11}\n",
            pad("class", room),
            "samples",
            "precision",
            "recall",
            "F1"
        );
        for (name, class) in names.iter().zip(&self.per_class) {
            row(
                &mut text,
                &pad(name, room),
                class.support,
                [class.precision, class.recall, class.f1],
            );
        }
        // All three over the classes that have samples.
        let occurring = self.per_class.iter().filter(|class| class.support > 0);
        let count = occurring.clone().count().max(1) as f64;
        let precision = occurring.map(|class| class.precision).sum::<f64>() / count;
        row(
            &mut text,
            &pad("mean", room),
            self.samples,
            [precision, self.balanced_accuracy, self.macro_f1],
        );
        text
    }

    /// The confusion matrix, targets down and predictions across, or `None` if it does not fit in `width` columns.
    pub fn confusion_matrix(&self, class_names: &[String], width: usize) -> Option<String> {
        let classes = self.confusion.classes();
        let names = names(class_names, classes);
        let largest = self.confusion.pairs().map(|pair| pair.2).max().unwrap_or(0);
        let cell = largest.to_string().len().max(classes.to_string().len()) + 1;
        let longest = names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0)
            .min(24);
        let number = classes.to_string().len() + 1;
        if longest + number + cell * classes > width {
            return None;
        }
        let mut text = " ".repeat(longest + number);
        for class in 0..classes {
            let _ = write!(text, "{class:>cell$}");
        }
        text.push('\n');
        for (class, name) in names.iter().enumerate() {
            let _ = write!(text, "{}{class:>number$}", pad(name, longest));
            for prediction in 0..classes {
                let count = self.confusion.get(class, prediction);
                let _ = write!(text, "{count:>cell$}");
            }
            text.push('\n');
        }
        Some(text)
    }

    /// The ten pairs of classes that are mixed up most, a line each.
    pub fn pairs(&self, class_names: &[String], width: usize) -> String {
        let names = names(class_names, self.confusion.classes());
        let room = (width.saturating_sub(20) / 2).max(SHORTEST_NAME);
        let pairs = self.confusions();
        let mut text = String::new();
        for &(target, prediction, count) in pairs.iter().take(MOST_PAIRS) {
            let [target, prediction] = [target, prediction].map(|class| cut(&names[class], room));
            let _ = writeln!(text, "{count:>8}  {target} taken for {prediction}");
        }
        if pairs.len() > MOST_PAIRS {
            let more = pairs.len() - MOST_PAIRS;
            let _ = writeln!(text, "{:>8}  and {more} more pairs", "");
        }
        text
    }
}

/// The longest name's length, within the room that a table's numbers leave.
fn name_room(names: &[String], width: usize, numbers: usize) -> usize {
    let longest = names.iter().map(|name| name.chars().count()).max();
    let room = width.saturating_sub(numbers).max(SHORTEST_NAME);
    room.min(longest.unwrap_or(0).max(SHORTEST_NAME))
}

impl MultilabelReport {
    /// One row per label and one for all, no wider than `width` columns if `width` is at least 63.
    pub fn to_table(&self, label_names: &[String], width: usize) -> String {
        let names = names(label_names, self.per_label.len());
        let room = name_room(&names, width, NUMBERS + 11);
        let mut text = format!(
            "{}{:>11}{:>11}{:>11}{:>11}{:>11}\n",
            pad("label", room),
            "samples",
            "precision",
            "recall",
            "F1",
            "AP"
        );
        let mut line = |name: &str, samples: u64, shares: [f64; 4]| {
            let _ = write!(text, "{}{samples:>11}", pad(name, room));
            for share in shares {
                let _ = write!(text, "{share:>11.3}");
            }
            text.push('\n');
        };
        let mut sums = [0.0; 2];
        let occurring = |support: u64| f64::from(u8::from(support > 0));
        let mut count = 0.0;
        for (name, label) in names.iter().zip(&self.per_label) {
            let at = label.at_threshold;
            let shares = [at.precision, at.recall, at.f1, label.average_precision];
            line(name, at.support, shares);
            let counts = occurring(at.support);
            count += counts;
            sums[0] += counts * at.precision;
            sums[1] += counts * at.recall;
        }
        let [precision, recall] = sums.map(|sum| sum / f64::max(count, 1.0));
        let shares = [precision, recall, self.macro_f1, self.map];
        line("mean", self.samples, shares);
        text
    }
}

impl RegressionReport {
    /// One row per number, no wider than `width` columns if `width` is at least 63.
    pub fn to_table(&self, number_names: &[String], width: usize) -> String {
        let names = names(number_names, self.per_number.len());
        let room = name_room(&names, width, NUMBERS + 11);
        let mut text = format!(
            "{}{:>11}{:>11}{:>11}{:>11}{:>11}\n",
            pad("number", room),
            "MAE",
            "RMSE",
            "R2",
            "Pearson",
            "Spearman"
        );
        for (name, number) in names.iter().zip(&self.per_number) {
            let _ = writeln!(
                text,
                "{}{:>11}{:>11}{:>11.3}{:>11.3}{:>11.3}",
                pad(name, room),
                short(number.mae),
                short(number.rmse),
                number.r2,
                number.pearson,
                number.spearman
            );
        }
        text
    }
}

/// A number of any size in at most nine characters, with four digits that count.
pub fn short(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{number:.3e}");
    }
    let whole = if size < 1.0 { 0 } else { size.log10() as usize };
    format!("{number:.*}", 4usize.saturating_sub(whole).min(4))
}

fn row(text: &mut String, name: &str, support: u64, shares: [f64; 3]) {
    let [precision, recall, f1] = shares;
    let _ = writeln!(
        text,
        "{name}{support:>11}{precision:>11.3}{recall:>11.3}{f1:>11.3}"
    );
}

fn names(class_names: &[String], classes: usize) -> Vec<String> {
    (0..classes)
        .map(|class| {
            class_names
                .get(class)
                .cloned()
                .unwrap_or_else(|| class.to_string())
        })
        .collect()
}

/// The name in at most `room` characters.
fn cut(name: &str, room: usize) -> String {
    match name.chars().count() > room {
        true => name
            .chars()
            .take(room.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => name.to_string(),
    }
}

/// The name in exactly `room` characters.
fn pad(name: &str, room: usize) -> String {
    format!("{:<room$}", cut(name, room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Confusion;

    fn report() -> MetricsReport {
        MetricsReport::new(
            0.5,
            1,
            0.7,
            Confusion::of_rows(&[vec![5, 1, 0], vec![4, 5, 0], vec![0, 2, 12]]).unwrap(),
        )
    }

    fn names() -> Vec<String> {
        [
            "cat",
            "dog",
            "a very long name of a rather rare kind of bird",
        ]
        .map(String::from)
        .to_vec()
    }

    #[test]
    fn a_table_has_a_row_per_class_and_fits_its_width() {
        for width in [52, 60, 80, 200] {
            let table = report().to_table(&names(), width);
            assert_eq!(table.lines().count(), 5);
            assert!(
                table.lines().all(|line| line.chars().count() <= width),
                "{table}"
            );
        }
        let table = report().to_table(&names(), 60);
        assert!(
            table.contains("cat                       6      0.556      0.833      0.667"),
            "{table}"
        );
        assert!(table.contains('…'), "{table}");
    }

    #[test]
    fn a_class_without_a_name_is_shown_by_its_index() {
        assert!(
            report()
                .to_table(&[], 80)
                .lines()
                .nth(3)
                .unwrap()
                .starts_with("2 ")
        );
    }

    #[test]
    fn a_confusion_matrix_is_there_where_it_fits_and_pairs_always_are() {
        let names: Vec<String> = ["cat", "dog", "emu"].map(String::from).to_vec();
        let wide = report().confusion_matrix(&names, 80);
        let expected = "       0  1  2\ncat 0  5  1  0\ndog 1  4  5  0\nemu 2  0  2 12\n";
        assert_eq!(wide.as_deref(), Some(expected));
        assert_eq!(report().confusion_matrix(&names, 10), None);
        let pairs = report().pairs(&names, 40);
        assert_eq!(pairs.lines().next(), Some("       4  dog taken for cat"));
    }
}
