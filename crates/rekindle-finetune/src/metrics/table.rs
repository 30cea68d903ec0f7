//! A report as text for a terminal. Owns the layout; the numbers are in `report.rs`.

use std::fmt::Write;

use super::report::MetricsReport;

/// Columns of numbers after the name, with the spaces between them.
const NUMBERS: usize = 4 * 11;
/// Shortest room for a class name.
const SHORTEST_NAME: usize = 8;

impl MetricsReport {
    /// One row per class and one for all, no wider than `width` columns if `width` is at least 52.
    ///
    /// Names that are too long are cut and end in `…`; a class without a name is shown by its index.
    pub fn to_table(&self, class_names: &[String], width: usize) -> String {
        let room = width.saturating_sub(NUMBERS).max(SHORTEST_NAME);
        let names = names(class_names, self.per_class.len());
        let longest = names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0);
        let room = room.min(longest.max(SHORTEST_NAME));
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
        let count = self.per_class.len().max(1) as f64;
        let precision = self
            .per_class
            .iter()
            .map(|class| class.precision)
            .sum::<f64>()
            / count;
        row(
            &mut text,
            &pad("mean", room),
            self.samples,
            [precision, self.balanced_accuracy, self.macro_f1],
        );
        text
    }

    /// The confusion matrix, targets down and predictions across, if it fits in `width` columns; otherwise the ten
    /// pairs that are mixed up most.
    pub fn confusion_table(&self, class_names: &[String], width: usize) -> String {
        self.confusion_matrix(class_names, width)
            .unwrap_or_else(|| {
                let names = names(class_names, self.confusion.len());
                self.pairs(&names, width)
            })
    }

    /// The confusion matrix, targets down and predictions across, or `None` if it does not fit in `width` columns.
    pub fn confusion_matrix(&self, class_names: &[String], width: usize) -> Option<String> {
        let names = names(class_names, self.confusion.len());
        let largest = self.confusion.iter().flatten().max().copied().unwrap_or(0);
        let cell = largest
            .to_string()
            .len()
            .max(self.confusion.len().to_string().len())
            + 1;
        let longest = names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0)
            .min(24);
        let number = self.confusion.len().to_string().len() + 1;
        if longest + number + cell * self.confusion.len() > width {
            return None;
        }
        let mut text = " ".repeat(longest + number);
        for class in 0..self.confusion.len() {
            let _ = write!(text, "{class:>cell$}");
        }
        text.push('\n');
        for (class, (name, row)) in names.iter().zip(&self.confusion).enumerate() {
            let _ = write!(text, "{}{class:>number$}", pad(name, longest));
            for count in row {
                let _ = write!(text, "{count:>cell$}");
            }
            text.push('\n');
        }
        Some(text)
    }

    fn pairs(&self, names: &[String], width: usize) -> String {
        let room = width.saturating_sub(16) / 2;
        let room = room.max(SHORTEST_NAME);
        let mut text = String::new();
        for (target, prediction, count) in self.confusions().into_iter().take(10) {
            let _ = writeln!(
                text,
                "{count:>8}  {} as {}",
                cut(&names[target], room),
                cut(&names[prediction], room)
            );
        }
        text
    }
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

    fn report() -> MetricsReport {
        MetricsReport::new(
            0.5,
            1,
            0.7,
            vec![vec![5, 1, 0], vec![4, 5, 0], vec![0, 2, 12]],
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
    fn a_confusion_matrix_that_does_not_fit_becomes_a_list_of_pairs() {
        let names: Vec<String> = ["cat", "dog", "emu"].map(String::from).to_vec();
        let wide = report().confusion_table(&names, 80);
        assert_eq!(
            wide,
            "       0  1  2\ncat 0  5  1  0\ndog 1  4  5  0\nemu 2  0  2 12\n"
        );
        let narrow = report().confusion_table(&names, 10);
        assert_eq!(narrow.lines().next(), Some("       4  dog as cat"));
    }
}
