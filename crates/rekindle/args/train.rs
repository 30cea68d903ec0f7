//! The arguments of `train`. Which settings the flags stand for is said in their help; the mapping is `commands/train_flags.rs`'s.

use std::path::PathBuf;

use super::{BadImagesArg, at_least_one};

const TRAIN_EXAMPLES: &str = "\
DATA is one of these, and is only read:
  a folder     one folder per class, or the folders train, val and, if you like, test, with class folders in each
  a manifest   .csv, .tsv or .jsonl with a row for each image: path, label and, if you like, split and group;
               `labels` in place of `label` holds several, as red|round (a list in .jsonl); `number`, or
               columns such as number:height, numbers to be predicted
  tar shards   a .tar file, or a folder of them: 0001.jpg followed by 0001.cls, .txt or .json with its label

Every setting of a recipe can be given with --set, and flags stand for some: `rekindle settings` lists them all, \
`rekindle train DATA --dry-run` shows what a run would use. Examples:
  --set phase1.epochs=20 --set phase2.epochs=0     head only
  --set unfreeze.from=all                          all stages in phase 2
  --set phase2.optim.name=sgd                      another optimiser
  --set input.size=160                             smaller images, faster
  --set data.sampling=balanced                     every class equally often
  --set data.group_by=prefix                       a_1.jpg and a_2.jpg never divided
  --set data.folds=5 --set data.fold=2             second fold of five for validation
  --set data.label_column=breed                    that column of a manifest
  --set data.number_columns=age                    that column's numbers
  --set data.disk_cache_mb=0                       no decoded images kept on disk

Ctrl-C, SIGTERM and SIGHUP save the run, which `rekindle train --resume RUN` goes on with; a second one stops at once. A run that \
was killed goes on from its last checkpoint, at most an epoch and 30 seconds back. RUN/model.safetensors holds the best weights so far \
from the first epoch on.

Exit codes: 0 done, 2 an error, and where a signal stopped the run 128 and its number: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.";

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
#[command(after_help = TRAIN_EXAMPLES)]
pub struct TrainArgs {
    /// The images: a folder, a manifest (.csv, .tsv, .jsonl) or tar shards
    #[arg(required_unless_present = "resume")]
    pub data: Option<PathBuf>,
    /// A recipe: a TOML file with settings that override the defaults
    #[arg(long, value_name = "FILE.toml")]
    pub recipe: Option<PathBuf>,
    /// Override one setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Random seed (seed)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Most epochs of each phase (PHASE.epochs, such as phase1.epochs)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub epochs: Option<usize>,
    /// Learning rate of the head in each phase (PHASE.lr)
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub lr: Option<f64>,
    /// Images per training step in each phase (PHASE.batch_size)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub batch_size: Option<usize>,
    /// Keep the whole backbone frozen (PHASE.epochs=0 for each phase that trains more than the head)
    #[arg(long)]
    pub freeze: bool,
    /// Side of the images in pixels, or HEIGHTxWIDTH (input.size)
    #[arg(long, value_name = "PX", visible_alias = "imgsz", value_parser = size)]
    pub size: Option<[usize; 2]>,
    /// Validate on these images: a folder or manifest with the same classes (data.validation)
    #[arg(long, value_name = "DIR")]
    pub val: Option<PathBuf>,
    /// Name of the run [default: the folder's name and a number]
    #[arg(long)]
    pub name: Option<String>,
    /// The folder in which runs are kept
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
    /// The directory of the run itself, in place of --runs and --name
    #[arg(long, short, value_name = "DIR", conflicts_with_all = ["runs", "name"])]
    pub out: Option<PathBuf>,
    /// The backbone, see `rekindle backbones` (backbone.name)
    #[arg(long, value_name = "NAME", visible_alias = "model")]
    pub backbone: Option<String>,
    /// A .safetensors file with the backbone's weights, or `random` to start from scratch (backbone.weights)
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Where to compute: cpu, or a backend such as wgpu:0 (device) [default: cpu]
    #[arg(long)]
    pub device: Option<String>,
    /// What to do with images that cannot be decoded (data.bad_images) [default: fail]
    #[arg(long, value_name = "POLICY")]
    pub bad_images: Option<BadImagesArg>,
    /// Use at most N images, the same share of each class, to try a run out (data.limit)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub limit: Option<usize>,
    /// Check everything and print the plan without writing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Resume an interrupted run, given by its directory
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["data", "recipe", "set", "seed", "name", "runs", "backbone", "weights", "device", "bad_images", "limit", "dry_run", "epochs", "lr", "batch_size", "freeze", "size", "val", "out"]
    )]
    pub resume: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Show no progress, only warnings and the result
    #[arg(long, short)]
    pub quiet: bool,
}

/// A learning rate.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("expected a number above 0, such as 3e-4".into()),
    }
}

/// `160`, or height and width as `160x128`.
fn size(text: &str) -> Result<[usize; 2], String> {
    let pixels = |text: &str| text.parse::<usize>().ok().filter(|pixels| *pixels > 0);
    let sides = match text.split_once('x') {
        Some((height, width)) => pixels(height).zip(pixels(width)),
        None => pixels(text).map(|side| (side, side)),
    };
    match sides {
        Some((height, width)) => Ok([height, width]),
        None => Err("expected pixels, such as 160, or height and width, such as 160x128".into()),
    }
}
