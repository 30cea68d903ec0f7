//! Values over epochs as SVG elements: the one way in which curves are drawn, for the page of a report and for the picture of a run.
//!
//! Owns scales, ticks, lines, and marks of phases and of the best epoch. Colours and sizes of text are a style sheet's, by the classes of
//! the elements; which lines there are is `report/progress.rs`'s and `plots/curves.rs`'s.

use crate::html::{Element, el};

/// The classes of lines and of their dots, by the number of their colour.
const LINES: [&str; 7] = [
    "line s0",
    "line s1",
    "line s2",
    "line s3",
    "line s4",
    "line s5",
    "line faint",
];
const DOTS: [&str; 7] = [
    "dot s0",
    "dot s1",
    "dot s2",
    "dot s3",
    "dot s4",
    "dot s5",
    "dot faint",
];
/// The number of no colour.
pub const FAINT: usize = 6;

/// A line of a drawing.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// A value for each epoch; those that are no number leave a gap.
    pub values: Vec<f64>,
    /// A value as people read it.
    pub text: fn(f64) -> String,
    /// The number of its colour, up to [`FAINT`].
    pub colour: usize,
}

/// Where a drawing is, and how it looks there.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Width and height.
    pub size: [f64; 2],
    /// Room for the numbers: left, right, above, below.
    pub room: [f64; 4],
    /// Whether epoch 1 stands in the middle of its width, and not at the edge.
    pub in_the_middle: bool,
    /// Whether the scale ends at ticks; else a little beyond the values.
    pub ends_at_ticks: bool,
    /// Whether there are axes with ticks on them.
    pub axes: bool,
    /// Whether names of phases and of the axis are in it.
    pub names: bool,
    /// Each value has a dot of this radius where there are no more epochs than so many.
    pub dots: (f64, usize),
}

/// What all drawings of a run have in common.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// The epochs, from 1, with which phases begin, and their names.
    pub phases: &'a [(usize, String)],
    /// The epoch that became the result.
    pub best: Option<usize>,
}

/// The elements of a drawing, with its corner at the origin; none where no value is a number. `tick` is a value on the axis, or else as
/// many digits as tell the ticks apart.
pub fn draw(
    lines: &[Line],
    course: Course<'_>,
    frame: &Frame,
    logarithmic: bool,
    tick: Option<fn(f64) -> String>,
) -> Option<Vec<Element>> {
    let epochs = lines.iter().map(|line| line.values.len()).max()?;
    let all = lines.iter().flat_map(|line| line.values.iter().copied());
    let scale = Scale::of(
        all.filter(|value| value.is_finite()),
        logarithmic,
        frame.ends_at_ticks,
    )?;
    let [left, right, top, bottom] = frame.room;
    let [width, height] = frame.size;
    let across = |place: f64| {
        let share = match (frame.in_the_middle, epochs) {
            (true, _) => (place - 0.5) / epochs as f64,
            (false, 0 | 1) => 0.5,
            (false, _) => (place - 1.0) / (epochs as f64 - 1.0),
        };
        left + share * (width - left - right)
    };
    let x = |epoch: usize| across(epoch as f64);
    let y = |value: f64| top + (1.0 - scale.share(value)) * (height - top - bottom);
    let floor = height - bottom;
    let mut drawn = Vec::new();
    for value in scale.ticks() {
        let at = y(value);
        let text = tick.map_or_else(|| scale.text(value), |text| text(value));
        drawn.push(line("grid", [left, at, width - right, at]));
        if frame.axes {
            drawn.push(line("axis", [left - 5.0, at, left, at]));
        }
        let gap = if frame.axes { 10.0 } else { 6.0 };
        drawn.push(words("tick", [left - gap, at + 4.0], "end", &text));
    }
    for epoch in epoch_ticks(epochs) {
        if frame.axes {
            drawn.push(line("axis", [x(epoch), floor, x(epoch), floor + 5.0]));
        }
        let at = [x(epoch), floor + if frame.axes { 19.0 } else { 16.0 }];
        drawn.push(words("tick", at, "middle", &epoch.to_string()));
    }
    if frame.axes {
        drawn.push(line("axis", [left, top, left, floor]));
        drawn.push(line("axis", [left, floor, width - right, floor]));
    }
    if frame.names {
        let middle = [(left + width - right) / 2.0, height - 4.0];
        drawn.push(words("tick", middle, "middle", "epoch"));
    }
    for (begin, name) in course.phases.iter().filter(|(begin, _)| *begin > 1) {
        let at = across(*begin as f64 - 0.5);
        drawn.push(line("phase", [at, top, at, floor]));
        if frame.names {
            drawn.push(words("tick", [at + 4.0, top + 10.0], "start", name));
        }
    }
    if let Some(best) = course.best {
        let says = el("title").text(format!("epoch {best} is the result"));
        drawn.push(line("best", [x(best), top, x(best), floor]).with(says));
    }
    for one in lines {
        let colour = one.colour.min(FAINT);
        let mut path = String::new();
        let mut broken = true;
        for (epoch, &value) in (1..).zip(&one.values) {
            if value.is_finite() {
                let letter = if broken { 'M' } else { 'L' };
                path.push_str(&format!("{letter}{:.1} {:.1}", x(epoch), y(value)));
            }
            broken = !value.is_finite();
        }
        drawn.push(el("path").class(LINES[colour]).attr("d", path));
        let (radius, most) = frame.dots;
        if one.values.len() <= most {
            let seen = (1..)
                .zip(&one.values)
                .filter(|(_, value)| value.is_finite());
            drawn.extend(seen.map(|(epoch, &value)| {
                let says = format!("{}, epoch {epoch}: {}", one.name, (one.text)(value));
                el("circle")
                    .class(DOTS[colour])
                    .attr("cx", format!("{:.1}", x(epoch)))
                    .attr("cy", format!("{:.1}", y(value)))
                    .attr("r", radius)
                    .with(el("title").text(says))
            }));
        }
    }
    Some(drawn)
}

/// A straight line between two places.
pub fn line(class: &'static str, [x1, y1, x2, y2]: [f64; 4]) -> Element {
    let at = |name, value: f64| (name, format!("{value:.1}"));
    let ends = [at("x1", x1), at("y1", y1), at("x2", x2), at("y2", y2)];
    ends.into_iter()
        .fold(el("line").class(class), |line, (name, value)| {
            line.attr(name, value)
        })
}

/// Words with this end, or their middle, at a place of their baseline.
pub fn words(class: &'static str, [x, y]: [f64; 2], anchor: &str, text: &str) -> Element {
    el("text")
        .class(class)
        .attr("x", format!("{x:.1}"))
        .attr("y", format!("{y:.1}"))
        .attr("text-anchor", anchor)
        .text(text)
}

/// Epochs that are written below the drawing.
fn epoch_ticks(epochs: usize) -> Vec<usize> {
    let apart = match epochs {
        0..=10 => 1,
        _ => nice(epochs as f64 / 8.0).max(1.0) as usize,
    };
    let mut ticks: Vec<usize> = (1..=epochs).filter(|epoch| epoch % apart == 0).collect();
    if apart > 1 {
        ticks.insert(0, 1);
    }
    ticks
}

/// The range of values.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    /// From tick to tick; none where they are powers of ten and the like.
    apart: Option<f64>,
}

impl Scale {
    fn of(
        values: impl Iterator<Item = f64> + Clone,
        logarithmic: bool,
        ends_at_ticks: bool,
    ) -> Option<Self> {
        let ends = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let (low, high) = ends(&mut values.clone());
        if low > high {
            return None;
        }
        if logarithmic && high > 0.0 {
            let (least, _) = ends(&mut values.filter(|value| *value > 0.0));
            // What a schedule ends at may be as good as 0.
            let low = least.max(high / 1e4) / 1.3;
            return Some(Self {
                low,
                high: high * 1.3,
                apart: None,
            });
        }
        let width = match high - low {
            // All the same.
            width if width <= high.abs() * 1e-9 => high.abs().max(1e-9),
            width => width,
        };
        if !ends_at_ticks {
            let edge = if high > low {
                0.06 * width
            } else {
                0.1 * width
            };
            return Some(Self {
                low: low - edge,
                high: high + edge,
                apart: Some(nice((high - low + 2.0 * edge) / 7.0)),
            });
        }
        let apart = nice(width / 4.0);
        let low = (low / apart + 1e-9).floor() * apart;
        let high = ((high / apart - 1e-9).ceil() * apart).max(low + apart);
        Some(Self {
            low,
            high,
            apart: Some(apart),
        })
    }

    fn share(self, value: f64) -> f64 {
        let share = match self.apart {
            Some(_) => (value - self.low) / (self.high - self.low),
            None if value <= self.low => 0.0,
            None => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    fn ticks(self) -> Vec<f64> {
        let Some(apart) = self.apart else {
            let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
            // Of more than two decades the powers of ten are enough.
            let steps: &[f64] = match self.high / self.low > 100.0 {
                true => &[1.0],
                false => &[1.0, 2.0, 5.0],
            };
            let all =
                powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
            return all
                .filter(|tick| (self.low..=self.high).contains(tick))
                .collect();
        };
        let first = (self.low / apart - 1e-6).ceil();
        let count = (self.high / apart + 1e-6).floor() - first;
        let places = 0..=(count.max(0.0) as usize).min(20);
        places.map(|place| (first + place as f64) * apart).collect()
    }

    /// With as many digits as tell the ticks apart.
    fn text(self, tick: f64) -> String {
        let most = self.low.abs().max(self.high.abs());
        let apart = match self.apart {
            Some(apart) if (1e-3..1e6).contains(&most) || most == 0.0 => apart,
            _ => return format!("{tick:.1e}"),
        };
        let decimals = (-apart.log10()).ceil().clamp(0.0, 6.0) as usize;
        let tick = if tick.abs() < apart / 2.0 { 0.0 } else { tick };
        format!("{tick:.decimals$}")
    }
}

/// The next of 1, 2, 5, 10 and so on.
fn nice(width: f64) -> f64 {
    let power = 10f64.powf(width.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= width * 0.999_999)
        .unwrap_or(steps[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        for (values, ticks) in [
            (
                vec![0.13, 0.92],
                vec!["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"],
            ),
            (
                vec![0.0004, 0.0001],
                vec!["1.0e-4", "2.0e-4", "3.0e-4", "4.0e-4"],
            ),
            (vec![3.0], vec!["3", "4"]),
            (vec![-1.0, 7.0], vec!["-2", "0", "2", "4", "6", "8"]),
        ] {
            let scale = Scale::of(values.iter().copied(), false, true).unwrap();
            let found: Vec<String> = scale
                .ticks()
                .into_iter()
                .map(|tick| scale.text(tick))
                .collect();
            assert_eq!(found, ticks, "{values:?}");
            assert!(
                values
                    .iter()
                    .all(|value| (0.0..=1.0).contains(&scale.share(*value)))
            );
        }
    }

    #[test]
    fn a_scale_with_edges_has_its_ticks_inside() {
        for values in [
            vec![0.13, 0.92],
            vec![70.0],
            vec![-3.0, 4.5],
            vec![0.0, 0.0],
        ] {
            let scale = Scale::of(values.iter().copied(), false, false).unwrap();
            let ticks = scale.ticks();
            assert!((1..=8).contains(&ticks.len()), "{values:?}: {ticks:?}");
            let width = scale.high - scale.low;
            let inside = |tick: &f64| (-1e-6..1.0 + 1e-6).contains(&((tick - scale.low) / width));
            assert!(ticks.iter().all(inside), "{values:?}: {ticks:?}");
            let beyond = |value: &f64| scale.low < *value && *value < scale.high;
            assert!(values.iter().all(beyond), "{values:?}");
        }
    }

    #[test]
    fn rates_over_decades_are_logarithmic_and_zero_is_at_the_bottom() {
        let values = [1e-3, 1e-5, 0.0];
        let scale = Scale::of(values.into_iter(), true, false).unwrap();
        let ticks = scale.ticks().into_iter();
        let ticks: Vec<String> = ticks.map(|tick| scale.text(tick)).collect();
        assert_eq!(ticks, ["1.0e-5", "1.0e-4", "1.0e-3"]);
        assert_eq!(scale.share(0.0), 0.0);
        let [low, middle, high] = [1e-5, 1e-4, 1e-3].map(|value| scale.share(value));
        assert!((middle - low - (high - middle)).abs() < 1e-12 && low > 0.0);
        // Nothing but zeros has no logarithm.
        assert!(
            Scale::of([0.0, 0.0].into_iter(), true, false)
                .unwrap()
                .apart
                .is_some()
        );
    }

    #[test]
    fn a_few_epochs_are_all_written_and_of_many_some() {
        assert_eq!(epoch_ticks(3), [1, 2, 3]);
        assert_eq!(epoch_ticks(40), [1, 5, 10, 15, 20, 25, 30, 35, 40]);
    }
}
