//! Finds the model file that an argument means.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use rekindle_finetune::Latest;

/// The file itself, or the model of a run directory; `latest` beside runs stands for the newest of them.
///
/// # Errors
///
/// Nothing is there, or the directory holds no model.
pub fn model_path(path: &Path) -> Result<PathBuf> {
    let path = Latest::follow(path);
    if !path.is_dir() {
        if !path.exists() {
            bail!(
                "there is no model `{}`; give a model.safetensors, or the directory of a run",
                path.display()
            );
        }
        return Ok(path);
    }
    let model = path.join("model.safetensors");
    if model.is_file() {
        return Ok(model);
    }
    if path.join("plan.toml").is_file() {
        bail!(
            "the run {0} has no model.safetensors, so it is not finished; go on with `rekindle train --resume {0}`",
            path.display()
        );
    }
    bail!(
        "`{}` is a folder without a model.safetensors; give a model file, or the directory of a run",
        path.display()
    )
}
