//! Curves over the epochs as SVG. Owns scales, ticks and lines; which figures a report shows is `progress.rs`'s.

use super::html::{Element, el};

/// Size of a drawing in its own units; on the page it is as wide as its place.
const SIZE: [f64; 2] = [480.0, 250.0];
/// Room for the numbers: left, right, above, below.
const ROOM: [f64; 4] = [58.0, 14.0, 12.0, 34.0];

/// A line of a drawing.
#[derive(Debug)]
pub struct Series {
    /// What it is called.
    pub name: String,
    /// A value for each epoch; those that are no number leave a gap.
    pub values: Vec<f64>,
    /// A value as people read it.
    pub text: fn(f64) -> String,
}

/// A drawing of some lines with a common scale, and the same as a table. `phases` are the epochs, from 1, with which phases begin, and
/// their names; `best` is the epoch that became the result.
pub fn drawing(
    title: &str,
    series: &[Series],
    phases: &[(usize, String)],
    best: Option<usize>,
) -> Element {
    let epochs = series
        .iter()
        .map(|line| line.values.len())
        .max()
        .unwrap_or(0);
    let finite = || {
        let all = series.iter().flat_map(|line| line.values.iter().copied());
        all.filter(|value| value.is_finite())
    };
    let Some(scale) = Scale::of(finite()) else {
        return el("p").text(format!("{title}: no numbers."));
    };
    let [left, right, top, bottom] = ROOM;
    let x = |epoch: usize| {
        let share = match epochs {
            0 | 1 => 0.5,
            _ => (epoch as f64 - 1.0) / (epochs as f64 - 1.0),
        };
        left + share * (SIZE[0] - left - right)
    };
    let y = |value: f64| top + (1.0 - scale.share(value)) * (SIZE[1] - top - bottom);
    let label = format!("{title} over {epochs} epochs: {}", ends(series));
    let mut svg = el("svg")
        .attr("viewBox", format!("0 0 {} {}", SIZE[0], SIZE[1]))
        .attr("role", "img")
        .attr("aria-label", label);
    let line = |class: &'static str, [x1, y1, x2, y2]: [f64; 4]| {
        let at = |name, value: f64| (name, format!("{value:.1}"));
        let ends = [at("x1", x1), at("y1", y1), at("x2", x2), at("y2", y2)];
        ends.into_iter()
            .fold(el("line").class(class), |line, (name, value)| {
                line.attr(name, value)
            })
    };
    let text = |class: &'static str, x: f64, y: f64, anchor: &str, text: &str| {
        el("text")
            .class(class)
            .attr("x", format!("{x:.1}"))
            .attr("y", format!("{y:.1}"))
            .attr("text-anchor", anchor)
            .text(text)
    };
    for tick in scale.ticks() {
        let at = y(tick);
        svg = svg
            .with(line("grid", [left, at, SIZE[0] - right, at]))
            .with(text("tick", left - 6.0, at + 4.0, "end", &scale.text(tick)));
    }
    for epoch in epoch_ticks(epochs) {
        svg = svg.with(text(
            "tick",
            x(epoch),
            SIZE[1] - bottom + 16.0,
            "middle",
            &epoch.to_string(),
        ));
    }
    svg = svg.with(text(
        "tick",
        (left + SIZE[0] - right) / 2.0,
        SIZE[1] - 4.0,
        "middle",
        "epoch",
    ));
    for (begin, name) in phases.iter().filter(|(begin, _)| *begin > 1) {
        let at = (x(*begin) + x(begin - 1)) / 2.0;
        svg = svg
            .with(line("phase", [at, top, at, SIZE[1] - bottom]))
            .with(text("tick", at + 4.0, top + 10.0, "start", name));
    }
    if let Some(best) = best {
        svg = svg.with(
            line("best", [x(best), top, x(best), SIZE[1] - bottom])
                .with(el("title").text(format!("epoch {best} is the result"))),
        );
    }
    for (place, one) in series.iter().enumerate() {
        let class = ["line s0", "line s1", "line s2", "line s3", "line s4"][place % 5];
        let dot = ["dot s0", "dot s1", "dot s2", "dot s3", "dot s4"][place % 5];
        let mut path = String::new();
        let mut broken = true;
        for (epoch, &value) in (1..).zip(&one.values) {
            if value.is_finite() {
                let letter = if broken { 'M' } else { 'L' };
                path.push_str(&format!("{letter}{:.1} {:.1}", x(epoch), y(value)));
            }
            broken = !value.is_finite();
        }
        svg = svg.with(el("path").class(class).attr("d", path));
        if one.values.len() <= 200 {
            let dots = (1..)
                .zip(&one.values)
                .filter(|(_, value)| value.is_finite());
            svg = svg.with_all(dots.map(|(epoch, &value)| {
                let says = format!("{}, epoch {epoch}: {}", one.name, (one.text)(value));
                el("circle")
                    .class(dot)
                    .attr("cx", format!("{:.1}", x(epoch)))
                    .attr("cy", format!("{:.1}", y(value)))
                    .attr("r", 2.6)
                    .with(el("title").text(says))
            }));
        }
    }
    let legend = el("ul")
        .class("legend")
        .with_all(series.iter().enumerate().map(|(place, one)| {
            let class = ["s0", "s1", "s2", "s3", "s4"][place % 5];
            el("li")
                .with(el("span").class(class).attr("aria-hidden", "true"))
                .text(&one.name)
        }));
    el("figure")
        .class("chart")
        .with(el("figcaption").text(title))
        .with(legend)
        .with(svg)
        .with(
            el("details")
                .with(el("summary").text("The same as a table"))
                .with(table(series, epochs)),
        )
}

/// Where the lines end, in words.
fn ends(series: &[Series]) -> String {
    let end = |one: &Series| {
        let last = one.values.iter().rev().find(|value| value.is_finite())?;
        Some(format!("{} ends at {}", one.name, (one.text)(*last)))
    };
    series.iter().filter_map(end).collect::<Vec<_>>().join(", ")
}

fn table(series: &[Series], epochs: usize) -> Element {
    let head = el("tr")
        .with(el("th").attr("scope", "col").text("epoch"))
        .with_all(
            series
                .iter()
                .map(|one| el("th").attr("scope", "col").text(&one.name)),
        );
    let rows = (0..epochs).map(|epoch| {
        let cells = series.iter().map(|one| {
            let value = one.values.get(epoch).filter(|value| value.is_finite());
            el("td").text(value.map_or("–".to_owned(), |value| (one.text)(*value)))
        });
        el("tr")
            .with(el("th").attr("scope", "row").text(epoch + 1))
            .with_all(cells)
    });
    let table = el("table")
        .with(el("thead").with(head))
        .with(el("tbody").with_all(rows));
    el("div")
        .class("scroll")
        .attr("tabindex", 0)
        .attr("role", "group")
        .attr("aria-label", "Table of the curves")
        .with(table)
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

/// The range of values, from tick to tick.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    apart: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return None;
        }
        let width = match high - low {
            // All the same.
            width if width <= high.abs() * 1e-9 => high.abs().max(1e-9),
            width => width,
        };
        let apart = nice(width / 4.0);
        let low = (low / apart + 1e-9).floor() * apart;
        let high = ((high / apart - 1e-9).ceil() * apart).max(low + apart);
        Some(Self { low, high, apart })
    }

    fn share(self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        let count = ((self.high - self.low) / self.apart).round() as usize;
        (0..=count.min(20)).map(move |place| self.low + place as f64 * self.apart)
    }

    /// With as many digits as tell the ticks apart.
    fn text(self, tick: f64) -> String {
        let most = self.low.abs().max(self.high.abs());
        if !(1e-3..1e6).contains(&most) && most > 0.0 {
            return format!("{tick:.1e}");
        }
        let decimals = (-self.apart.log10()).ceil().clamp(0.0, 6.0) as usize;
        let tick = if tick.abs() < self.apart / 2.0 {
            0.0
        } else {
            tick
        };
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

    fn text(value: f64) -> String {
        value.to_string()
    }

    fn series(values: &[f64]) -> Series {
        Series {
            name: "a & <b>".into(),
            values: values.to_vec(),
            text,
        }
    }

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
            let scale = Scale::of(values.iter().copied()).unwrap();
            let found: Vec<String> = scale.ticks().map(|tick| scale.text(tick)).collect();
            assert_eq!(found, ticks, "{values:?}");
            assert!(
                values
                    .iter()
                    .all(|value| (0.0..=1.0).contains(&scale.share(*value)))
            );
        }
    }

    #[test]
    fn gaps_and_names_of_users_are_drawn_as_they_are() {
        let drawn = drawing(
            "Loss",
            &[series(&[1.0, f64::NAN, 0.5, 0.25])],
            &[(3, "phase2".into())],
            Some(4),
        )
        .to_string();
        assert!(
            drawn.contains("a &amp; &lt;b&gt;") && !drawn.contains("<b>"),
            "{drawn}"
        );
        let path = drawn.split("<path").nth(1).unwrap();
        assert_eq!(path.split("/path").next().unwrap().matches('M').count(), 2);
        assert_eq!(drawn.matches("<circle").count(), 3);
        let nothing = drawing("Loss", &[series(&[f64::NAN])], &[], None).to_string();
        assert!(nothing.contains("no numbers"), "{nothing}");
    }

    #[test]
    fn a_few_epochs_are_all_written_and_of_many_some() {
        assert_eq!(epoch_ticks(3), [1, 2, 3]);
        assert_eq!(epoch_ticks(40), [1, 5, 10, 15, 20, 25, 30, 35, 40]);
    }
}
