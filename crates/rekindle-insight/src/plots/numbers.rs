//! How far predicted numbers are from the true ones: a point an image, a square a number.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use rekindle_data::metrics::RegressionReport;

use super::canvas::{COLOURS, FAINT, FONT, HEADING, INK, MESH, SMALL, TEXT, cut, sheet, write};
use super::curves::short_number;
use crate::InsightError;

/// Most numbers.
const MOST_NUMBERS: usize = 12;
const COLUMNS: usize = 3;
const SQUARE: [i32; 2] = [360, 370];
const TOP: i32 = 44;

/// Predicted against true numbers as SVG; none where the report holds no pairs, as those of older versions.
///
/// # Errors
///
/// [`InsightError::Plot`].
pub fn numbers_svg(
    report: &RegressionReport,
    names: &[String],
) -> Result<Option<String>, InsightError> {
    let shown = names.len().min(report.pairs.len()).min(MOST_NUMBERS);
    if shown == 0 || report.pairs.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let columns = shown.min(COLUMNS);
    let rows = shown.div_ceil(columns);
    let size = [
        columns as i32 * SQUARE[0] + 16,
        TOP + rows as i32 * SQUARE[1] + 8,
    ];
    sheet([size[0].max(430) as u32, size[1] as u32], |area| {
        let heading = format!("Predicted and true, {} validation images", report.samples);
        write(area, &heading, (16, 22), HEADING, INK, HPos::Left)?;
        for (place, name) in names.iter().take(shown).enumerate() {
            let corner = (
                (place % columns) as i32 * SQUARE[0],
                TOP + (place / columns) as i32 * SQUARE[1],
            );
            let part = area
                .clone()
                .shrink(corner, SQUARE.map(|side| side as u32).into());
            let figures = &report.per_number[place];
            let score = format!("R² {:.3}", figures.r2);
            let error = format!("MAE {}", short_number(figures.mae));
            let title = cut(name, TEXT, 150.0);
            write(&part, &title, (64, 14), TEXT, INK, HPos::Left)?;
            let text = format!("{score}, {error}");
            write(&part, &text, (SQUARE[0] - 8, 14), SMALL, FAINT, HPos::Right)?;
            let points = &report.pairs[place];
            let values = points
                .iter()
                .flatten()
                .copied()
                .filter(|value| value.is_finite());
            let least = values.clone().fold(f64::INFINITY, f64::min);
            let most = values.fold(f64::NEG_INFINITY, f64::max);
            let edge = (0.05 * (most - least)).max(1e-6 * most.abs()).max(1e-9);
            let range = least - edge..most + edge;
            let mut chart = ChartBuilder::on(&part)
                .margin_top(28)
                .margin_right(10)
                .set_label_area_size(LabelAreaPosition::Left, 64)
                .set_label_area_size(LabelAreaPosition::Bottom, 46)
                .build_cartesian_2d(range.clone(), range.clone())?;
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .bold_line_style(MESH)
                .axis_style(FAINT)
                .label_style((FONT, SMALL).into_font().color(&FAINT))
                .x_labels(5)
                .y_labels(5)
                .x_label_formatter(&|value| short_number(*value))
                .y_label_formatter(&|value| short_number(*value))
                .x_desc("true")
                .y_desc("predicted")
                .draw()?;
            let line = [(range.start, range.start), (range.end, range.end)];
            chart.draw_series([PathElement::new(line, FAINT.stroke_width(1))])?;
            let colour = COLOURS[0].mix(0.6).filled();
            let point =
                |[predicted, target]: &[f64; 2]| Circle::new((*target, *predicted), 3, colour);
            chart.draw_series(points.iter().map(point))?;
        }
        Ok(())
    })
    .map(Some)
}
