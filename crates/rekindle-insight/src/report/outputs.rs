//! Each class, label or number: the table that can be sorted, the confusion matrix, and the pairs that are mixed up most.

use rekindle_data::metrics::{MetricsReport, OrdinalReport, Ranking, short};
use rekindle_data::{TaskKind, TaskReport};

use super::calibration;
use crate::html::{Element, el};
use crate::source::Source;

/// Most classes whose confusion matrix is drawn.
const MOST_IN_MATRIX: usize = 40;
/// Most pairs of classes that are listed.
const MOST_PAIRS: usize = 20;

/// A cell: what it says, and what it is sorted by.
type Cell = (String, f64);

fn count(value: u64) -> Cell {
    (value.to_string(), value as f64)
}

fn score(value: Option<f64>) -> Cell {
    value.map_or(("–".into(), f64::NAN), |value| {
        (format!("{value:.3}"), value)
    })
}

fn own(value: f64) -> Cell {
    (short(value), value)
}

/// The columns of the table of classes.
const CLASSES_HEAD: [&str; 8] = [
    "class",
    "images",
    "predicted",
    "precision",
    "recall",
    "F1",
    "AUROC",
    "average precision",
];
/// The same of levels.
const LEVELS_HEAD: [&str; 8] = {
    let mut head = CLASSES_HEAD;
    head[0] = "level";
    head
};

/// The table of all outputs.
pub fn table(of: &Source, report: &TaskReport) -> Element {
    let names = of.names();
    let ranking = |all: Option<&[Ranking]>, place: usize| {
        let one = all
            .and_then(|all| all.get(place))
            .copied()
            .unwrap_or_default();
        [score(one.auroc), score(one.average_precision)]
    };
    let (head, rows): (&[&str], Vec<Vec<Cell>>) = match report {
        TaskReport::Classification(report)
        | TaskReport::Ordinal(OrdinalReport { levels: report, .. }) => {
            let all = report.scores.as_deref().map(|scores| &scores.per_class[..]);
            let row = |(place, class): (usize, &rekindle_data::metrics::ClassMetrics)| {
                let [auroc, average_precision] = ranking(all, place);
                let shares =
                    [class.precision, class.recall, class.f1].map(|value| score(Some(value)));
                let [precision, recall, f1] = shares;
                vec![
                    count(class.support),
                    count(class.predicted),
                    precision,
                    recall,
                    f1,
                    auroc,
                    average_precision,
                ]
            };
            let head: &[&str] = match of.run.task {
                TaskKind::Ordinal => &LEVELS_HEAD,
                _ => &CLASSES_HEAD,
            };
            (head, report.per_class.iter().enumerate().map(row).collect())
        }
        TaskReport::Multilabel(report) => {
            let all = report.scores.as_deref().map(|scores| &scores.per_label[..]);
            let row = |(place, label): (usize, &rekindle_data::metrics::LabelMetrics)| {
                let at = label.at_threshold;
                let [auroc, _] = ranking(all, place);
                let shares = [at.precision, at.recall, at.f1].map(|value| score(Some(value)));
                let [precision, recall, f1] = shares;
                vec![
                    count(at.support),
                    count(at.predicted),
                    precision,
                    recall,
                    f1,
                    auroc,
                    score(Some(label.average_precision)),
                ]
            };
            let head = &[
                "label",
                "images",
                "predicted",
                "precision",
                "recall",
                "F1",
                "AUROC",
                "average precision",
            ];
            (head, report.per_label.iter().enumerate().map(row).collect())
        }
        TaskReport::Regression(report) => {
            let rows = report.per_number.iter().map(|number| {
                vec![
                    own(number.mae),
                    own(number.rmse),
                    score(Some(number.r2)),
                    score(Some(number.pearson)),
                    score(Some(number.spearman)),
                ]
            });
            (
                &["number", "MAE", "RMSE", "R2", "Pearson", "Spearman"],
                rows.collect(),
            )
        }
    };
    let heading = |name: &&str| {
        el("th")
            .attr("scope", "col")
            .with(el("button").attr("type", "button").text(name))
    };
    let rows = rows.into_iter().enumerate().map(|(place, cells)| {
        let name = names
            .get(place)
            .cloned()
            .unwrap_or_else(|| place.to_string());
        let cells = cells
            .into_iter()
            .map(|(text, value)| el("td").attr("data-value", value).text(text));
        el("tr")
            .with(
                el("th")
                    .attr("scope", "row")
                    .attr("title", &name)
                    .text(&name),
            )
            .with_all(cells)
    });
    let table = el("table")
        .attr("id", "per-output")
        .with(
            el("caption")
                .class("faint")
                .text("A heading sorts by its column."),
        )
        .with(el("thead").with(el("tr").with_all(head.iter().map(heading))))
        .with(el("tbody").with_all(rows));
    el("div")
        .class("scroll")
        .attr("tabindex", 0)
        .attr("role", "group")
        .attr("aria-label", "Figures of each output")
        .with(table)
}

/// Which classes are taken for which.
pub fn confusion(of: &Source, report: &MetricsReport) -> Vec<Element> {
    let names = of.names();
    let name = |class: usize| {
        names
            .get(class)
            .cloned()
            .unwrap_or_else(|| class.to_string())
    };
    let classes = report.confusion.classes();
    let mut parts = Vec::new();
    if classes <= MOST_IN_MATRIX {
        let head = (0..classes).map(|class| {
            el("th")
                .attr("scope", "col")
                .attr("title", name(class))
                .text(class)
        });
        let rows = (0..classes).map(|target| {
            let all = report.per_class[target].support.max(1) as f64;
            let cells = (0..classes).map(|prediction| {
                let count = report.confusion.get(target, prediction);
                let colour = if target == prediction { "good" } else { "bad" };
                let share = count as f64 / all;
                let says = format!(
                    "{count} of {}: {} taken for {}",
                    report.per_class[target].support,
                    name(target),
                    name(prediction)
                );
                let cell = el("td").attr("title", says).text(count);
                match count {
                    0 => cell,
                    _ => cell.attr(
                        "style",
                        format!(
                            "background: rgba(var(--{colour}), {:.2})",
                            0.12 + 0.58 * share
                        ),
                    ),
                }
            });
            el("tr")
                .with(
                    el("th")
                        .attr("scope", "row")
                        .text(format!("{target} {}", name(target))),
                )
                .with_all(cells)
        });
        let table = el("table")
            .class("matrix")
            .with(
                el("thead").with(
                    el("tr")
                        .with(el("th").attr("scope", "col").text("true \\ predicted"))
                        .with_all(head),
                ),
            )
            .with(el("tbody").with_all(rows));
        parts.push(
            el("div")
                .class("scroll")
                .attr("tabindex", 0)
                .attr("role", "group")
                .attr(
                    "aria-label",
                    "Confusion matrix: rows are true classes, columns predicted ones",
                )
                .with(table),
        );
    }
    let pairs = report.confusions();
    let rows = pairs
        .iter()
        .take(MOST_PAIRS)
        .map(|&(target, prediction, count)| {
            let all = report.per_class[target].support.max(1) as f64;
            el("tr")
                .with(el("th").attr("scope", "row").text(name(target)))
                .with(el("td").text(name(prediction)))
                .with(el("td").text(count))
                .with(el("td").text(format!("{:.1} %", 100.0 * count as f64 / all)))
        });
    if pairs.is_empty() {
        parts.push(el("p").text("No validation image is taken for another class."));
    } else {
        let head = ["true class", "taken for", "images", "of its class"]
            .map(|name| el("th").attr("scope", "col").text(name));
        let table = el("table")
            .with(el("thead").with(el("tr").with_all(head)))
            .with(el("tbody").with_all(rows));
        parts.push(el("h3").text("Mixed up most"));
        parts.push(
            el("div")
                .class("scroll")
                .attr("tabindex", 0)
                .attr("role", "group")
                .attr("aria-label", "Pairs mixed up most")
                .with(table),
        );
    }
    parts
}

/// The reliability diagram, where the run has its figures.
pub fn reliability(report: &TaskReport) -> Option<Element> {
    match report {
        TaskReport::Classification(report) => {
            let scores = report.scores.as_deref()?;
            Some(calibration::drawing(
                &scores.calibration,
                "the predicted class",
            ))
        }
        TaskReport::Ordinal(report) => {
            let scores = report.levels.scores.as_deref()?;
            Some(calibration::drawing(
                &scores.calibration,
                "the predicted level",
            ))
        }
        TaskReport::Multilabel(report) => {
            let scores = report.scores.as_deref()?;
            Some(calibration::drawing(&scores.calibration, "a label"))
        }
        TaskReport::Regression(_) => None,
    }
}
