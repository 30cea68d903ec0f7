//! Which classes are taken for which: a table in shades, a row a class, a column what it was taken for.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use rekindle_data::metrics::MetricsReport;

use super::canvas::{
    Area, Drawn, FAINT, HEADING, INK, MESH, SMALL, TEXT, cut, shade, sheet, width, write,
    write_turned,
};
use crate::InsightError;

/// Most classes in a table; of more those that are mixed up most.
pub(super) const MOST_CLASSES: usize = 100;
/// Room for the table itself, and what a class takes of it at least and at most.
const TABLE: usize = 620;
const CELL: [usize; 2] = [12, 130];
/// Longest name, in pixels.
const NAME: f64 = 170.0;
const EDGE: i32 = 16;
/// Above the names of the columns.
const TOP: i32 = 74;
/// Cells have their share in numbers from this side on.
const NUMBERED: i32 = 24;

/// The confusion matrix of a classification as SVG, normalised by row; none where nothing was measured.
///
/// # Errors
///
/// [`InsightError::Plot`].
pub fn confusion_svg(
    report: &MetricsReport,
    classes: &[String],
) -> Result<Option<String>, InsightError> {
    if report.samples == 0 || classes.is_empty() {
        return Ok(None);
    }
    let shown = shown(report, classes.len());
    let cell = (TABLE / shown.len()).clamp(CELL[0], CELL[1]) as i32;
    let size = f64::from(cell - 2).min(SMALL + 1.0);
    let rows: Vec<String> = shown
        .iter()
        .map(|&class| row_name(report, classes, class, size))
        .collect();
    let columns: Vec<String> = shown
        .iter()
        .map(|&class| cut(&classes[class], size, NAME))
        .collect();
    let room = |names: &[String]| {
        let widest = names
            .iter()
            .map(|name| width(name, size))
            .fold(30.0, f64::max);
        widest.ceil() as i32 + 10
    };
    let (left, above) = (EDGE + 22 + room(&rows), TOP + room(&columns));
    let side = cell * shown.len() as i32;
    let heading = format!(
        "Classes taken for one another, {} validation images",
        report.samples
    );
    let notes = notes(report, classes.len(), shown.len());
    let widest = notes
        .iter()
        .map(|note| width(note, SMALL))
        .fold(width(&heading, HEADING), f64::max);
    let whole = [
        (left + side).max(EDGE + widest as i32) + EDGE,
        above + side + EDGE + 20 * notes.len() as i32 + 8,
    ];
    sheet(whole.map(|side| side as u32), |area| {
        write(area, &heading, (EDGE, 22), HEADING, INK, HPos::Left)?;
        write(
            area,
            "predicted",
            (left + side / 2, 52),
            TEXT,
            FAINT,
            HPos::Center,
        )?;
        let turn = FontTransform::Rotate270;
        let place = (EDGE + 8, above + side / 2);
        write_turned(
            area,
            "true class (images)",
            place,
            TEXT,
            FAINT,
            HPos::Center,
            turn.clone(),
        )?;
        for (number, (row, column)) in (0..).zip(rows.iter().zip(&columns)) {
            let middle = number * cell + cell / 2;
            write(
                area,
                row,
                (left - 6, above + middle),
                size,
                INK,
                HPos::Right,
            )?;
            let place = (left + middle, above - 6);
            write_turned(area, column, place, size, INK, HPos::Left, turn.clone())?;
        }
        cells(report, &shown, area, (left, above), cell)?;
        for (number, note) in (0..).zip(&notes) {
            let place = (EDGE, above + side + EDGE + 8 + 20 * number);
            write(area, note, place, SMALL, FAINT, HPos::Left)?;
        }
        Ok(())
    })
    .map(Some)
}

fn cells(
    report: &MetricsReport,
    shown: &[usize],
    area: &Area,
    (left, above): (i32, i32),
    cell: i32,
) -> Drawn {
    let side = cell * shown.len() as i32;
    let frame = [(left, above), (left + side, above + side)];
    for (row, &target) in (0..).zip(shown) {
        let support = report.per_class[target].support;
        for (column, &prediction) in (0..).zip(shown) {
            let count = report.confusion.get(target, prediction);
            if count == 0 || support == 0 {
                continue;
            }
            let share = count as f64 / support as f64;
            let (x, y) = (left + column * cell, above + row * cell);
            let filled = shade(share).filled();
            area.draw(&Rectangle::new([(x, y), (x + cell, y + cell)], filled))?;
            if cell >= NUMBERED {
                let colour = if share > 0.45 { WHITE } else { INK };
                let text = format!("{:.0}", 100.0 * share);
                let size = if cell >= 60 { HEADING } else { SMALL };
                let middle = (x + cell / 2, y + cell / 2);
                if cell >= 60 {
                    write(
                        area,
                        &format!("{text} %"),
                        (middle.0, middle.1 - 8),
                        size,
                        colour,
                        HPos::Center,
                    )?;
                    let counted = format!("{count} of {support}");
                    write(
                        area,
                        &counted,
                        (middle.0, middle.1 + 14),
                        SMALL,
                        colour,
                        HPos::Center,
                    )?;
                } else {
                    write(area, &text, middle, size, colour, HPos::Center)?;
                }
            }
        }
    }
    // Lines of every fifth class lead the eye where cells are small.
    let every = if cell >= NUMBERED { 1 } else { 5 };
    for at in (0..=shown.len() as i32).step_by(every) {
        let at = at * cell;
        area.draw(&PathElement::new(
            [(left + at, above), (left + at, above + side)],
            MESH,
        ))?;
        area.draw(&PathElement::new(
            [(left, above + at), (left + side, above + at)],
            MESH,
        ))?;
    }
    area.draw(&Rectangle::new(frame, FAINT))?;
    Ok(())
}

/// The classes of the table, in their order.
fn shown(report: &MetricsReport, classes: usize) -> Vec<usize> {
    if classes <= MOST_CLASSES {
        return (0..classes).collect();
    }
    let pairs = report.confusions();
    let mut shown = std::collections::BTreeSet::new();
    for (target, prediction, _) in pairs {
        if shown.len() + 2 > MOST_CLASSES {
            break;
        }
        shown.extend([target, prediction]);
    }
    let rest = (0..classes).filter(|class| report.per_class[*class].support > 0);
    for class in rest.chain(0..classes) {
        if shown.len() >= MOST_CLASSES {
            break;
        }
        shown.insert(class);
    }
    shown.into_iter().collect()
}

fn row_name(report: &MetricsReport, classes: &[String], class: usize, size: f64) -> String {
    let support = format!(" ({})", report.per_class[class].support);
    let name = cut(&classes[class], size, NAME - width(&support, size));
    name + &support
}

fn notes(report: &MetricsReport, classes: usize, shown: usize) -> Vec<String> {
    let mut notes = vec![
        "A row's shades are shares of the images of its class, white for none and dark for all."
            .to_owned(),
    ];
    if shown < classes {
        notes.push(format!(
            "The {shown} of {classes} classes that are mixed up most."
        ));
    }
    let without = report
        .per_class
        .iter()
        .filter(|class| class.support == 0)
        .count();
    if without > 0 {
        let are = if without == 1 {
            "class has"
        } else {
            "classes have"
        };
        notes.push(format!("{without} {are} no validation images."));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_data::metrics::Metrics;

    #[test]
    fn of_many_classes_those_are_shown_that_are_mixed_up() {
        let classes = 300;
        let mut metrics = Metrics::new(classes, 1);
        let mut add = |target: usize, prediction: usize| {
            let mut row = vec![0.0; classes];
            row[prediction] = 1.0;
            metrics.add(&row, &[target]).unwrap();
        };
        (0..classes).for_each(|class| add(class, class));
        add(250, 299);
        let report = metrics.report().unwrap();
        let shown = shown(&report, classes);
        assert_eq!(shown.len(), MOST_CLASSES);
        assert!(shown.contains(&250) && shown.contains(&299));
        assert!(shown.is_sorted());
    }
}
