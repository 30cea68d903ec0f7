//! A comparison's files: everything as JSON, tables as CSV, a page in Markdown and a plot.
//!
//! Owns their names and columns.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rekindle_model::{ModelError, write_whole};

use super::results::{Comparison, Reference, VariantResult};
use crate::InsightError;
use crate::plots::{Dots, dots_svg, pixels, png};
use crate::report::plain;

/// Everything, as JSON.
pub const TABLE: &str = "comparison.json";
/// A line for each variant.
const VARIANTS: &str = "comparison.csv";
/// A line for each run.
const RUNS: &str = "runs.csv";
/// The page.
pub const PAGE: &str = "comparison.md";
/// The plot; the same as SVG beside it.
pub const PLOT: &str = "comparison.png";
const DRAWING: &str = "comparison.svg";

/// Writes a comparison's files into its directory, over older ones; returns their paths.
///
/// # Errors
///
/// A file cannot be written, or the plot not be drawn.
pub fn write_comparison(of: &Comparison, directory: &Path) -> Result<Vec<PathBuf>, InsightError> {
    let json = serde_json::to_vec_pretty(of)
        .map_err(|error| InsightError::Compare(format!("{TABLE} cannot be written: {error}")))?;
    let mut files = vec![
        (TABLE, json),
        (VARIANTS, variants_csv(of)),
        (RUNS, runs_csv(of)),
        (PAGE, page(of).into_bytes()),
    ];
    if let Some(svg) = plot(of)? {
        files.push((PLOT, png(&pixels(&svg)?)?));
        files.push((DRAWING, svg.into_bytes()));
    }
    let mut written = Vec::new();
    for (name, bytes) in files {
        let path = directory.join(name);
        write_whole(&path, &bytes).map_err(ModelError::from)?;
        written.push(path);
    }
    Ok(written)
}

/// Dots of each variant's runs and their mean.
fn plot(of: &Comparison) -> Result<Option<String>, InsightError> {
    let figure = of.figure();
    let rows = of.variants.iter().enumerate().map(|(place, variant)| Dots {
        name: variant.name.clone(),
        values: variant.figures.iter().copied().flatten().collect(),
        mean: variant.mean,
        is_best: place == of.best,
    });
    dots_svg(
        &of.keys.join(", "),
        &format!("{} on validation images", figure.label_of(of.outputs)),
        &format!("a dot for each of {}, a line at their mean", of.repeats),
        &rows.collect::<Vec<_>>(),
        &|value| figure.text(value),
    )
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn csv(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Memory takes everything.
        let _ = table.write_record(row);
    }
    table.into_inner().unwrap_or_default()
}

fn variants_csv(of: &Comparison) -> Vec<u8> {
    let columns = [
        of.figure,
        "sd",
        "runs",
        "difference",
        "low",
        "high",
        "pairs",
        "t",
        "p",
        "p_adjusted",
        "mcnemar_only_this",
        "mcnemar_only_reference",
        "mcnemar_p",
        "seconds",
        "model_bytes",
    ];
    let head = of.keys.iter().cloned().chain(columns.map(str::to_owned));
    let rows = of.variants.iter().map(|variant| {
        let difference = variant.difference.as_ref();
        let test = difference.and_then(|difference| difference.test);
        let images = difference.and_then(|difference| difference.images);
        let count =
            |count: Option<usize>| count.map_or_else(String::new, |count| count.to_string());
        let mut row = variant.values.clone();
        row.extend([
            number(variant.mean),
            number(variant.deviation),
            variant.figures.iter().flatten().count().to_string(),
            number(difference.map(|difference| difference.mean)),
            number(test.map(|test| test.interval[0])),
            number(test.map(|test| test.interval[1])),
            count(difference.map(|difference| difference.pairs)),
            number(test.map(|test| test.t)),
            number(test.map(|test| test.p)),
            number(difference.and_then(|difference| difference.p_adjusted)),
            count(images.map(|images| images.only_this)),
            count(images.map(|images| images.only_other)),
            number(images.map(|images| images.p)),
            number(variant.seconds),
            variant
                .model_bytes
                .map_or_else(String::new, |bytes| bytes.to_string()),
        ]);
        row
    });
    csv(std::iter::once(head.collect()).chain(rows))
}

fn runs_csv(of: &Comparison) -> Vec<u8> {
    let figures: Vec<&str> = of.task.figures().iter().map(|figure| figure.name).collect();
    let head = ["run"]
        .into_iter()
        .chain(of.keys.iter().map(String::as_str))
        .chain(["seed", "fold", "status", "seconds", "model_bytes"])
        .chain(figures.iter().copied());
    let rows = of.runs.iter().map(|run| {
        let mut row = vec![run.run.display().to_string()];
        row.extend(of.variants[run.variant].values.iter().cloned());
        let there = run.status == "finished";
        let if_there = |text: String| if there { text } else { String::new() };
        row.extend([
            run.repeat.seed.to_string(),
            run.repeat
                .fold
                .map_or_else(String::new, |fold| fold.to_string()),
            run.status.clone(),
            if_there(run.seconds.to_string()),
            if_there(run.model_bytes.to_string()),
        ]);
        row.extend(
            figures
                .iter()
                .map(|name| number(run.figures.get(name).copied())),
        );
        row
    });
    csv(std::iter::once(head.map(str::to_owned).collect()).chain(rows))
}

/// The page.
fn page(of: &Comparison) -> String {
    let figure = of.figure();
    let mut text = format!("# {}\n\n", plain(&of.keys.join(", ")));
    let _ = writeln!(
        text,
        "{} variants on {}, {}. Compared by the {} on the validation images.\n",
        of.variants.len(),
        plain(&of.data.display().to_string()),
        of.repeats,
        figure.label_of(of.outputs)
    );
    let _ = writeln!(text, "![a dot for each run]({PLOT})\n");
    let _ = writeln!(
        text,
        "| {} | {} | sd | runs | difference | 95 % | p | only this right, only the other, p | seconds | MiB |",
        plain(&of.keys.join(", ")),
        figure.label_of(of.outputs)
    );
    let _ = writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (place, variant) in of.variants.iter().enumerate() {
        let _ = writeln!(text, "{}", row(of, place, variant));
    }
    let against = match of.compared_to {
        Reference::First => "the first",
        Reference::Best => "the best",
    };
    let _ = writeln!(
        text,
        "\nDifferences are to `{}`, {against}; the best mean is bold.",
        of.variants[of.reference].name
    );
    if of.tested > 0 {
        let _ = writeln!(text, "\np is of a {}.", of.test_in_words());
    }
    if of.tested > 1 {
        let _ = writeln!(
            text,
            "It is adjusted for {} comparisons by Holm's method; comparison.csv has both.",
            of.tested
        );
    }
    if of.variants.iter().any(|variant| {
        variant
            .difference
            .as_ref()
            .is_some_and(|one| one.images.is_some())
    }) {
        let _ = writeln!(
            text,
            "\nThe images that one of two has right and the other has not are compared by McNemar's exact test. It is of these trained models \
             on these images, not of their settings, and is not adjusted."
        );
    }
    for note in &of.notes {
        let _ = writeln!(text, "\nNote: {}.", plain(note));
    }
    let _ = writeln!(
        text,
        "\nThe best epoch of each run was chosen by the same images, which flatters all of them a little. Every run is a directory beside \
         this page, with its report; runs.csv has all figures. Runs that find features of others on disk take less time."
    );
    text
}

fn row(of: &Comparison, place: usize, variant: &VariantResult) -> String {
    let figure = of.figure();
    let own = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| figure.text(value));
    let difference = variant.difference.as_ref();
    let test = difference.and_then(|difference| difference.test);
    let mean = match place == of.best {
        true => format!("**{}**", own(variant.mean)),
        false => own(variant.mean),
    };
    let cells = [
        plain(&variant.name),
        mean,
        own(variant.deviation),
        variant.figures.iter().flatten().count().to_string(),
        difference.map_or_else(String::new, |difference| {
            signed(&figure.text(difference.mean), difference.mean)
        }),
        test.map_or_else(String::new, |test| {
            let [low, high] = test.interval.map(|end| signed(&figure.text(end), end));
            format!("{low} to {high}")
        }),
        difference
            .and_then(|difference| difference.p_adjusted)
            .map_or_else(String::new, chance),
        difference
            .and_then(|difference| difference.images)
            .map_or_else(String::new, |images| {
                format!(
                    "{}, {}, {}",
                    images.only_this,
                    images.only_other,
                    chance(images.p)
                )
            }),
        variant
            .seconds
            .map_or_else(String::new, |seconds| format!("{seconds:.1}")),
        variant.model_bytes.map_or_else(String::new, |bytes| {
            format!("{:.1}", bytes as f64 / f64::from(1 << 20))
        }),
    ];
    format!("| {} |", cells.join(" | "))
}

/// A difference with its sign; `text` is it as people read it.
pub fn signed(text: &str, value: f64) -> String {
    match value > 0.0 {
        true => format!("+{text}"),
        false => text.to_owned(),
    }
}

/// A chance as people read it, in at most six letters.
pub fn chance(p: f64) -> String {
    match p {
        p if p < 0.0005 => "<0.001".into(),
        p => format!("{p:.3}"),
    }
}
