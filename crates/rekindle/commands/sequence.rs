//! `rekindle sequence`: classes of sequences of frames. Owns the list of what is done with them; each part is a file in `sequence/`.

mod evaluate;
mod predict;
mod train;

use std::path::Path;

use anyhow::{Result, bail};
use clap::Subcommand;
use rekindle_data::DataError;
use rekindle_sequence::{Recipe, SequenceError};

use crate::Ending;

const NOTES: &str = "\
DATA is a folder CLASS/SEQUENCE/FRAME.jpg (also train/CLASS/.. with val/ and test/ beside it), its frames in the order of their names, 2 \
before 10; or a list (.csv, .tsv, .jsonl) with the columns path, label, group (the sequence) and, if you like, frame (its number) and \
split. Sequences are never divided between training and validation.

  rekindle sequence train clips -o clips.safetensors
  rekindle sequence evaluate clips.safetensors more-clips
  rekindle sequence predict clips.safetensors new-clips --csv";

/// Train, evaluate and use models that classify sequences of frames
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: SequenceCommand,
}

/// What is done with sequences.
#[derive(Debug, Subcommand)]
pub enum SequenceCommand {
    #[allow(missing_docs)]
    Train(train::Args),
    #[allow(missing_docs)]
    Evaluate(evaluate::Args),
    #[allow(missing_docs)]
    Predict(predict::Args),
}

/// Does it.
pub fn run(args: &Args) -> Result<Ending> {
    match &args.command {
        SequenceCommand::Train(args) => train::run(args),
        SequenceCommand::Evaluate(args) => evaluate::run(args),
        SequenceCommand::Predict(args) => predict::run(args),
    }
}

/// Those of the settings under `data` that matter where nothing is trained.
const OF_READING: [&str; 9] = [
    "root",
    "path_column",
    "label_column",
    "split_column",
    "group_column",
    "frame_column",
    "path_prefix",
    "suffix",
    "checked_headers",
];

/// The settings that say how sequences are read; others have no meaning for a model that is trained.
fn reading(set: &[String]) -> Result<Recipe> {
    for setting in set {
        let key = setting.split('=').next().unwrap_or_default().trim();
        let own = key.strip_prefix("data.");
        if !own.is_some_and(|key| OF_READING.contains(&key)) {
            bail!(
                "`--set {setting}` does nothing here, since the model file holds it, leave it out; settings of reading are data.{}",
                OF_READING.join(", data.")
            );
        }
    }
    let recipe = Recipe::load(None, set)?;
    recipe.check()?;
    Ok(recipe)
}

/// An error whose message says how frames that cannot be decoded are left out.
fn with_a_way_on(error: SequenceError, flag: &str) -> anyhow::Error {
    let bad = matches!(
        error,
        SequenceError::Data(DataError::UnreadableImage { .. } | DataError::BadImages { .. })
    );
    match bad {
        true => anyhow::anyhow!("{error}; {flag} leaves such frames out"),
        false => error.into(),
    }
}

/// Refuses a model that is not there, before anything else is looked at.
fn there(model: &Path) -> Result<()> {
    match model.is_file() {
        true => Ok(()),
        false => bail!(
            "there is no model file `{}`; `rekindle sequence train DATA -o FILE` writes one",
            model.display()
        ),
    }
}
