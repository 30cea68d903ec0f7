//! The commands: a file each, with its arguments, their help, and `run`, which returns how the command ended. Adding one is its file and
//! its line in the list below.

mod backbones;
mod bag;
mod bench;
mod cache;
mod calibrate;
mod check;
mod compare;
mod completions;
mod data_settings;
mod drift;
mod ensemble;
mod evaluate;
mod explain;
mod export;
mod familiarity;
mod features;
mod held_out;
mod images;
mod inspect;
mod lr_find;
mod man;
mod model;
mod naming;
mod predict;
mod preview;
mod report;
mod runs;
mod sequence;
mod serve;
mod settings;
mod signals;
mod sorted;
mod soup;
mod stack;
mod summary;
mod train;
mod train_flags;
mod trained_on;
mod weights;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::Ending;

const EXAMPLES: &str = "\
Examples:
  rekindle check photos                            what would spoil training on photos
  rekindle train photos                            fine-tune on photos/CLASS/IMAGE
  rekindle train --resume runs/photos-1            resume after Ctrl-C
  rekindle evaluate runs/photos-1 test-photos      measure the result
  rekindle predict runs/photos-1 new/ --csv        class and probability of each image
  rekindle export runs/photos-1 -o photos.onnx     for ONNX Runtime and others";

/// Fine-tune pretrained CNN backbones on labelled images.
#[derive(Debug, Parser)]
#[command(name = "rekindle", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Makes the enum of the commands, in the order of the help, and what runs them. The first line of a module's `Args` says in the help
/// what the command does.
macro_rules! commands {
    ($($module:ident: $name:ident),* $(,)?) => {
        /// A command with its arguments.
        #[allow(clippy::large_enum_variant, reason = "one value per process")]
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $(#[allow(missing_docs)] $name($module::Args)),*
        }

        impl Command {
            /// Does what was asked for.
            ///
            /// # Errors
            ///
            /// What the command could not do, for the user to read.
            pub fn run(&self) -> Result<Ending> {
                match self {
                    $(Self::$name(args) => $module::run(args)),*
                }
            }
        }
    };
}

commands! {
    check: Check,
    preview: Preview,
    lr_find: LrFind,
    train: Train,
    compare: Compare,
    evaluate: Evaluate,
    report: Report,
    runs: Runs,
    predict: Predict,
    explain: Explain,
    drift: Drift,
    serve: Serve,
    ensemble: Ensemble,
    soup: Soup,
    stack: Stack,
    calibrate: Calibrate,
    familiarity: Familiarity,
    export: Export,
    features: Features,
    sequence: Sequence,
    backbones: Backbones,
    weights: Weights,
    summary: Summary,
    inspect: Inspect,
    bench: Bench,
    cache: Cache,
    settings: Settings,
    completions: Completions,
    man: Man,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn resuming_takes_no_other_settings() {
        let parse =
            |words: &[&str]| CommandLine::try_parse_from([&["rekindle", "train"], words].concat());
        assert!(parse(&["--resume", "runs/a"]).is_ok());
        assert!(parse(&["--resume", "runs/a", "--quiet", "--json"]).is_ok());
        assert!(parse(&["--resume", "runs/a", "--seed", "1"]).is_err());
        assert!(parse(&["photos", "--resume", "runs/a"]).is_err());
        assert!(parse(&[]).is_err());
    }
}
