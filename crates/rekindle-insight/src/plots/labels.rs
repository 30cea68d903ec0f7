//! How well each label is found: a bar for its average precision, one for its F1.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use rekindle_data::metrics::{LabelMetrics, MultilabelReport};

use super::canvas::{COLOURS, FAINT, HEADING, INK, MESH, SMALL, TEXT, cut, sheet, width, write};
use crate::InsightError;

/// Most labels; of more those with the least average precision that occur.
const MOST_LABELS: usize = 100;
const EDGE: i32 = 16;
const TOP: i32 = 76;
const ROW: i32 = 30;
const BAR: i32 = 9;
const LENGTH: i32 = 480;
const NAME: f64 = 240.0;

/// The labels' figures as SVG; none where nothing was measured.
///
/// # Errors
///
/// [`InsightError::Plot`].
pub fn labels_svg(
    report: &MultilabelReport,
    labels: &[String],
) -> Result<Option<String>, InsightError> {
    let mut rows: Vec<(&String, &LabelMetrics)> = labels.iter().zip(&report.per_label).collect();
    if report.samples == 0 || rows.is_empty() {
        return Ok(None);
    }
    let all = rows.len();
    if all > MOST_LABELS {
        rows.retain(|(_, label)| label.at_threshold.support > 0);
        rows.sort_by(|(_, a), (_, b)| a.average_precision.total_cmp(&b.average_precision));
        rows.truncate(MOST_LABELS);
    }
    let named: Vec<String> = rows
        .iter()
        .map(|(name, label)| {
            let support = format!(" ({})", label.at_threshold.support);
            cut(name, SMALL + 1.0, NAME - width(&support, SMALL + 1.0)) + &support
        })
        .collect();
    let widest = named.iter().map(|name| width(name, SMALL + 1.0));
    let left = EDGE + 10 + widest.fold(30.0, f64::max).ceil() as i32;
    let below = TOP + ROW * rows.len() as i32;
    let note = if rows.len() < all { 20 } else { 0 };
    let size = [left + LENGTH + 60, below + 34 + note];
    sheet(size.map(|side| side as u32), |area| {
        let heading = format!("Labels, {} validation images", report.samples);
        write(area, &heading, (EDGE, 22), HEADING, INK, HPos::Left)?;
        let mut from = EDGE;
        for (number, name) in ["average precision", "F1 at a probability of 0.5"]
            .iter()
            .enumerate()
        {
            let colour = COLOURS[number].filled();
            area.draw(&Rectangle::new([(from, 46), (from + 14, 56)], colour))?;
            write(area, name, (from + 20, 51), TEXT, INK, HPos::Left)?;
            from += 48 + width(name, TEXT) as i32;
        }
        for quarter in 0..=4 {
            let at = left + LENGTH * quarter / 4;
            area.draw(&PathElement::new([(at, TOP - 4), (at, below + 4)], MESH))?;
            let text = format!("{}", f64::from(quarter) / 4.0);
            write(area, &text, (at, below + 16), SMALL, FAINT, HPos::Center)?;
        }
        for (row, (name, (_, label))) in (0..).zip(named.iter().zip(&rows)) {
            let middle = TOP + row * ROW + ROW / 2;
            write(
                area,
                name,
                (left - 8, middle),
                SMALL + 1.0,
                INK,
                HPos::Right,
            )?;
            let values = [label.average_precision, label.at_threshold.f1];
            for (number, value) in values.into_iter().enumerate() {
                let top = middle - BAR + number as i32 * BAR;
                let right = left + (f64::from(LENGTH) * value.clamp(0.0, 1.0)).round() as i32;
                let bar = [(left, top), (right, top + BAR - 1)];
                area.draw(&Rectangle::new(bar, COLOURS[number].filled()))?;
            }
            let text = format!("{:.2}", label.average_precision);
            write(
                area,
                &text,
                (left + LENGTH + 10, middle),
                SMALL,
                FAINT,
                HPos::Left,
            )?;
        }
        if rows.len() < all {
            let text = format!(
                "The {} of {all} labels with the least average precision.",
                rows.len()
            );
            write(area, &text, (EDGE, below + 40), SMALL, FAINT, HPos::Left)?;
        }
        Ok(())
    })
    .map(Some)
}
