//! How far new pictures are from those that a model was measured on, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use rekindle_insight::drift::{Drift, OutputDrift};
use serde_json::json;

use super::table::Table;
use super::words;

/// Rows of the table; of more outputs those that differ most are told.
const ROWS: usize = 20;

/// What was found, and of what.
#[derive(Debug)]
pub struct Told<'a> {
    pub drift: &'a Drift,
    pub data: &'a Path,
    pub part: &'a str,
    /// Images that could not be decoded.
    pub left_out: usize,
}

/// A table and what it comes to.
pub fn text(of: &Told, width: usize) -> String {
    let drift = of.drift;
    let mut text = String::new();
    let images = |count| words::count(count, "image", "images");
    let _ = writeln!(
        text,
        "Reference   {} of {} ({})\nNew         {}\n",
        images(drift.reference_images),
        of.data.display(),
        of.part,
        images(drift.new_images)
    );
    let mut rows: Vec<&OutputDrift> = drift.outputs.iter().collect();
    rows.sort_by(|one, other| other.distance.total_cmp(&one.distance));
    let mut table =
        Table::new(&["", "mean before", "mean now", "distance", "p"]).right(&[1, 2, 3, 4]);
    for row in rows.iter().take(ROWS) {
        table.row([
            words::cut_back(&row.name, 30),
            format!("{:.3}", row.reference_mean),
            format!("{:.3}", row.new_mean),
            format!("{:.3}", row.distance),
            format!("{:.4}", row.p_value),
        ]);
    }
    text.push_str(&table.text());
    if rows.len() > ROWS {
        let _ = writeln!(
            text,
            ".. and {} that differ less (--json)",
            rows.len() - ROWS
        );
    }
    let verdict = match (drift.is_found(), drift.most()) {
        (true, Some(most)) => format!(
            "the new images are not like the reference, most of all in {} (p = {:.4})",
            words::clean(&most.name),
            drift.p_value
        ),
        _ => format!(
            "no difference beyond what chance does (p = {:.4})",
            drift.p_value
        ),
    };
    text.push('\n');
    let mut line = |title: &str, said: &str| {
        text.push_str(&words::wrapped(said, title, "            ", width));
        text.push('\n');
    };
    line("Drift       ", &verdict);
    if let Some(accuracy) = drift.accuracy {
        let said = format!(
            "{} of the reference; about {} expected of the new images, if they are of these classes",
            words::percent(accuracy.reference),
            words::percent(accuracy.new)
        );
        line("Accuracy    ", &said);
    }
    if of.left_out > 0 {
        let _ = writeln!(text, "Left out    {}", images(of.left_out));
    }
    text
}

/// One object.
///
/// # Errors
///
/// A path is not valid Unicode.
pub fn json(of: &Told) -> Result<String> {
    let mut value = serde_json::to_value(of.drift)?;
    value["found"] = of.drift.is_found().into();
    value["reference"] = json!({ "data": of.data, "part": of.part });
    value["images_left_out"] = of.left_out.into();
    Ok(serde_json::to_string_pretty(&value)?)
}
