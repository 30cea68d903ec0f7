//! What a model keeps of its training images, as text and as JSON.

use std::path::Path;

use anyhow::Result;
use rekindle_model::Familiarity;
use serde_json::json;

use super::words;

/// What was kept, and of which images.
#[derive(Debug)]
pub struct Told<'a> {
    pub output: &'a Path,
    pub data: &'a Path,
    pub part: &'a str,
    /// Held-out images that could not be decoded.
    pub skipped: usize,
    pub familiarity: &'a Familiarity,
}

/// A few lines.
pub fn text(of: &Told) -> String {
    let found = of.familiarity;
    let at = |share: f64| {
        let last = (found.distances.len() - 1) as f64;
        found.distances[(last * share).round() as usize]
    };
    format!(
        "Kept        the features of {} of {}, {} KB\nShares of   {} of {} ({})\nDistances   {:.3} in the middle, {:.3} of the strangest twentieth\n\
         Result      {}",
        found.kept,
        words::count(found.chosen_from, "training image", "training images"),
        found.size().div_ceil(1000),
        words::count(found.held_out, "image", "images"),
        of.data.display(),
        of.part,
        at(0.5),
        at(0.95),
        of.output.display()
    )
}

/// One object.
///
/// # Errors
///
/// A path is not valid Unicode.
pub fn json(of: &Told) -> Result<String> {
    let found = of.familiarity;
    let value = json!({
        "model": of.output,
        "data": of.data,
        "split": of.part,
        "kept": found.kept,
        "training_images": found.chosen_from,
        "held_out_images": found.held_out,
        "images_left_out": of.skipped,
        "features": found.features,
        "bytes": found.size(),
        "distances": found.distances,
    });
    Ok(serde_json::to_string_pretty(&value)?)
}
