//! What came of combining models: a row of figures for each and for the whole, as text and as JSON.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use rekindle_data::TaskReport;
use rekindle_insight::CombinationPage;
use rekindle_model::ModelInfo;
use rekindle_model::ensemble::{Rule, Spread};
use serde_json::{Map, Value, json};

use super::table::Table;
use super::{terminal_width, words};

/// The figures of one model, or of several together.
#[derive(Debug, Clone)]
pub struct Measured {
    pub name: String,
    pub weight: Option<f64>,
    pub report: TaskReport,
}

impl Measured {
    pub fn new(name: &str, report: TaskReport) -> Self {
        Self {
            name: name.into(),
            weight: None,
            report,
        }
    }

    /// The expected calibration error, of classes.
    fn calibration(&self) -> Option<f64> {
        calibration_of(&self.report)
    }
}

/// The expected calibration error, of classes.
pub fn calibration_of(report: &TaskReport) -> Option<f64> {
    let scores = report.classes()?.scores.as_deref();
    scores.map(|scores| scores.calibration.expected_error)
}

/// What was combined, and what was found.
#[derive(Debug, Clone)]
pub struct Combined<'a> {
    pub output: &'a Path,
    pub info: &'a ModelInfo,
    /// The images that it was measured on: where, which, how many.
    pub data: Option<(PathBuf, String, usize)>,
    pub skipped: usize,
    pub rows: Vec<Measured>,
    /// Parts in which the last row was measured.
    pub folds: Option<usize>,
    /// Strengths of a meta-learner with their log losses.
    pub tried: Vec<(f64, f64)>,
    pub spread: Option<Spread>,
    /// Of a soup, the models, and whether each is in it; empty of what combines networks.
    pub mixed: Vec<(PathBuf, bool)>,
}

impl<'a> Combined<'a> {
    /// With nothing measured.
    pub fn new(output: &'a Path, info: &'a ModelInfo) -> Self {
        Self {
            output,
            info,
            data: None,
            skipped: 0,
            rows: Vec::new(),
            folds: None,
            tried: Vec::new(),
            spread: None,
            mixed: Vec::new(),
        }
    }
}

/// Prints it.
///
/// # Errors
///
/// The output cannot be written.
pub fn print(of: &Combined, json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    match json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&value(of)?)?)?,
        false => out.write_all(text(of, terminal_width()).as_bytes())?,
    }
    Ok(())
}

/// What the rule is in words: `mean of probabilities`.
pub fn rule_words(rule: &Rule) -> String {
    match rule {
        Rule::Mean { of, .. } => format!("mean of {}", of.name()),
        Rule::Stack { l2, images } => {
            format!("meta-learner, L2 {l2} about their mean, fitted to {images} images")
        }
    }
}

fn text(of: &Combined, width: Option<usize>) -> String {
    let mut text = String::new();
    if let Some((data, part, images)) = &of.data {
        let images = words::count(*images, "image", "images");
        let _ = writeln!(
            text,
            "Measured on {images} of {} ({part})\n",
            data.display()
        );
        text.push_str(&table(of, width));
        if let Some(folds) = of.folds {
            let _ = writeln!(
                text,
                "\nThe last row is of images that its fit had not seen, in {folds} parts."
            );
        }
    }
    if let Some(spread) = of.spread.filter(|spread| spread.models > 1) {
        let _ = write!(text, "\n{}", spread_text(&spread));
    }
    if let Some(combination) = &of.info.after.combination {
        let _ = writeln!(
            text,
            "{}Result      {}: {}",
            if text.is_empty() { "" } else { "\n" },
            of.output.display(),
            words::count(combination.networks(), "network", "networks")
        );
        let _ = writeln!(text, "Rule        {}", rule_words(&combination.rule));
    }
    if !of.mixed.is_empty() {
        let mixed = of.mixed.iter().filter(|(_, is_in)| *is_in).count();
        let begins = if text.is_empty() { "" } else { "\n" };
        let all = of.mixed.len();
        let which = if mixed == all {
            String::new()
        } else {
            format!(" {mixed} of")
        };
        let _ = writeln!(
            text,
            "{begins}Result      {}: one network\nRule        mean of the weights of{which} {all} models",
            of.output.display()
        );
        for (path, _) in of.mixed.iter().filter(|(_, is_in)| mixed < all && *is_in) {
            let _ = writeln!(text, "            {}", path.display());
        }
        if of.data.is_some() {
            text.push_str(
                "\nThe models were chosen by these images, so the last row is a little too good; measure\nthe result on others with `rekindle evaluate`.\n",
            );
        }
    }
    if !of.info.after.test_time.is_empty() {
        let views = of.info.after.test_time.views();
        let _ = writeln!(
            text,
            "Views       {} ({views} of each image)",
            of.info.after.test_time
        );
    }
    text
}

/// The headings behind that of the models, and a row of each: its name and its cells.
fn cells(of: &Combined) -> (Vec<String>, Vec<(String, Vec<String>)>) {
    let outputs = of.info.classes.len();
    let mut figures: Vec<_> = of.info.task.figures().iter().collect();
    figures.rotate_left(1);
    let weights = of.rows.iter().any(|row| row.weight.is_some());
    let calibration = of
        .rows
        .first()
        .is_some_and(|row| row.calibration().is_some());
    let mut headings = Vec::new();
    headings.extend(weights.then(|| "weight".to_owned()));
    headings.extend(figures.iter().map(|figure| figure.short_of(outputs)));
    headings.extend(calibration.then(|| "ECE".to_owned()));
    let row = |row: &Measured| {
        let mut cells = Vec::new();
        if weights {
            cells.push(
                row.weight
                    .map_or(String::new(), |weight| format!("{weight:.3}")),
            );
        }
        for figure in &figures {
            let value = row.report.figure(figure.name);
            cells.push(value.map_or(String::new(), |value| figure.text(value)));
        }
        if calibration {
            cells.push(
                row.calibration()
                    .map_or(String::new(), |error| format!("{error:.3}")),
            );
        }
        (row.name.clone(), cells)
    };
    (headings, of.rows.iter().map(row).collect())
}

fn table(of: &Combined, width: Option<usize>) -> String {
    let (headings, rows) = cells(of);
    if rows.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = std::iter::once("model")
        .chain(headings.iter().map(String::as_str))
        .collect();
    let numbers: Vec<usize> = (1..names.len()).collect();
    let taken: usize = headings
        .iter()
        .map(|name| name.chars().count().max(7) + 2)
        .sum();
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(taken).max(12));
    let mut table = Table::new(&names).right(&numbers);
    for (name, cells) in rows {
        table.row(std::iter::once(words::cut_front(&name, room)).chain(cells));
    }
    table.text()
}

/// The same as a page.
pub fn page(of: &Combined) -> CombinationPage {
    let (headings, rows) = cells(of);
    let rule = of
        .info
        .after
        .combination
        .as_ref()
        .map(|all| rule_words(&all.rule));
    let measured = of.data.as_ref().map(|(data, part, images)| {
        format!(
            "measured on {} of {} ({part})",
            words::count(*images, "image", "images"),
            data.display()
        )
    });
    let parts: Vec<String> = rule.into_iter().chain(measured).collect();
    let folds = of.folds.map(|folds| {
        format!("The last row is of images that its fit had not seen, in {folds} parts.")
    });
    let ece = headings.iter().any(|heading| heading == "ECE").then(|| {
        "ECE is the expected calibration error: how far probabilities are from the share of right answers.".to_owned()
    });
    CombinationPage {
        title: of.output.display().to_string(),
        subtitle: words::capitalised(&parts.join(", ")),
        headings,
        rows,
        spread: of.spread,
        notes: folds.into_iter().chain(ece).collect(),
    }
}

/// How far errors go together, in four lines.
pub fn spread_text(spread: &Spread) -> String {
    let number = |value: f64| format!("{value:.5}");
    let models = spread.models;
    let lines = [
        ("of one model (sigma^2)".to_owned(), number(spread.variance)),
        (
            "correlation of two (rho)".to_owned(),
            format!("{:.3}", spread.correlation),
        ),
        (format!("of the mean of {models}"), number(spread.of_mean)),
        (
            "rho sigma^2 + (1 - rho) sigma^2 / n".to_owned(),
            number(spread.by_formula()),
        ),
        (
            "sigma^2 / n, if independent".to_owned(),
            number(spread.if_independent()),
        ),
    ];
    let mut text = "Variance of the errors of probabilities\n".to_owned();
    for (name, value) in lines {
        let _ = writeln!(text, "  {name:<36}{value:>9}");
    }
    text
}

/// The same as an object.
pub fn spread_value(spread: &Spread) -> Value {
    json!({
        "models": spread.models,
        "variance": spread.variance,
        "correlation": spread.correlation,
        "variance_of_mean": spread.of_mean,
        "variance_by_formula": spread.by_formula(),
        "variance_if_independent": spread.if_independent(),
    })
}

/// Figures by name, with the calibration error where there is one.
pub fn figures_value(report: &TaskReport) -> Map<String, Value> {
    let figures = report
        .figures()
        .map(|(figure, value)| (figure.name.to_owned(), value.into()));
    let calibration =
        calibration_of(report).map(|error| ("calibration_error".to_owned(), error.into()));
    figures.chain(calibration).collect()
}

/// Everything as one object; shares are between 0 and 1.
///
/// # Errors
///
/// A path is not valid Unicode.
pub fn value(of: &Combined) -> Result<Value> {
    let row = |row: &Measured| {
        let mut value = figures_value(&row.report);
        value.insert("name".into(), row.name.as_str().into());
        if let Some(weight) = row.weight {
            value.insert("weight".into(), weight.into());
        }
        Value::Object(value)
    };
    let mut value = json!({ "model": of.output, "rule": Value::Null });
    if let Some(combination) = &of.info.after.combination {
        value["rule"] = serde_json::to_value(&combination.rule)?;
        value["networks"] = combination.networks().into();
    }
    if let Some((data, part, images)) = &of.data {
        value["data"] = serde_json::to_value(data)?;
        value["split"] = part.as_str().into();
        value["images"] = (*images).into();
        value["images_left_out"] = of.skipped.into();
        value["folds"] = of.folds.into();
        value["rows"] = of.rows.iter().map(row).collect();
    }
    if !of.mixed.is_empty() {
        value["rule"] = "soup".into();
        value["networks"] = 1.into();
        let each = of.mixed.iter().map(|(model, is_in)| {
            Ok(json!({ "model": serde_json::to_value(model)?, "mixed": is_in }))
        });
        value["models"] = Value::Array(each.collect::<Result<_>>()?);
    }
    if !of.tried.is_empty() {
        let each = |(l2, loss): &(f64, f64)| json!({ "l2": l2, "log_loss": loss });
        value["tried"] = of.tried.iter().map(each).collect();
    }
    if let Some(spread) = &of.spread {
        value["spread"] = spread_value(spread);
    }
    Ok(value)
}
