//! How many bytes each picture of a run has: written when it begins, so that one that was replaced is known when the run goes on.
//!
//! A run reads a picture again and again. One that became another in the meantime, under the same name, would be trained on as if it were
//! the one that its label was given to. A length costs no reading; another picture has another one, but for chance.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use rekindle_model::{read, write_whole};

use crate::{FinetuneError, Plan};

/// The file in the run's directory.
pub(super) const LENGTHS: &str = "lengths.tsv";

/// The length of each picture by its path, of those that are there.
fn lengths(plan: &Plan) -> BTreeMap<String, u64> {
    let folder = plan.dataset.folder();
    let samples = plan.split.train.iter().chain(&plan.split.validation);
    let each = samples.filter_map(|sample| {
        let sample = &folder.samples[*sample];
        Some((
            sample.path.to_str()?.to_owned(),
            folder.length(sample).ok()?,
        ))
    });
    each.collect()
}

/// Writes them for a run that begins.
///
/// # Errors
///
/// The file cannot be written.
pub(super) fn write_lengths(plan: &Plan, directory: &Path) -> Result<(), FinetuneError> {
    let mut text = String::new();
    for (path, length) in lengths(plan) {
        let _ = writeln!(text, "{length}\t{path}");
    }
    Ok(write_whole(&directory.join(LENGTHS), text.as_bytes())?)
}

/// Checks them where a run goes on; one of a version that wrote none is not checked.
///
/// # Errors
///
/// [`FinetuneError::ResumeMismatch`] with the pictures that have another length.
pub(super) fn check_lengths(plan: &Plan, directory: &Path) -> Result<(), FinetuneError> {
    let file = directory.join(LENGTHS);
    if !file.exists() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&read(&file)?).into_owned();
    let found = lengths(plan);
    let replaced: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let (length, path) = line.split_once('\t')?;
            let now = found.get(path)?;
            (length.parse() != Ok(*now)).then(|| format!("`{path}` ({now} bytes, then {length})"))
        })
        .collect();
    match replaced.is_empty() {
        true => Ok(()),
        false => Err(FinetuneError::ResumeMismatch {
            path: directory.into(),
            reason: format!(
                "pictures were replaced since it was started: {}; put the old ones back, or start a new run",
                rekindle_settings::first_ten(&replaced)
            ),
        }),
    }
}
