//! How a run went: losses, the figures that are watched and the learning rate, epoch by epoch over all phases.
//!
//! Owns which lines the picture has, and what stands around them; the drawing is `crate::chart`'s, colours are `curves.css`'s.

use rekindle_data::Unit;
use rekindle_finetune::{EpochRecord, phase_title};

use super::canvas::{HEADING, SMALL, TEXT, cut, printable, width};
use crate::InsightError;
use crate::chart::{Course, FAINT, Frame, Line, draw, line, words};
use crate::html::{Element, el};
use crate::source::RunRecord;

const WIDTH: f64 = 900.0;
/// Above the panels: the heading, and the names of the phases.
const TOP: f64 = 40.0;
const PHASES: f64 = 22.0;
/// From the left edge to the axis, and from the last epoch to the right edge.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 24.0;
/// Middle of a panel's heading.
const PANEL_HEADING: f64 = 14.0;
/// Colours of lines beside that of no figure.
const COLOURS: usize = 6;
const CLASSES: [&str; COLOURS] = [
    "line key s0",
    "line key s1",
    "line key s2",
    "line key s3",
    "line key s4",
    "line key s5",
];
/// A panel.
const FRAME: Frame = Frame {
    size: [WIDTH, 230.0],
    room: [LEFT, RIGHT, 28.0, 26.0],
    in_the_middle: true,
    ends_at_ticks: false,
    axes: true,
    names: false,
    dots: (3.0, 40),
};

/// Lines with a common scale.
struct Panel {
    title: &'static str,
    lines: Vec<Line>,
    logarithmic: bool,
}

/// The curves of a run as SVG, 900 pixels wide; none before its first epoch.
///
/// # Errors
///
/// None so far; other plots can fail.
pub fn curves_svg(run: &RunRecord) -> Result<Option<String>, InsightError> {
    if run.history.is_empty() {
        return Ok(None);
    }
    let panels = panels(run);
    let height = TOP + PHASES + FRAME.size[1] * panels.len() as f64 + 24.0;
    let mut svg = el("svg")
        .attr("xmlns", "http://www.w3.org/2000/svg")
        .attr("width", WIDTH)
        .attr("height", height)
        .attr("viewBox", format!("0 0 {WIDTH} {height}"))
        .with(el("style").own(include_str!("curves.css")))
        .with(
            el("rect")
                .attr("width", WIDTH)
                .attr("height", height)
                .attr("fill", "#ffffff"),
        )
        .with(at_middle(
            "heading",
            [LEFT, TOP / 2.0 + 4.0],
            HEADING,
            "start",
            "Training",
        ));
    let best = run.best_place();
    if let Some(place) = best {
        let record = &run.history[place];
        let title = phase_title(&record.phase);
        let text = format!("best: {title}, epoch {} (dashed line)", record.epoch);
        let at = [WIDTH - RIGHT, TOP / 2.0 + 4.0];
        svg = svg.with(at_middle("best-epoch", at, TEXT, "end", &text));
    }
    let phases = run.phases().into_iter();
    let phases: Vec<(usize, String)> = phases.map(|(place, name)| (place + 1, name)).collect();
    svg = svg.with_all(names_of(&phases, run.history.len()));
    let course = Course {
        phases: &phases,
        best: best.map(|place| place + 1),
    };
    for (number, panel) in panels.iter().enumerate() {
        let down = TOP + PHASES + FRAME.size[1] * number as f64;
        let part = el("g").attr("transform", format!("translate(0 {down})"));
        svg = svg.with(part.with_all(drawn(panel, course)));
    }
    let middle = [(WIDTH + LEFT - RIGHT) / 2.0, height - 14.0];
    svg = svg.with(at_middle("tick", middle, SMALL, "middle", "epoch"));
    Ok(Some(svg.to_string()))
}

fn panels(run: &RunRecord) -> Vec<Panel> {
    let line = |name: &str, colour: usize, value: &dyn Fn(&EpochRecord) -> f64, text| Line {
        name: name.into(),
        values: run.history.iter().map(value).collect(),
        text,
        colour,
    };
    let mut panels = vec![Panel {
        title: "Loss",
        lines: vec![
            line("training", 0, &|record| record.train_loss, short_number),
            line(
                "validation",
                1,
                &|record| record.validation("loss"),
                short_number,
            ),
        ],
        logarithmic: false,
    }];
    let outputs = run.classes.len();
    let mut shares = Vec::new();
    let mut others = Vec::new();
    for (number, figure) in run.watched().into_iter().enumerate() {
        let is_share = matches!(figure.unit, Unit::Share);
        let text: fn(f64) -> String = match is_share {
            true => |value| format!("{} %", short_number(100.0 * value)),
            false => short_number,
        };
        let value = |record: &EpochRecord| record.validation(figure.name);
        let line = line(
            &figure.label_of(outputs),
            (number + 2) % COLOURS,
            &value,
            text,
        );
        match is_share {
            true => shares.push(line),
            // Scores and errors have no common axis.
            false => others.push(vec![line]),
        }
    }
    let validation = [shares].into_iter().chain(others);
    panels.extend(
        validation
            .filter(|lines| !lines.is_empty())
            .map(|lines| Panel {
                title: "Validation images",
                lines,
                logarithmic: false,
            }),
    );
    let rates = line("", FAINT, &|record| record.lr, short_number);
    let largest = rates.values.iter().copied().fold(0.0, f64::max);
    let smallest = rates.values.iter().copied().filter(|rate| *rate > 0.0);
    let smallest = smallest.fold(f64::INFINITY, f64::min);
    panels.push(Panel {
        title: "Learning rate of the head",
        logarithmic: largest > 20.0 * smallest,
        lines: vec![rates],
    });
    panels
}

/// A panel with its heading and legend.
fn drawn(panel: &Panel, course: Course<'_>) -> Vec<Element> {
    let mut parts = vec![at_middle(
        "title",
        [LEFT, PANEL_HEADING],
        TEXT,
        "start",
        panel.title,
    )];
    let mut right = WIDTH - RIGHT;
    for one in panel.lines.iter().rev().filter(|one| !one.name.is_empty()) {
        parts.push(at_middle(
            "name",
            [right, PANEL_HEADING],
            SMALL,
            "end",
            &one.name,
        ));
        right -= width(&one.name, SMALL) + 8.0;
        let ends = [right - 18.0, PANEL_HEADING, right, PANEL_HEADING];
        parts.push(line(CLASSES[one.colour % COLOURS], ends));
        right -= 34.0;
    }
    let tick = panel.lines.first().map(|line| line.text);
    parts.extend(draw(&panel.lines, course, &FRAME, panel.logarithmic, tick).unwrap_or_default());
    parts
}

/// The names of the phases that are wide enough for theirs.
fn names_of(phases: &[(usize, String)], epochs: usize) -> Vec<Element> {
    let at = |epoch: usize| LEFT + (WIDTH - LEFT - RIGHT) * (epoch as f64 - 1.0) / epochs as f64;
    let ends = phases
        .iter()
        .skip(1)
        .map(|(begin, _)| *begin)
        .chain([epochs + 1]);
    let mut names = Vec::new();
    for ((begin, name), end) in phases.iter().zip(ends) {
        let [left, right] = [*begin, end].map(at);
        let room = right - left - 8.0;
        let title = cut(&phase_title(name), SMALL, room);
        if width(&title, SMALL) <= room && title.chars().count() > 1 {
            let middle = [(left + right) / 2.0, TOP + PHASES / 2.0];
            names.push(at_middle("tick", middle, SMALL, "middle", &title));
        }
    }
    names
}

/// Text with the middle of its letters at a place.
fn at_middle(
    class: &'static str,
    [x, y]: [f64; 2],
    size: f64,
    anchor: &str,
    text: &str,
) -> Element {
    words(class, [x, y + 0.35 * size], anchor, &printable(text))
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
