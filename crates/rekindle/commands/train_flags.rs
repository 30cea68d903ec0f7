//! The flags of `train` that stand for settings, as `key=value`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use rekindle_data::Figure;
use rekindle_finetune::{PhaseRecipe, Recipe};

use crate::args::{BadImagesArg, at_least_one, channels};

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
  --set data.disk_cache_mb=0                       nothing kept on disk for later runs

Ctrl-C, SIGTERM and SIGHUP save the run, and `rekindle train --resume RUN` continues it; a second signal stops at once. A run that was \
killed continues from its last checkpoint, at most one epoch and 30 seconds earlier. From the first epoch on, RUN/model.safetensors \
holds the best weights so far. `runs/latest` is the newest run.

Exit codes: 0 done; 2 error; if a signal stopped the run, 128 plus its number: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.";

/// Train on images with classes, labels or numbers: a folder, a manifest or tar shards
#[derive(Debug, clap::Args)]
#[command(after_help = TRAIN_EXAMPLES)]
pub struct Args {
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
    /// Maximum number of epochs per phase (PHASE.epochs, such as phase1.epochs)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub epochs: Option<usize>,
    /// Learning rate of the head in each phase (PHASE.lr)
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub lr: Option<f64>,
    /// Images per training step in each phase, or `auto` for as many as fit into memory (PHASE.batch_size)
    #[arg(long, value_name = "N", value_parser = images_per_step)]
    pub batch_size: Option<usize>,
    /// Figure of the validation images that chooses the best epoch and when to stop, such as macro_f1 (PHASE.stopping.monitor)
    #[arg(long, value_name = "FIGURE")]
    pub metric: Option<String>,
    /// Keep the whole backbone frozen (PHASE.epochs=0 for each phase that trains more than the head)
    #[arg(long)]
    pub freeze: bool,
    /// Side of the images in pixels, or HEIGHTxWIDTH (input.size)
    #[arg(long, value_name = "PX", visible_alias = "imgsz", value_parser = size)]
    pub size: Option<[usize; 2]>,
    /// Channels of the images: 3 colours, 1 for grey, or as many bands as the files have (input.channels) [default: 3]
    #[arg(long, value_name = "N", value_parser = channels)]
    pub in_chans: Option<usize>,
    /// Validate on these images: a folder or manifest with the same classes (data.validation)
    #[arg(long, value_name = "DIR")]
    pub val: Option<PathBuf>,
    /// Name of the run [default: the folder's name and a number]
    #[arg(long)]
    pub name: Option<String>,
    /// Folder for runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
    /// Directory of this run, instead of --runs and --name
    #[arg(long, short, value_name = "DIR", conflicts_with_all = ["runs", "name"])]
    pub out: Option<PathBuf>,
    /// The backbone, see `rekindle backbones` (backbone.name)
    #[arg(long, value_name = "NAME", visible_alias = "model")]
    pub backbone: Option<String>,
    /// A .safetensors file with the backbone's weights, or `random` to start from scratch (backbone.weights)
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Device to compute on: cpu, or a backend such as wgpu:0 (device) [default: cpu]
    #[arg(long)]
    pub device: Option<String>,
    /// What to do with images that cannot be decoded (data.bad_images) [default: fail]
    #[arg(long, value_name = "POLICY")]
    pub bad_images: Option<BadImagesArg>,
    /// Use at most N images, the same share of each class, for a trial run (data.limit)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub limit: Option<usize>,
    /// Train K models, each on a sample of the training images, and combine them into one
    #[arg(long, value_name = "K", value_parser = models)]
    pub bag: Option<usize>,
    /// Write event files for TensorBoard into the run (log.tensorboard)
    #[arg(long)]
    pub tensorboard: bool,
    /// Show the curves while the run goes on, over the whole terminal
    #[arg(long, conflicts_with_all = ["quiet", "dry_run"])]
    pub tui: bool,
    /// Check everything and print the plan without writing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Resume an interrupted run, given by its directory
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["data", "recipe", "set", "seed", "name", "runs", "backbone", "weights", "device", "bad_images", "limit", "tensorboard", "dry_run", "epochs", "lr", "batch_size", "metric", "freeze", "size", "in_chans", "val", "out", "bag"]
    )]
    pub resume: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Show no progress, only warnings and the result
    #[arg(long, short)]
    pub quiet: bool,
}

/// As many as are worth their time.
fn models(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(models @ 2..=100) => Ok(models),
        _ => Err("expected a whole number from 2 to 100".into()),
    }
}

/// Images of a step, or as many as fit.
fn images_per_step(text: &str) -> Result<usize, String> {
    match text {
        "auto" => Ok(PhaseRecipe::AUTO),
        text => at_least_one(text).map_err(|error| format!("{error}, or `auto`")),
    }
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

/// What `--set` and the flags say, the flags last. Those of phases are said once for each phase of the recipe.
///
/// # Errors
///
/// A path that is not Unicode; a recipe that cannot be read, where its phases have to be known; `--freeze` where no phase trains the head
/// alone.
pub fn overrides(args: &Args) -> Result<Vec<String>> {
    let text = |key: &str, value: &str| format!("{key}={}", toml::Value::from(value));
    let weights = unicode("--weights", args.weights.as_deref())?;
    let validation = unicode("--val", args.val.as_deref())?;
    let mut settings = args.set.clone();
    settings.extend(args.seed.map(|seed| format!("seed={seed}")));
    settings.extend(args.device.as_deref().map(|name| text("device", name)));
    settings.extend(
        args.backbone
            .as_deref()
            .map(|name| text("backbone.name", name)),
    );
    settings.extend(weights.map(|path| text("backbone.weights", path)));
    settings.extend(
        args.bad_images
            .map(|policy| text("data.bad_images", policy.name())),
    );
    settings.extend(args.limit.map(|images| format!("data.limit={images}")));
    settings.extend(args.tensorboard.then(|| "log.tensorboard=true".to_owned()));
    settings.extend(validation.map(|path| text("data.validation", path)));
    settings.extend(
        args.size
            .map(|[height, width]| format!("input.size=[{height},{width}]")),
    );
    settings.extend(args.in_chans.map(|count| format!("input.channels={count}")));
    of_phases(args, &mut settings)?;
    Ok(settings)
}

/// Adds the flags that are for each phase.
fn of_phases(args: &Args, settings: &mut Vec<String>) -> Result<()> {
    let none = args.epochs.is_none() && args.lr.is_none() && args.batch_size.is_none();
    if none && args.metric.is_none() && !args.freeze {
        return Ok(());
    }
    let monitor = args.metric.as_deref().map(|figure| {
        let name = figure.strip_prefix(Figure::OF_VALIDATION).unwrap_or(figure);
        toml::Value::from(format!("{}{name}", Figure::OF_VALIDATION))
    });
    let recipe = Recipe::load(args.recipe.as_deref(), settings)?;
    if args.freeze && !recipe.phase.iter().any(|phase| phase.unfreeze.is_head()) {
        bail!(
            "--freeze trains the head alone, but no phase of this recipe does; leave the flag out, or set unfreeze=\"head\" in a phase"
        );
    }
    for phase in &recipe.phase {
        let name = &phase.name;
        let epochs = match args.freeze && !phase.unfreeze.is_head() {
            true => Some(0),
            false => args.epochs,
        };
        settings.extend(epochs.map(|epochs| format!("{name}.epochs={epochs}")));
        settings.extend(args.lr.map(|lr| format!("{name}.lr={lr:e}")));
        settings.extend(args.batch_size.map(|images| match images {
            PhaseRecipe::AUTO => format!("{name}.batch_size=auto"),
            images => format!("{name}.batch_size={images}"),
        }));
        let chosen = monitor.as_ref();
        settings.extend(chosen.map(|monitor| format!("{name}.stopping.monitor={monitor}")));
    }
    Ok(())
}

/// The path of a flag as text, which TOML wants.
fn unicode<'a>(flag: &str, path: Option<&'a Path>) -> Result<Option<&'a str>> {
    match path.map(Path::to_str) {
        Some(None) => bail!("the path given with {flag} is not valid Unicode; rename the file"),
        other => Ok(other.flatten()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    use crate::commands::{Command, CommandLine};

    fn train_args(words: &[&str]) -> Args {
        match CommandLine::try_parse_from([&["rekindle", "train"], words].concat())
            .unwrap()
            .command
        {
            Command::Train(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_become_settings_whatever_their_text_looks_like() {
        let args = train_args(&[
            "d",
            "--weights",
            "7",
            "--backbone",
            "a'b\"c",
            "--seed",
            "3",
            "--bad-images",
            "skip",
        ]);
        let recipe = Recipe::load(None, &overrides(&args).unwrap()).unwrap();
        assert_eq!(recipe.backbone.weights, Some("7".into()));
        assert_eq!(recipe.backbone.name, "a'b\"c");
        assert_eq!(recipe.seed, 3);
        assert_eq!(recipe.data.bad_images, rekindle_data::BadImages::Skip);
    }

    #[test]
    fn flags_of_phases_are_for_each_phase() {
        let of = |words: &[&str]| {
            let args = train_args(&[&["d"], words].concat());
            Recipe::load(None, &overrides(&args).unwrap()).unwrap()
        };
        let recipe = of(&["--epochs", "4", "--lr", "2e-4", "--batch-size", "8"]);
        for phase in &recipe.phase {
            assert_eq!((phase.epochs, phase.lr, phase.batch_size), (4, 2e-4, 8));
        }
        let auto = of(&["--batch-size", "auto"]);
        assert!(
            auto.phase
                .iter()
                .all(|phase| phase.batch_size == PhaseRecipe::AUTO)
        );
        let frozen = of(&["--epochs", "4", "--freeze", "--size", "96x64"]);
        assert_eq!([0, 1].map(|at| frozen.phase[at].epochs), [4, 0]);
        assert_eq!(frozen.input.size, Some([96, 64]));
        assert_eq!(of(&["--in-chans", "4"]).input.channels, Some(4));
        assert_eq!(of(&["--imgsz", "160"]).input.size, Some([160, 160]));
        for figure in ["macro_f1", "validation_macro_f1"] {
            let recipe = of(&["--metric", figure]);
            for phase in &recipe.phase {
                let monitor = phase.stopping.monitor.map(|monitor| monitor.name());
                assert_eq!(monitor.as_deref(), Some("validation_macro_f1"));
            }
        }
        assert_eq!(of(&["--model", "resnet18"]).backbone.name, "resnet18");
        assert_eq!(of(&["--val", "v"]).data.validation, Some("v".into()));
    }

    #[test]
    fn freezing_a_recipe_without_a_phase_of_the_head_is_refused() {
        let args = train_args(&["d", "--freeze", "--set", "phase1.unfreeze=1"]);
        let error = overrides(&args).unwrap_err().to_string();
        assert!(error.contains("--freeze"), "{error}");
    }
}
