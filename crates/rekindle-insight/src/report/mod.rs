//! The report of a run: one HTML page that needs no network, made of the run's files and of its pictures, for new runs and old ones; and
//! a model card.
//!
//! Owns the page and the order of its parts, each of which is a file: `progress` (curves), `outputs` (classes, confusion, calibration),
//! `pictures` (`decided`: what decided in them), `repeat` (the command). The page of a combination of models is `combined.rs`'s. What is read is `crate::source`'s; `crate::html` escapes. The page does without its script but for sorting.

mod calibration;
mod card;
mod combined;
mod curves;
mod decided;
mod outputs;
mod pictures;
mod progress;
mod repeat;

use std::path::{Path, PathBuf};

use rekindle_data::TaskReport;
use rekindle_data::metrics::OrdinalReport;
use rekindle_finetune::phase_title;
use rekindle_model::write_whole;

pub(crate) use self::card::plain;
pub use self::combined::{CombinationPage, write_combination};

use crate::InsightError;
use crate::html::{Element, el};
use crate::source::{Row, Source};

/// The report's file in a run.
pub const REPORT: &str = "report.html";
/// The model card's file in a run.
pub const CARD: &str = "model.md";

/// Writes report.html and model.md of a run into a directory, its own as a rule; returns their paths. Reads the run's files, and of its
/// data the pictures that are shown; where those are gone, the report says so.
///
/// # Errors
///
/// [`InsightError::NoRun`] where the directory holds no run; a file cannot be written.
pub fn write_report(run: &Path, into: &Path) -> Result<[PathBuf; 2], InsightError> {
    let source = Source::read(run)?;
    let predictions = source.predictions()?;
    let files = [
        (REPORT, page(&source, predictions.as_deref())),
        (CARD, card::text(&source)),
    ];
    let written = files.map(|(name, text)| {
        let path = into.join(name);
        write_whole(&path, text.as_bytes()).map(|()| path)
    });
    let [report, card] = written.map(|written| written.map_err(rekindle_model::ModelError::from));
    Ok([report?, card?])
}

/// A part of the page: its anchor, its heading, and what is in it.
struct Part {
    id: &'static str,
    title: &'static str,
    elements: Vec<Element>,
}

fn page(of: &Source, predictions: Option<&[Row]>) -> String {
    let mut parts = vec![
        Part {
            id: "result",
            title: "Result",
            elements: result(of),
        },
        Part {
            id: "training",
            title: "Training",
            elements: progress::section(of),
        },
    ];
    if let Some(report) = &of.run.validation {
        let (id, title) = ("outputs", heading_of_outputs(report));
        parts.push(Part {
            id,
            title,
            elements: vec![outputs::table(of, report)],
        });
        if let Some(classes) = report.classes() {
            let elements = outputs::confusion(of, classes);
            parts.push(Part {
                id: "confusion",
                title: "Confusion",
                elements,
            });
        }
        if let Some(drawing) = outputs::reliability(report) {
            let elements = vec![el("div").class("charts").with(drawing)];
            parts.push(Part {
                id: "calibration",
                title: "Calibration",
                elements,
            });
        }
    }
    parts.push(Part {
        id: "pictures",
        title: "Pictures",
        elements: pictures::section(of, predictions),
    });
    parts.push(Part {
        id: "data",
        title: "Data",
        elements: data(of),
    });
    parts.push(Part {
        id: "again",
        title: "Train it again",
        elements: again(of),
    });
    let links = parts.iter().map(|part| {
        let link = el("a")
            .attr("href", format!("#{}", part.id))
            .text(part.title);
        el("li").with(link)
    });
    let header = el("header")
        .with(el("h1").text(of.name()))
        .with(el("p").class("faint").text(subtitle(of)))
        .with(
            el("nav")
                .attr("aria-label", "Parts of the report")
                .with(el("ul").with_all(links)),
        );
    let sections = parts.iter().map(|part| {
        el("section")
            .attr("id", part.id)
            .attr("aria-labelledby", format!("h-{}", part.id))
            .with(
                el("h2")
                    .attr("id", format!("h-{}", part.id))
                    .text(part.title),
            )
            .with_all(part.elements.iter().cloned())
    });
    let head = el("head")
        .with(el("meta").attr("charset", "utf-8"))
        .with(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
        // Nothing is fetched, whatever a name holds.
        .with(el("meta").attr("http-equiv", "Content-Security-Policy").attr(
            "content",
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
        ))
        .with(el("link").attr("rel", "icon").attr("href", "data:,"))
        .with(el("title").text(format!("{} – rekindle", of.name())))
        .with(el("style").own(include_str!("style.css")));
    let body = el("body")
        .with(
            el("a")
                .class("skip")
                .attr("href", "#result")
                .text("To the result"),
        )
        .with(header)
        .with(el("main").with_all(sections))
        .with(el("script").own(include_str!("script.js")));
    format!(
        "<!doctype html>\n{}\n",
        el("html").attr("lang", "en").with(head).with(body)
    )
}

fn subtitle(of: &Source) -> String {
    format!(
        "{} on {}, fine-tuned with rekindle {}",
        of.facts.backbone,
        of.facts.data.display(),
        of.facts.rekindle
    )
}

fn heading_of_outputs(report: &TaskReport) -> &'static str {
    match report {
        TaskReport::Classification(_) => "Classes",
        TaskReport::Ordinal(_) => "Levels",
        TaskReport::Multilabel(_) => "Labels",
        TaskReport::Regression(_) => "Numbers",
    }
}

/// Names and values of the result, and where a value lies at 95 %.
fn figures(of: &Source, report: &TaskReport) -> Vec<(String, String, Option<String>)> {
    let outputs = of.names().len();
    let between = |[low, high]: [f64; 2], text: &dyn Fn(f64) -> String| {
        format!("95 %: {} to {}", text(low), text(high))
    };
    let mut all = Vec::new();
    for (figure, value) in report.figures() {
        let interval = report
            .interval(figure.name)
            .map(|interval| between(interval, &|value| figure.text(value)));
        all.push((figure.label_of(outputs), figure.text(value), interval));
    }
    let plain = |value: f64| format!("{value:.3}");
    let percent = |value: f64| format!("{:.1} %", 100.0 * value);
    if let TaskReport::Ordinal(report) = report {
        let share = percent(report.within_one);
        all.push(("off by one level at most".to_owned(), share, None));
    }
    match report {
        TaskReport::Classification(report)
        | TaskReport::Ordinal(OrdinalReport { levels: report, .. }) => {
            if let Some(scores) = report.scores.as_deref() {
                let bootstrap = [
                    (
                        "balanced accuracy",
                        between(scores.intervals.balanced_accuracy, &percent),
                    ),
                    ("macro F1", between(scores.intervals.macro_f1, &plain)),
                ];
                for (label, interval) in bootstrap {
                    for figure in all.iter_mut().filter(|figure| figure.0 == label) {
                        figure.2 = Some(interval.clone());
                    }
                }
                for (k, share) in (2..)
                    .zip(scores.top_k.iter().skip(1))
                    .filter(|(k, _)| [2, 3, 5].contains(k))
                {
                    all.push((format!("top-{k} accuracy"), percent(*share), None));
                }
                let more = [
                    ("AUROC, macro", scores.auroc),
                    ("average precision, macro", scores.average_precision),
                    ("Brier score", Some(scores.brier)),
                    ("calibration error", Some(scores.calibration.expected_error)),
                ];
                all.extend(
                    more.into_iter()
                        .filter_map(|(name, value)| Some((name.to_owned(), plain(value?), None))),
                );
            }
        }
        TaskReport::Multilabel(report) => {
            if let Some(scores) = report.scores.as_deref() {
                let more = [
                    ("AUROC, macro", scores.auroc),
                    ("Brier score", Some(scores.brier)),
                    ("calibration error", Some(scores.calibration.expected_error)),
                ];
                all.extend(
                    more.into_iter()
                        .filter_map(|(name, value)| Some((name.to_owned(), plain(value?), None))),
                );
            }
        }
        TaskReport::Regression(_) => {}
    }
    all
}

fn result(of: &Source) -> Vec<Element> {
    let run = &of.run;
    let mut parts = Vec::new();
    let status = run.status.as_deref().unwrap_or("finished");
    if status != "finished" {
        let why = run
            .error
            .as_deref()
            .map_or(String::new(), |error| format!(": {error}"));
        parts.push(
            el("p")
                .class("alarm")
                .text(format!("This run is {status}{why}")),
        );
    }
    let Some(report) = &run.validation else {
        parts.push(el("p").text("There is no result yet."));
        return parts;
    };
    if let Some((phase, epoch)) = &run.best {
        let text = format!(
            "The weights of {}, epoch {epoch}, measured on {} validation images that were not trained on.",
            phase_title(phase),
            report.samples()
        );
        parts.push(el("p").text(text));
    }
    let card = |name: String, value: String, small: Option<String>| {
        let value = el("dd").text(value);
        el("div").with(el("dt").text(name)).with(match small {
            Some(small) => value.with(el("small").text(small)),
            None => value,
        })
    };
    let mut cards: Vec<Element> = figures(of, report)
        .into_iter()
        .map(|(name, value, small)| card(name, value, small))
        .collect();
    let first = run
        .seconds_to_first_step
        .map(|seconds| format!("first step after {}", duration(seconds)));
    cards.push(card("time".into(), duration(run.seconds), first));
    if let Some(share) = run.waited_share {
        cards.push(card(
            "waiting for images".into(),
            format!("{:.1} %", 100.0 * share),
            Some("of the time".into()),
        ));
    }
    if let Some(bytes) = run.peak_memory_bytes {
        cards.push(card(
            "memory at the peak".into(),
            format!("{} MiB", bytes >> 20),
            None,
        ));
    }
    parts.push(el("dl").class("figures").with_all(cards));
    parts.push(el("p").class("faint").text(
        "From run.json. The interval of the accuracy is Wilson's, others are from a bootstrap.",
    ));
    parts
}

fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 60.0 => format!("{seconds:.1} s"),
        seconds if seconds < 3600.0 => {
            format!("{} min {:02} s", seconds as u64 / 60, seconds as u64 % 60)
        }
        seconds => format!(
            "{} h {:02} min",
            seconds as u64 / 3600,
            seconds as u64 / 60 % 60
        ),
    }
}

fn data(of: &Source) -> Vec<Element> {
    let facts = &of.facts;
    let mut parts = vec![el("p").text(format!(
        "{} images to train on and {} to validate on, told apart by {}.",
        facts.train_images, facts.validation_images, facts.divided_by
    ))];
    let findings = of.findings();
    if findings.is_empty() {
        parts.push(el("p").text("The run had no warning about the data."));
    } else {
        parts.push(el("h3").text("Findings"));
        parts.push(el("ul").with_all(findings.into_iter().map(|finding| el("li").text(finding))));
        parts.push(el("p").class("faint").text("From log.txt."));
    }
    parts
}

fn again(of: &Source) -> Vec<Element> {
    let mut parts = Vec::new();
    match repeat::command(of) {
        Some(command) => parts.push(el("pre").attr("tabindex", 0).attr("role", "group").attr("aria-label", "Command that trains it again").with(el("code").text(command))),
        None => parts.push(el("p").text("Its phases are not those of the defaults: write the part [recipe] of plan.toml to a file, without `recipe.` in its headings, and give it with --recipe.")),
    }
    let plan = el("pre")
        .attr("tabindex", 0)
        .attr("role", "group")
        .attr("aria-label", "plan.toml")
        .with(el("code").text(&of.plan));
    parts.push(
        el("details")
            .with(el("summary").text("The whole plan (plan.toml)"))
            .with(plan),
    );
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use rekindle_data::metrics::Metrics;
    use rekindle_finetune::Recipe;

    /// A run's directory as rekindle writes it, with names that HTML would take for markup.
    fn run(directory: &Path) {
        let mut metrics = Metrics::new(2, 5).with_scores();
        metrics
            .add(&[2.0, 0.0, 1.0, 0.5, 0.0, 3.0], &[0, 1, 1])
            .unwrap();
        let epoch = |epoch: usize| {
            serde_json::json!({
                "phase": "phase1", "epoch": epoch, "lr": 0.001, "train_loss": 0.5, "gradient_norm": 1.0, "validation_loss": 0.4,
                "validation_accuracy": 0.5, "validation_balanced_accuracy": 0.5, "validation_macro_f1": 0.5, "best": true,
            })
        };
        let history = [1, 2].map(epoch);
        let report = serde_json::json!({
            "status": "finished", "task": "classification", "classes": ["<b>&", "dog"], "best": ["phase1", 2],
            "validation": metrics.report().unwrap(), "epochs": 2, "seconds": 75.0, "waited_share": 0.1,
            "history": history,
            "timings": [],
        });
        fs::write(directory.join("run.json"), report.to_string()).unwrap();
        let plan = format!(
            "[facts]\nrekindle = \"0.1.0\"\ndata = \"/gone/<data>\"\nclasses = [\"<b>&\", \"dog\"]\nbackbone = \"resnet18\"\n\n{}",
            toml::to_string(&toml::toml! { [recipe] seed = 7 }).unwrap()
        );
        fs::write(directory.join("plan.toml"), plan).unwrap();
        let table = "path,true,predicted,loss,probability,probability_true\n<b>&/1.png,<b>&,dog,1.5,0.75,0.2\n";
        fs::write(directory.join("predictions.csv"), table).unwrap();
        fs::write(
            directory.join("log.txt"),
            "12:00 warning: 2 <odd> files\n12:01 warning: 2 <odd> files\n",
        )
        .unwrap();
        assert_ne!(Recipe::default().seed, 7);
    }

    #[test]
    fn a_report_has_all_parts_and_no_markup_of_names() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path());
        let [report, card] = write_report(folder.path(), folder.path()).unwrap();
        let page = fs::read_to_string(report).unwrap();
        for part in [
            "result",
            "training",
            "outputs",
            "confusion",
            "calibration",
            "pictures",
            "data",
            "again",
        ] {
            assert!(page.contains(&format!("<section id=\"{part}\"")), "{part}");
        }
        assert!(!page.contains("<b>") && !page.contains("<odd>") && !page.contains("<data>"));
        assert!(
            page.contains("&lt;b&gt;&amp;, taken for dog 75.0 %"),
            "{page}"
        );
        assert!(page.contains("1 of these pictures could not be read"));
        assert_eq!(page.matches("2 &lt;odd&gt; files").count(), 1);
        assert!(page.contains("rekindle train &#39;/gone/&lt;data&gt;&#39; --set seed=7"));
        // Nothing of it is anywhere else.
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("url("));
        assert!(fs::read_to_string(card).unwrap().contains("resnet18"));
    }

    #[test]
    fn a_report_of_an_earlier_version_does_without_what_it_has_not() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path());
        fs::remove_file(folder.path().join("predictions.csv")).unwrap();
        fs::remove_file(folder.path().join("log.txt")).unwrap();
        let path = folder.path().join("run.json");
        let mut value: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        value["validation"]
            .as_object_mut()
            .unwrap()
            .remove("scores");
        for key in ["status", "task", "classes"] {
            value.as_object_mut().unwrap().remove(key);
        }
        fs::write(&path, value.to_string()).unwrap();
        let [report, _] = write_report(folder.path(), folder.path()).unwrap();
        let page = fs::read_to_string(report).unwrap();
        assert!(page.contains("no predictions.csv") && !page.contains("id=\"calibration\""));
    }

    #[test]
    fn what_is_no_run_is_refused_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_report(folder.path(), folder.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("plan.toml"), "{error}");
        run(folder.path());
        fs::write(folder.path().join("run.json"), "{").unwrap();
        let error = write_report(folder.path(), folder.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("run.json"), "{error}");
    }
}
