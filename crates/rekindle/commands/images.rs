//! What evaluation and prediction share: which images can be used, and a bar while they are computed.

use anyhow::{Error, Result};
use rekindle_data::{BadImages, DataError, Dataset};
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
