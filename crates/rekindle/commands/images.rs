//! What evaluation and prediction share: which images are meant, and which can be used.

use std::io::{self, BufRead};
use std::path::PathBuf;

use anyhow::{Context, Error, Result, bail};
use rekindle_data::{BadImages, DataError, Dataset, ImageFolder, SourceOptions, open_unlabelled};
use rekindle_model::ModelError;

use crate::args::BadImagesArg;
use crate::print;

/// The samples that can be decoded; the others are an error, or are listed as warnings, as the policy says.
///
/// # Errors
///
/// Under `fail`, an image whose header cannot be read, among the `checked_headers` that are looked at; one that is broken further on, or
/// was not looked at, is found when it is needed.
pub fn usable(
    dataset: &Dataset,
    policy: BadImagesArg,
    checked_headers: usize,
    samples: Vec<usize>,
) -> Result<(Vec<usize>, usize)> {
    let verified = match policy {
        BadImagesArg::Fail => dataset.verify_some_headers(BadImages::Fail, checked_headers)?,
        BadImagesArg::Skip => dataset.verify_decode(BadImages::Skip)?,
    };
    print::bad_images(&verified.bad);
    let good = samples
        .into_iter()
        .filter(|sample| verified.good.binary_search(sample).is_ok())
        .collect();
    Ok((good, verified.bad.len()))
}

/// The error about one image that cannot be decoded, as one about all of them: the first that is met would hide the others.
pub fn with_others(error: Error, dataset: &Dataset) -> Error {
    let Some(ModelError::Data(DataError::UnreadableImage { .. })) = error.downcast_ref() else {
        return error;
    };
    match dataset.verify_decode(BadImages::Fail) {
        Err(all @ DataError::BadImages { .. }) => all.into(),
        // It could be read this time.
        _ => error,
    }
}

/// The images that the arguments name, folders, manifests and tar shards listed; `-` stands for paths on standard input, one a line.
pub fn list(arguments: &[PathBuf], options: &SourceOptions) -> Result<ImageFolder> {
    let mut paths = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match argument.as_os_str() == "-" {
            true => paths.extend(read_paths(io::stdin().lock())?),
            false => paths.push(argument.clone()),
        }
    }
    for path in &paths {
        if !path.exists() {
            bail!(
                "there is no image or folder `{}`; check the path",
                path.display()
            );
        }
    }
    if paths.is_empty() {
        bail!("standard input names no images; write one path a line");
    }
    Ok(open_unlabelled(&paths, options)?)
}

/// Paths, one a line; empty lines count for nothing.
fn read_paths(lines: impl BufRead) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for line in lines.lines() {
        let line = line.context("standard input cannot be read as paths, one a line")?;
        let line = line.trim_end_matches('\r');
        if !line.is_empty() {
            paths.push(PathBuf::from(line));
        }
    }
    Ok(paths)
}
