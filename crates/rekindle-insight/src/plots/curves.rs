//! How a run went: losses, the figures that are watched and the learning rate, epoch by epoch over all phases.

use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use rekindle_data::{Figure, Unit};
use rekindle_finetune::phase_title;

use super::canvas::{
    Area, COLOURS, Drawn, FAINT, FONT, HEADING, INK, MESH, SMALL, TEXT, cut, sheet, width, write,
};
use super::record::RunRecord;
use crate::InsightError;

const WIDTH: u32 = 900;
/// Above the panels: the heading, and the names of the phases.
const TOP: i32 = 40;
const PHASES: i32 = 22;
/// A panel, with its heading and its axes.
const PANEL: i32 = 230;
const PANEL_HEADING: i32 = 28;
/// From the left edge to the axis, and from the last epoch to the right edge.
const LEFT: i32 = 70;
const RIGHT: i32 = 24;
/// Below an axis: the numbers of the epochs.
const BELOW: i32 = 26;
/// Marks are drawn at each value where there are no more epochs.
const MOST_MARKED: usize = 40;

/// One line of a panel.
struct Curve {
    name: String,
    values: Vec<f64>,
    colour: RGBColor,
}

/// Values over the epochs.
struct Panel {
    title: &'static str,
    curves: Vec<Curve>,
    logarithmic: bool,
    text: fn(f64) -> String,
}

/// The curves of a run as SVG, 900 pixels wide; none before its first epoch.
///
/// # Errors
///
/// [`InsightError::Plot`].
pub fn curves_svg(run: &RunRecord) -> Result<Option<String>, InsightError> {
    if run.history.is_empty() {
        return Ok(None);
    }
    let panels = panels(run);
    let height = TOP + PHASES + PANEL * panels.len() as i32 + 24;
    sheet([WIDTH, height as u32], |area| {
        write(
            area,
            "Training",
            (LEFT, TOP / 2 + 4),
            HEADING,
            INK,
            HPos::Left,
        )?;
        let best = run.best_place().map(|place| {
            let record = &run.history[place];
            let title = phase_title(&record.phase);
            format!("best: {title}, epoch {} (dashed line)", record.epoch)
        });
        if let Some(best) = best {
            let right = WIDTH as i32 - RIGHT;
            write(area, &best, (right, TOP / 2 + 4), TEXT, FAINT, HPos::Right)?;
        }
        name_phases(run, area)?;
        for (number, panel) in (0..).zip(&panels) {
            let top = TOP + PHASES + number * PANEL;
            let part = area.clone().shrink((0, top), (WIDTH, PANEL as u32));
            draw_panel(run, panel, &part)?;
        }
        let middle = (WIDTH as i32 + LEFT - RIGHT) / 2;
        write(
            area,
            "epoch",
            (middle, height - 14),
            SMALL,
            FAINT,
            HPos::Center,
        )
    })
    .map(Some)
}

fn panels(run: &RunRecord) -> Vec<Panel> {
    let column = |value: &dyn Fn(&rekindle_finetune::EpochRecord) -> f64| -> Vec<f64> {
        run.history.iter().map(value).collect()
    };
    let curve = |name: &str, colour: usize, values| Curve {
        name: name.into(),
        values,
        colour: COLOURS[colour % COLOURS.len()],
    };
    let mut panels = vec![Panel {
        title: "Loss",
        curves: vec![
            curve("training", 0, column(&|record| record.train_loss)),
            curve("validation", 1, column(&|record| record.validation("loss"))),
        ],
        logarithmic: false,
        text: short_number,
    }];
    let outputs = run.classes.len();
    let mut shares = Vec::new();
    let mut others: Vec<(&Figure, Curve)> = Vec::new();
    for (number, figure) in run.figures().into_iter().enumerate() {
        let values = column(&|record| record.validation(figure.name));
        let curve = curve(&figure.label_of(outputs), number + 2, values);
        match figure.unit {
            Unit::Share => shares.push(curve),
            _ => others.push((figure, curve)),
        }
    }
    if !shares.is_empty() {
        panels.push(Panel {
            title: "Validation images",
            curves: shares,
            logarithmic: false,
            text: |value| format!("{} %", short_number(100.0 * value)),
        });
    }
    // Scores and errors have no common axis.
    for (_, curve) in others {
        panels.push(Panel {
            title: "Validation images",
            curves: vec![curve],
            logarithmic: false,
            text: short_number,
        });
    }
    let rates = column(&|record| record.lr);
    let largest = rates.iter().copied().fold(0.0, f64::max);
    let smallest = rates.iter().copied().filter(|rate| *rate > 0.0);
    let smallest = smallest.fold(f64::INFINITY, f64::min);
    panels.push(Panel {
        title: "Learning rate of the head",
        logarithmic: largest > 20.0 * smallest,
        curves: vec![Curve {
            name: String::new(),
            values: rates,
            colour: FAINT,
        }],
        text: short_number,
    });
    panels
}

/// The first and the last place of each phase.
fn phases(run: &RunRecord) -> Vec<(&str, usize, usize)> {
    let mut phases: Vec<(&str, usize, usize)> = Vec::new();
    for (place, record) in run.history.iter().enumerate() {
        match phases.last_mut() {
            Some((name, _, last)) if *name == record.phase => *last = place,
            _ => phases.push((&record.phase, place, place)),
        }
    }
    phases
}

/// Where the middle of an epoch is, in pixels.
fn place_of(epochs: usize, place: f64) -> i32 {
    let room = f64::from(WIDTH as i32 - LEFT - RIGHT);
    LEFT + (room * (place + 0.5) / epochs as f64).round() as i32
}

fn name_phases(run: &RunRecord, area: &Area) -> Drawn {
    let epochs = run.history.len();
    for (name, first, last) in phases(run) {
        let [left, right] =
            [first as f64 - 0.5, last as f64 + 0.5].map(|place| place_of(epochs, place));
        let title = phase_title(name);
        let room = f64::from(right - left - 8);
        let title = cut(&title, SMALL, room);
        if width(&title, SMALL) <= room && title.chars().count() > 1 {
            let place = ((left + right) / 2, TOP + PHASES / 2);
            write(area, &title, place, SMALL, FAINT, HPos::Center)?;
        }
    }
    Ok(())
}

fn draw_panel(run: &RunRecord, panel: &Panel, area: &Area) -> Drawn {
    write(
        area,
        panel.title,
        (LEFT, PANEL_HEADING / 2),
        TEXT,
        INK,
        HPos::Left,
    )?;
    let mut right = WIDTH as i32 - RIGHT;
    for curve in panel
        .curves
        .iter()
        .rev()
        .filter(|curve| !curve.name.is_empty())
    {
        write(
            area,
            &curve.name,
            (right, PANEL_HEADING / 2),
            SMALL,
            INK,
            HPos::Right,
        )?;
        right -= width(&curve.name, SMALL) as i32 + 8;
        let line = [(right - 18, PANEL_HEADING / 2), (right, PANEL_HEADING / 2)];
        area.draw(&PathElement::new(line, curve.colour.stroke_width(3)))?;
        right -= 34;
    }
    let [least, most] = range(panel);
    let epochs = run.history.len() as f64;
    let mut builder = ChartBuilder::on(area);
    builder
        .margin_top(PANEL_HEADING)
        .margin_right(RIGHT)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .set_label_area_size(LabelAreaPosition::Bottom, BELOW);
    // Epoch 1 is drawn in the middle of its width, so that a run of one epoch is in the middle too.
    let across = 0.5..epochs + 0.5;
    macro_rules! draw_on {
        ($down:expr) => {{
            let mut chart = builder.build_cartesian_2d(across, $down)?;
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .bold_line_style(MESH)
                .axis_style(FAINT)
                .label_style((FONT, SMALL).into_font().color(&FAINT))
                .disable_x_mesh()
                .x_labels((run.history.len() + 1).min(16))
                .y_labels(6)
                .x_label_formatter(&|epoch| match (epoch.round() - epoch).abs() < 1e-6 {
                    true => format!("{epoch:.0}"),
                    false => String::new(),
                })
                .y_label_formatter(&|value| (panel.text)(*value))
                .draw()?;
            for (_, first, _) in phases(run).into_iter().skip(1) {
                let at = first as f64 + 0.5;
                let line = [(at, least), (at, most)];
                chart.draw_series([PathElement::new(line, FAINT.stroke_width(1))])?;
            }
            if let Some(best) = run.best_place() {
                let at = best as f64 + 1.0;
                let line = [(at, least), (at, most)];
                let dashes = DashedPathElement::new(line, 5, 4, INK.stroke_width(1));
                chart.draw_series([dashes])?;
            }
            for curve in &panel.curves {
                let values = curve.values.iter().enumerate();
                let points = values.map(|(place, value)| {
                    let value = if *value < least { least } else { *value };
                    (place as f64 + 1.0, value)
                });
                let points: Vec<(f64, f64)> = points.collect();
                for run in points.split(|(_, value)| !value.is_finite()) {
                    let line = LineSeries::new(run.iter().copied(), curve.colour.stroke_width(2));
                    chart.draw_series(line)?;
                }
                if points.len() <= MOST_MARKED {
                    let seen = points.iter().filter(|(_, value)| value.is_finite());
                    let mark = |point: &(f64, f64)| Circle::new(*point, 3, curve.colour.filled());
                    chart.draw_series(seen.map(mark))?;
                }
            }
        }};
    }
    match panel.logarithmic {
        true => draw_on!((least..most).log_scale()),
        false => draw_on!(least..most),
    }
    Ok(())
}

/// From below the least to above the largest value.
fn range(panel: &Panel) -> [f64; 2] {
    let values = panel.curves.iter().flat_map(|curve| &curve.values);
    let values = values.copied().filter(|value| value.is_finite());
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if panel.logarithmic {
        let least = values
            .filter(|value| *value > 0.0)
            .fold(f64::INFINITY, f64::min);
        // What a schedule ends at may be as good as 0.
        return [least.max(most / 1e4) / 1.3, most * 1.3];
    }
    let least = values.fold(f64::INFINITY, f64::min);
    match (least.is_finite(), most > least) {
        (true, true) => [least - 0.06 * (most - least), most + 0.06 * (most - least)],
        (true, false) => [
            least - 0.1 * least.abs().max(1e-6),
            least + 0.1 * least.abs().max(1e-6),
        ],
        (false, _) => [0.0, 1.0],
    }
}

/// A number of few digits.
pub(super) fn short_number(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        0.0 => return "0".into(),
        _ if !(1e-3..1e5).contains(&size) => return format!("{value:.0e}"),
        _ if size < 0.01 => format!("{value:.4}"),
        _ if size < 0.1 => format!("{value:.3}"),
        _ if size < 10.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_axes_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (0.001, "0.001"),
            (0.000_1, "1e-4"),
            (0.25, "0.25"),
            (2.0, "2"),
            (62.5, "62.5"),
            (100.0, "100"),
            (-1.5, "-1.5"),
            (250_000.0, "2e5"),
        ] {
            assert_eq!(short_number(value), expected);
        }
    }
}
