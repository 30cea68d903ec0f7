//! How training went: curves of losses, figures, learning rate and gradient norm, and the time of epochs.

use rekindle_data::{Unit, metrics::short};

use super::curves::{drawing, line};
use crate::chart::{Course, Line};
use crate::html::{Element, el};
use crate::source::Source;

fn fixed(value: f64) -> String {
    format!("{value:.4}")
}

fn scientific(value: f64) -> String {
    format!("{value:.3e}")
}

/// The drawings.
pub fn section(of: &Source) -> Vec<Element> {
    let history = &of.run.history;
    if history.is_empty() {
        return vec![el("p").text("No epoch is done yet.")];
    }
    let phases = of.run.phases().into_iter();
    let phases: Vec<(usize, String)> = phases.map(|(place, name)| (place + 1, name)).collect();
    let course = Course {
        phases: &phases,
        best: of.run.best_place().map(|place| place + 1),
    };
    let draw = |title: &str, lines: Vec<Line>| drawing(title, lines, course);
    let own = |name: &str, value: fn(&rekindle_finetune::EpochRecord) -> f64, text| {
        line(name, history.iter().map(value).collect(), text)
    };
    let figures = of.run.task.figures();
    let validation = |figure: &rekindle_data::Figure| {
        let values = history.iter().map(|record| record.validation(figure.name));
        let text = match figure.unit {
            Unit::Own => short,
            _ => fixed,
        };
        line(figure.label, values.collect(), text)
    };
    let mut loss = vec![own("training loss", |record| record.train_loss, fixed)];
    loss.extend(
        figures
            .iter()
            .filter(|figure| figure.name == "loss")
            .map(|figure| Line {
                name: "validation loss".into(),
                ..validation(figure)
            }),
    );
    let of_unit = |own: bool| {
        let wanted = figures.iter().filter(|figure| {
            figure.name != "loss" && matches!(figure.unit, Unit::Own | Unit::Levels) == own
        });
        wanted.map(validation).collect::<Vec<_>>()
    };
    let mut drawn = vec![draw("Loss", loss)];
    for (title, series) in [
        ("Figures on the validation images", of_unit(false)),
        ("Errors on the validation images", of_unit(true)),
    ] {
        if !series.is_empty() {
            drawn.push(draw(title, series));
        }
    }
    drawn.push(draw(
        "Learning rate of the head",
        vec![own("learning rate", |record| record.lr, scientific)],
    ));
    drawn.push(draw(
        "Gradient norm, before clipping",
        vec![own("gradient norm", |record| record.gradient_norm, fixed)],
    ));
    let seconds = |name: &str, value: fn(&rekindle_finetune::EpochTiming) -> f64| {
        line(name, of.run.timings.iter().map(value).collect(), fixed)
    };
    if !of.run.timings.is_empty() {
        drawn.push(draw(
            "Seconds of each epoch",
            vec![
                seconds("in all", |timing| timing.seconds),
                seconds("waited for images", |timing| timing.waited_seconds),
            ],
        ));
    }
    vec![
        el("p").class("faint").text("From run.json. A dotted upright line is where a phase begins, the solid one the epoch that became the result."),
        el("div").class("charts").with_all(drawn),
    ]
}
