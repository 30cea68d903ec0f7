//! The command line: names, help texts and types of all arguments. What they mean is the commands' business.

mod train;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use train::TrainArgs;

const EXAMPLES: &str = "\
Examples:
  rekindle check photos                            what would spoil training on photos
  rekindle preview photos                          a picture of what training sees
  rekindle train photos                            fine-tune on photos/CLASS/IMAGE
  rekindle train labels.csv                        with columns path and label
  rekindle train photos --set phase1.epochs=20     with another setting
  rekindle train --resume runs/photos-1            resume after Ctrl-C
  rekindle evaluate runs/photos-1 test-photos      measure the result
  rekindle predict runs/photos-1 new/ --csv        class and probability of each image
  rekindle bench resnet18 resnet50                 how fast backbones are here";

/// Fine-tune pretrained CNN backbones on labelled images.
#[derive(Debug, Parser)]
#[command(name = "rekindle", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[expect(clippy::large_enum_variant, reason = "one value per process")]
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look for what would stop or spoil training: broken files, duplicates, leakage, imbalance
    Check(CheckArgs),
    /// Draw what training sees of some images: the evaluation view and augmented ones
    Preview(PreviewArgs),
    /// Train on images with classes, labels or numbers: a folder, a manifest or tar shards
    Train(TrainArgs),
    /// Evaluate a model on labelled images
    Evaluate(EvaluateArgs),
    /// Predict the classes, labels or numbers of images
    Predict(PredictArgs),
    /// List the pretrained backbones
    Backbones(BackbonesArgs),
    /// Show the stages of a backbone: sizes, parameters, multiply-adds, memory
    Summary(SummaryArgs),
    /// Show a model's metadata
    Inspect(InspectArgs),
    /// Benchmark backbones on this machine
    Bench(BenchArgs),
    /// Show or clear the cache of decoded images
    Cache(CacheArgs),
    /// List the settings of a recipe, or those with a word in them
    Settings(SettingsArgs),
    /// Print a shell's completions of this command line
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
    /// Fetch, list, check or remove pretrained weights of the Hugging Face hub
    Weights(WeightsArgs),
}

const CHECK_NOTES: &str = "\
DATA is laid out as for `train`, and is only read. Two pictures are the same if their pixels are, or if \
their perceptual hashes (pHash, 64 bits) differ by at most 6 bits and their colours, 8 by 8, by at most 6 of 255 levels on average.

Exit codes: 0 nothing serious, 1 something that stops or spoils training (a picture in several classes or splits, images that cannot \
be decoded unless data.bad_images=skip, classes that are too small), 2 an error.";

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = CHECK_NOTES)]
pub struct CheckArgs {
    /// The folder of images
    pub data: PathBuf,
    /// A recipe: its input size, split and policies are what the folder is checked for
    #[arg(long, value_name = "FILE.toml")]
    pub recipe: Option<PathBuf>,
    /// Override one setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Draw what was found, and some images of each class
    #[arg(long, value_name = "FILE.png")]
    pub sheet: Option<PathBuf>,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `preview`.
#[derive(Debug, clap::Args)]
pub struct PreviewArgs {
    /// The folder of images
    pub data: PathBuf,
    /// A recipe: a TOML file with settings that override the defaults
    #[arg(long, value_name = "FILE.toml")]
    pub recipe: Option<PathBuf>,
    /// Override one setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Random seed (seed)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Output file [default: the folder's name and a number, in the current directory]
    #[arg(long, value_name = "FILE.png")]
    pub out: Option<PathBuf>,
    /// Images to show, a row each
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = up_to_100)]
    pub count: usize,
    /// Augmented views of each image
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = views)]
    pub views: usize,
}

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
pub struct EvaluateArgs {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// The images, as for `train`, with classes or labels that the model knows, or its numbers
    pub data: PathBuf,
    /// Which images [default: test/ if it is there, else val/, else all; without those that the model's run was trained on]
    #[arg(long)]
    pub split: Option<SplitArg>,
    /// A run or its split.json: measure on that run's own validation images, or on the part named with --split
    #[arg(long, value_name = "FILE")]
    pub run_split: Option<PathBuf>,
    /// How DATA is read: a setting that begins with `data.`, as for `train`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// Arguments of `predict`.
#[derive(Debug, clap::Args)]
pub struct PredictArgs {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// Images, folders of images, manifests that name images, or tar shards; `-` for paths on standard input, one a line
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Show the N most likely classes of each image [default: 3]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub top: Option<usize>,
    /// Minimum probability of a label, for models of several labels [default: 0.5]
    #[arg(long, value_name = "P", value_parser = probability)]
    pub threshold: Option<f32>,
    /// Copy each image to DIR/CLASS, by its likeliest class; DIR must be new or empty
    #[arg(long, value_name = "DIR")]
    pub sort: Option<PathBuf>,
    /// How manifests are read: a setting that begins with `data.`, such as data.root=DIR; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print a JSON array
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV with a header
    #[arg(long)]
    pub csv: bool,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// What `evaluate` and `predict` share.
#[derive(Debug, clap::Args)]
pub struct InferenceArgs {
    /// Where to compute: cpu, or a backend such as wgpu:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Images per batch; results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub batch_size: usize,
    /// What to do with images that cannot be decoded
    #[arg(long, value_name = "POLICY", default_value = "fail")]
    pub bad_images: BadImagesArg,
}

/// Arguments of `backbones`.
#[derive(Debug, clap::Args)]
pub struct BackbonesArgs {
    /// Print the cards as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `summary`.
#[derive(Debug, clap::Args)]
pub struct SummaryArgs {
    /// The backbone, with or without the tag of its weights; none are needed
    pub backbone: String,
    /// Side of the images in pixels, where it is not that of the backbone's weights
    #[arg(long, value_name = "PX", value_parser = side)]
    pub size: Option<usize>,
    /// Images of the training step whose memory is told
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub batch: usize,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
}

const BENCH_NOTES: &str = "\
Weights are random, which changes no time, so none are needed. Inference is the network with its batch norms folded; training \
is a whole step with nothing frozen: forward, cross-entropy over 10 classes, backward, SGD. Memory is the most that the process \
held in training; a GPU's own is not in it. Each backbone is measured in a process of its own. Leave the machine alone meanwhile.";

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = BENCH_NOTES)]
pub struct BenchArgs {
    /// Backbones, see `rekindle backbones`, with or without the tag of their weights
    #[arg(required = true, value_name = "BACKBONE")]
    pub backbones: Vec<String>,
    /// Images per batch
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub batch: usize,
    /// Side of the images in pixels
    #[arg(long, value_name = "PX", default_value_t = 224, value_parser = side)]
    pub size: usize,
    /// Batches to time, after two that are not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub runs: usize,
    /// Threads to compute with on a CPU [default: one per core]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,
    /// Where to compute: cpu, or a backend such as wgpu:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// The format in which products are computed
    #[arg(long, default_value = "f32")]
    pub precision: PrecisionArg,
    /// Measure this alone
    #[arg(long, value_name = "PART")]
    pub only: Option<BenchPart>,
    /// Print a JSON array with everything that was measured
    #[arg(long)]
    pub json: bool,
    /// Measure the one backbone in this process: how the command calls itself
    #[arg(long, hide = true)]
    pub measure_here: bool,
}

const CACHE_NOTES: &str = "\
Training keeps decoded images there, at most data.disk_cache_mb of them, so that later epochs and runs need not decode them again. \
What it holds can be removed at any time: a run decodes anew what it misses, and its results are the same.";

/// Arguments of `cache`.
#[derive(Debug, clap::Args)]
#[command(after_help = CACHE_NOTES)]
pub struct CacheArgs {
    /// The directory, where it is not the system's (data.cache_directory of a recipe)
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Remove everything in it
    #[arg(long)]
    pub clear: bool,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `settings`.
#[derive(Debug, clap::Args)]
pub struct SettingsArgs {
    /// Only settings with this word in their name, their section or what is said of them
    pub word: Option<String>,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

const COMPLETIONS_NOTES: &str = "\
Where they go, for example:
  bash  rekindle completions bash > ~/.local/share/bash-completion/completions/rekindle
  zsh   rekindle completions zsh > ~/.zfunc/_rekindle      (a folder of fpath)
  fish  rekindle completions fish > ~/.config/fish/completions/rekindle.fish";

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS_NOTES)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

const WEIGHTS_NOTES: &str = "\
NAME is a backbone, with or without the tag of its weights, or a file on the hub: hf://OWNER/REPO[@REVISION][/FILE]. Training fetches what \
it misses by itself. The cache is the one that Python's huggingface_hub uses; HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and \
HF_HUB_OFFLINE are read.";

/// Arguments of `weights`.
#[derive(Debug, clap::Args)]
#[command(after_help = WEIGHTS_NOTES)]
pub struct WeightsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: WeightsCommand,
}

/// What is done with weights.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// Fetch what is not in the cache, and print where it is
    Fetch {
        /// Backbones or files on the hub
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// List the weights in the cache, whichever program fetched them
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare cached files with the hashes they must have; exit code 1 if one is damaged or missing
    Verify {
        /// Backbones or files on the hub [default: all that is cached]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Print where a cached file is
    Path {
        /// A backbone or a file on the hub
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove a repository, all its files and revisions, from the cache
    Remove {
        /// Backbones, files on the hub or repositories (OWNER/REPO)
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

/// In which number format convolutions multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// 32-bit floats
    F32,
    /// 16-bit brain floats with sums in f32, on a CPU that has them
    Bf16,
}

/// What of a network is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchPart {
    /// Inference
    Infer,
    /// Training steps
    Train,
}

impl BenchPart {
    /// The word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Train => "train",
        }
    }
}

/// What to do with images that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BadImagesArg {
    /// Stop with an error that names them
    Fail,
    /// Leave them out and list them
    Skip,
}

impl BadImagesArg {
    /// The word of the command line and of recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// A part of a folder of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitArg {
    /// The validation images
    Val,
    /// The test images
    Test,
    /// The training images
    Train,
    /// Every image
    All,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("expected a whole number".into()),
    }
}

fn probability(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("expected a number from 0 to 1".into()),
    }
}

fn up_to_100(text: &str) -> Result<usize, String> {
    within(text, 1, 100)
}

/// As many as a sheet has columns beside the evaluation view.
fn views(text: &str) -> Result<usize, String> {
    within(text, 1, 20)
}

fn within(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from {least} to {most}")),
    }
}

/// From the smallest that networks take to one that no photograph needs.
fn side(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(pixels @ 32..=4096) => Ok(pixels),
        Ok(_) => Err("expected 32 to 4096".into()),
        Err(_) => Err("expected a whole number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn resuming_takes_no_other_settings() {
        let parse = |words: &[&str]| Args::try_parse_from([&["rekindle", "train"], words].concat());
        assert!(parse(&["--resume", "runs/a"]).is_ok());
        assert!(parse(&["--resume", "runs/a", "--quiet", "--json"]).is_ok());
        assert!(parse(&["--resume", "runs/a", "--seed", "1"]).is_err());
        assert!(parse(&["photos", "--resume", "runs/a"]).is_err());
        assert!(parse(&[]).is_err());
    }
}
