//! How training went: curves of losses, figures, learning rate and gradient norm, and the time of epochs.

use rekindle_data::{Unit, metrics::short};

use super::curves::{Series, drawing};
use super::html::{Element, el};
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
    let mut phases: Vec<(usize, String)> = Vec::new();
    for (epoch, record) in (1..).zip(history) {
        if phases.last().is_none_or(|(_, name)| *name != record.phase) {
            phases.push((epoch, record.phase.clone()));
        }
    }
    let best = of.run.best.as_ref().and_then(|(phase, epoch)| {
        let place = history
            .iter()
            .position(|record| record.phase == *phase && record.epoch == *epoch);
        Some(place? + 1)
    });
    let draw = |title: &str, series: Vec<Series>| drawing(title, &series, &phases, best);
    let own = |name: &str, value: fn(&rekindle_finetune::EpochRecord) -> f64, text| Series {
        name: name.into(),
        values: history.iter().map(value).collect(),
        text,
    };
    let figures = of.run.task.figures();
    let validation = |figure: &rekindle_data::Figure| Series {
        name: figure.label.into(),
        values: history
            .iter()
            .map(|record| record.validation(figure.name))
            .collect(),
        text: if matches!(figure.unit, Unit::Own) {
            short
        } else {
            fixed
        },
    };
    let mut loss = vec![own("training loss", |record| record.train_loss, fixed)];
    loss.extend(
        figures
            .iter()
            .filter(|figure| figure.name == "loss")
            .map(|figure| Series {
                name: "validation loss".into(),
                ..validation(figure)
            }),
    );
    let of_unit = |own: bool| {
        let wanted = figures
            .iter()
            .filter(|figure| figure.name != "loss" && matches!(figure.unit, Unit::Own) == own);
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
    let seconds = |name: &str, value: fn(&rekindle_finetune::EpochTiming) -> f64| Series {
        name: name.into(),
        values: of.run.timings.iter().map(value).collect(),
        text: fixed,
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
