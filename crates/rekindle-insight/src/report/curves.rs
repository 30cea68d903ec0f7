//! Curves on the page: a drawing with its title and legend, and the same as a table. The drawing is `crate::chart`'s; which figures a
//! report shows is `progress.rs`'s.

use crate::chart::{Course, Frame, Line, draw};
use crate::html::{Element, el};

/// In units of the drawing; on the page it is as wide as its place.
const FRAME: Frame = Frame {
    size: [480.0, 250.0],
    room: [58.0, 14.0, 12.0, 34.0],
    in_the_middle: false,
    ends_at_ticks: true,
    axes: false,
    names: true,
    dots: (2.6, 200),
};
/// Colours of lines.
const COLOURS: [&str; 5] = ["s0", "s1", "s2", "s3", "s4"];

/// A line of a drawing; its colour is its place's.
pub fn line(name: &str, values: Vec<f64>, text: fn(f64) -> String) -> Line {
    Line {
        name: name.into(),
        values,
        text,
        colour: 0,
    }
}

/// A drawing of some lines with a common scale, and the same as a table.
pub fn drawing(title: &str, mut lines: Vec<Line>, course: Course<'_>) -> Element {
    for (place, line) in lines.iter_mut().enumerate() {
        line.colour = place % COLOURS.len();
    }
    let epochs = lines.iter().map(|line| line.values.len()).max();
    let epochs = epochs.unwrap_or(0);
    let Some(drawn) = draw(&lines, course, &FRAME, false, None) else {
        return el("p").text(format!("{title}: no numbers."));
    };
    let label = format!("{title} over {epochs} epochs: {}", ends(&lines));
    let svg = el("svg")
        .attr(
            "viewBox",
            format!("0 0 {} {}", FRAME.size[0], FRAME.size[1]),
        )
        .attr("role", "img")
        .attr("aria-label", label)
        .with_all(drawn);
    let legend = el("ul").class("legend").with_all(lines.iter().map(|line| {
        let class = COLOURS[line.colour];
        el("li")
            .with(el("span").class(class).attr("aria-hidden", "true"))
            .text(&line.name)
    }));
    el("figure")
        .class("chart")
        .with(el("figcaption").text(title))
        .with(legend)
        .with(svg)
        .with(
            el("details")
                .with(el("summary").text("The same as a table"))
                .with(table(&lines, epochs)),
        )
}

/// Where the lines end, in words.
fn ends(lines: &[Line]) -> String {
    let end = |one: &Line| {
        let last = one.values.iter().rev().find(|value| value.is_finite())?;
        Some(format!("{} ends at {}", one.name, (one.text)(*last)))
    };
    lines.iter().filter_map(end).collect::<Vec<_>>().join(", ")
}

fn table(lines: &[Line], epochs: usize) -> Element {
    let head = el("tr")
        .with(el("th").attr("scope", "col").text("epoch"))
        .with_all(
            lines
                .iter()
                .map(|one| el("th").attr("scope", "col").text(&one.name)),
        );
    let rows = (0..epochs).map(|epoch| {
        let cells = lines.iter().map(|one| {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        value.to_string()
    }

    fn series(values: &[f64]) -> Vec<Line> {
        vec![line("a & <b>", values.to_vec(), text)]
    }

    #[test]
    fn gaps_and_names_of_users_are_drawn_as_they_are() {
        let course = Course {
            phases: &[(3, "phase2".into())],
            best: Some(4),
        };
        let values = [1.0, f64::NAN, 0.5, 0.25];
        let drawn = drawing("Loss", series(&values), course).to_string();
        assert!(
            drawn.contains("a &amp; &lt;b&gt;") && !drawn.contains("<b>"),
            "{drawn}"
        );
        let path = drawn.split("<path").nth(1).unwrap();
        assert_eq!(path.split("/path").next().unwrap().matches('M').count(), 2);
        assert_eq!(drawn.matches("<circle").count(), 3);
        let course = Course {
            phases: &[],
            best: None,
        };
        let nothing = drawing("Loss", series(&[f64::NAN]), course).to_string();
        assert!(nothing.contains("no numbers"), "{nothing}");
    }
}
