//! The settings that say how data is read, as `evaluate` and `predict` take them.

use anyhow::{Result, bail};
use rekindle_finetune::{DataRecipe, Recipe};

/// The settings under `data`; others have no meaning for a model that is trained.
///
/// # Errors
///
/// A setting that does not begin with `data.`, or is wrong.
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
    Ok(settings)
}
