//! Whether probabilities mean what they say, as a reliability diagram and a table.

use rekindle_data::metrics::Calibration;

use crate::html::{Element, el};

const SIDE: f64 = 300.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 10.0;

/// The diagram of a calibration; `what` is what a probability is of.
pub fn drawing(calibration: &Calibration, what: &str) -> Element {
    let x = |share: f64| LEFT + share * SIDE;
    let y = |share: f64| TOP + (1.0 - share) * SIDE;
    let number = |value: f64| format!("{value:.1}");
    let label = format!(
        "Reliability diagram: the expected calibration error is {:.3}",
        calibration.expected_error
    );
    let mut svg = el("svg")
        .attr(
            "viewBox",
            format!("0 0 {} {}", SIDE + LEFT + 14.0, SIDE + TOP + 40.0),
        )
        .attr("role", "img")
        .attr("aria-label", label);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg = svg
            .with(
                el("line")
                    .class("grid")
                    .attr("x1", number(x(0.0)))
                    .attr("x2", number(x(1.0)))
                    .attr("y1", number(y(share)))
                    .attr("y2", number(y(share))),
            )
            .with(
                el("text")
                    .attr("x", number(LEFT - 6.0))
                    .attr("y", number(y(share) + 4.0))
                    .attr("text-anchor", "end")
                    .text(share),
            )
            .with(
                el("text")
                    .attr("x", number(x(share)))
                    .attr("y", number(y(0.0) + 16.0))
                    .attr("text-anchor", "middle")
                    .text(share),
            );
    }
    for bin in calibration.bins.iter().filter(|bin| bin.predictions > 0) {
        let says = format!(
            "{} predictions at {:.3}: {:.3} are right",
            bin.predictions, bin.probability, bin.right
        );
        let rectangle = |class, low: f64, high: f64| {
            el("rect")
                .class(class)
                .attr("x", number(x(bin.from) + 1.0))
                .attr("width", number((bin.to - bin.from) * SIDE - 2.0))
                .attr("y", number(y(high)))
                .attr("height", number(((high - low) * SIDE).max(1.0)))
                .with(el("title").text(&says))
        };
        let apart = [
            bin.right.min(bin.probability),
            bin.right.max(bin.probability),
        ];
        svg = svg
            .with(rectangle("bar", 0.0, bin.right))
            .with(rectangle("gap", apart[0], apart[1]));
    }
    svg = svg
        .with(
            el("line")
                .class("diagonal")
                .attr("x1", number(x(0.0)))
                .attr("y1", number(y(0.0)))
                .attr("x2", number(x(1.0)))
                .attr("y2", number(y(1.0))),
        )
        .with(
            el("text")
                .attr("x", number(x(0.5)))
                .attr("y", number(y(0.0) + 34.0))
                .attr("text-anchor", "middle")
                .text("probability"),
        );
    let bins = calibration.bins.iter().filter(|bin| bin.predictions > 0);
    let rows = bins.map(|bin| {
        el("tr")
            .with(
                el("th")
                    .attr("scope", "row")
                    .text(format!("{:.2} to {:.2}", bin.from, bin.to)),
            )
            .with(el("td").text(bin.predictions))
            .with(el("td").text(format!("{:.3}", bin.probability)))
            .with(el("td").text(format!("{:.3}", bin.right)))
    });
    let head = ["range", "predictions", "mean probability", "share right"];
    let head = head.map(|name| el("th").attr("scope", "col").text(name));
    let table = el("table")
        .with(el("thead").with(el("tr").with_all(head)))
        .with(el("tbody").with_all(rows));
    let table = el("div")
        .class("scroll")
        .attr("tabindex", 0)
        .attr("role", "group")
        .attr("aria-label", "Table of calibration")
        .with(table);
    let explained = format!(
        "Blue: how often {what} is right at this probability. On the dashed line probabilities mean what they say; the red parts are the distance \
         from it, {:.3} on average (expected calibration error, 15 bins of equal width).",
        calibration.expected_error
    );
    el("figure")
        .class("chart")
        .with(el("figcaption").text("Reliability"))
        .with(svg)
        .with(el("p").class("faint").text(explained))
        .with(
            el("details")
                .with(el("summary").text("The same as a table"))
                .with(table),
        )
}
