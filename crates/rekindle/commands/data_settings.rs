//! The settings that say how data is read, as `evaluate` and `predict` take them.

use anyhow::{Result, bail};
use rekindle_data::DataRecipe;
use rekindle_finetune::Recipe;

/// Those of the settings under `data` that matter where nothing is trained.
const OF_READING: [&str; 12] = [
    "root",
    "path_column",
    "label_column",
    "labels_column",
    "label_separator",
    "label_columns",
    "number_columns",
    "path_prefix",
    "suffix",
    "split_column",
    "group_column",
    "checked_headers",
];

/// The settings under `data` that say how data is read; others have no meaning for a model that is trained.
///
/// # Errors
///
/// A setting that does not begin with `data.`, is wrong, or would do nothing.
pub fn data_settings(set: &[String]) -> Result<DataRecipe> {
    for setting in set {
        if !setting.trim_start().starts_with("data.") {
            bail!(
                "`--set {setting}`: expected a setting that begins with `data.`; the model file holds all others"
            );
        }
    }
    let settings = Recipe::load(None, set)?.data;
    settings.check()?;
    for setting in set {
        let key = setting.trim().trim_start_matches("data.");
        let key = key.split('=').next().unwrap_or_default().trim();
        if key == "bad_images" {
            bail!("`--set {setting}` does nothing here; use --bad-images");
        }
        if !OF_READING.contains(&key) {
            bail!(
                "`--set {setting}` is for training and does nothing here, leave it out; settings of reading are data.{}",
                OF_READING.join(", data.")
            );
        }
    }
    Ok(settings)
}
