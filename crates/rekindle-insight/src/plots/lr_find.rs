//! A range test of learning rates: each step's loss over its rate, the moving average of them, and what is suggested.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use rekindle_finetune::lr_find::RangeTestReport;

use super::canvas::{COLOURS, Drawn, FAINT, FONT, HEADING, INK, MESH, SMALL, TEXT, sheet, write};
use crate::InsightError;

const WIDTH: u32 = 900;
const HEIGHT: u32 = 460;
const TOP: i32 = 64;
/// Room for the numbers of the axes.
const LEFT: i32 = 70;
const RIGHT: i32 = 24;
const BELOW: i32 = 44;

/// The plot of a range test as SVG, 900 pixels wide; none of fewer than two steps.
///
/// # Errors
///
/// [`InsightError::Plot`].
pub fn lr_find_svg(report: &RangeTestReport) -> Result<Option<String>, InsightError> {
    let (Some(first), Some(last)) = (report.rates.first(), report.rates.last()) else {
        return Ok(None);
    };
    if report.rates.len() < 2 {
        return Ok(None);
    }
    let (lowest, highest) = range(report);
    let drawn = sheet([WIDTH, HEIGHT], |area| {
        let title = format!("Loss over the learning rate, {}", report.phase);
        write(area, &title, (LEFT, 24), HEADING, INK, HPos::Left)?;
        let part = area.clone().shrink(
            (0, TOP),
            (WIDTH - RIGHT as u32, HEIGHT - (TOP + BELOW) as u32 + 24),
        );
        let mut chart = ChartBuilder::on(&part)
            .set_label_area_size(LabelAreaPosition::Left, LEFT)
            .set_label_area_size(LabelAreaPosition::Bottom, 24)
            .build_cartesian_2d((*first..*last).log_scale(), lowest..highest)?;
        chart
            .configure_mesh()
            .bold_line_style(MESH)
            .light_line_style(WHITE)
            .axis_style(FAINT)
            .label_style((FONT, SMALL).into_font().color(&FAINT))
            .x_label_formatter(&|rate| format!("{rate:.0e}"))
            .draw()?;
        let points = |values: &[f64]| -> Vec<(f64, f64)> {
            let all = report.rates.iter().copied().zip(values.iter().copied());
            all.map(|(rate, loss)| (rate, loss.clamp(lowest, highest)))
                .collect()
        };
        let batches = points(&report.losses).into_iter();
        chart.draw_series(batches.map(|at| Circle::new(at, 2, MESH.stroke_width(2))))?;
        let smoothed = points(&report.smoothed);
        chart.draw_series(LineSeries::new(smoothed, COLOURS[0].stroke_width(2)))?;
        let mut beside = LEFT;
        for (name, rate, colour) in [
            ("valley", report.valley, COLOURS[2]),
            ("steepest", report.steepest, COLOURS[1]),
        ] {
            let Some(rate) = rate else { continue };
            let line = [(rate, lowest), (rate, highest)];
            chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
            let text = format!("{name}: {rate:.1e}");
            write(area, &text, (beside, 50), TEXT, colour, HPos::Left)?;
            beside += 200;
        }
        legend(area)
    });
    drawn.map(Some)
}

fn legend(area: &super::canvas::Area) -> Drawn {
    let text = "dots: a batch each; line: their moving average";
    let place = (WIDTH as i32 - RIGHT, 50);
    write(area, text, place, SMALL, FAINT, HPos::Right)?;
    let middle = (WIDTH as i32 + LEFT - RIGHT) / 2;
    let place = (middle, HEIGHT as i32 - 14);
    write(
        area,
        "learning rate of the head",
        place,
        SMALL,
        FAINT,
        HPos::Center,
    )
}

/// What the axis shows of the losses: from the lowest to a little above what the test began with, not up to where it diverged.
fn range(report: &RangeTestReport) -> (f64, f64) {
    let finite = |values: &[f64]| -> Vec<f64> {
        values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .collect()
    };
    let smoothed = finite(&report.smoothed);
    let all = smoothed.iter().chain(&report.losses).copied();
    let lowest = all.fold(f64::INFINITY, f64::min);
    let begun = smoothed.first().copied().unwrap_or(1.0);
    let highest = smoothed.iter().copied().fold(begun, f64::max);
    let highest = highest.min(begun + 1.5 * (begun - lowest).max(begun.abs() * 0.1));
    let room = ((highest - lowest) * 0.05).max(1e-6);
    (lowest - room, highest + room)
}
