//! What was said of explained images, as a table.

use std::path::PathBuf;

use rekindle_data::metrics::short;
use rekindle_data::{OutputKind, TaskKind};

use super::table::Table;
use super::words;

/// An image that was explained.
#[derive(Debug)]
pub struct Row {
    /// The image.
    pub image: PathBuf,
    /// The class, label or number that was explained.
    pub name: String,
    /// Its probability, or the number itself.
    pub value: f32,
    /// The picture of it.
    pub drawing: PathBuf,
}

/// A line for each image, no wider than the terminal where there is one.
pub fn table(rows: &[Row], task: TaskKind, width: Option<usize>) -> String {
    let room = width.map_or(usize::MAX, |width| (width * 2 / 5).max(12));
    let kind = task.outputs();
    let headings = match kind {
        OutputKind::Distribution => ["path", "class", "probability", "explanation"],
        OutputKind::Indicators => ["path", "label", "probability", "explanation"],
        OutputKind::Numbers => ["path", "number", "value", "explanation"],
    };
    let mut table = Table::new(&headings).right(&[2]);
    for row in rows {
        let value = f64::from(row.value);
        table.row([
            words::cut_front(&row.image.to_string_lossy(), room),
            words::cut_back(&row.name, room / 2),
            match kind {
                OutputKind::Numbers => short(value),
                OutputKind::Distribution | OutputKind::Indicators => words::percent(value),
            },
            row.drawing.to_string_lossy().into_owned(),
        ]);
    }
    let line = |line: &str| match width {
        Some(width) => format!("{}\n", words::cut_back(line, width).trim_end()),
        None => format!("{line}\n"),
    };
    table.text().lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_no_wider_than_the_terminal() {
        let row = Row {
            image: "a/very/long/path/to/a/picture/of/a/cat/that/goes/on.jpg".into(),
            name: "a class with a long name".into(),
            value: 0.973,
            drawing: "explanations/on.png".into(),
        };
        let text = table(&[row], TaskKind::Classification, Some(80));
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(text.contains("97.3 %"), "{text}");
    }
}
