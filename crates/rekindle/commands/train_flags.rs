//! The flags of `train` that stand for settings, as `key=value`.

use std::path::Path;

use anyhow::{Result, bail};
use rekindle_finetune::Recipe;

use crate::args::TrainArgs;

/// What `--set` and the flags say, the flags last. Those of phases are said once for each phase of the recipe.
///
/// # Errors
///
/// A path that is not Unicode; a recipe that cannot be read, where its phases have to be known; `--freeze` where no phase trains the head
/// alone.
pub fn overrides(args: &TrainArgs) -> Result<Vec<String>> {
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
    settings.extend(validation.map(|path| text("data.validation", path)));
    settings.extend(
        args.size
            .map(|[height, width]| format!("input.size=[{height},{width}]")),
    );
    of_phases(args, &mut settings)?;
    Ok(settings)
}

/// Adds the flags that are for each phase.
fn of_phases(args: &TrainArgs, settings: &mut Vec<String>) -> Result<()> {
    if args.epochs.is_none() && args.lr.is_none() && args.batch_size.is_none() && !args.freeze {
        return Ok(());
    }
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
        settings.extend(
            args.batch_size
                .map(|images| format!("{name}.batch_size={images}")),
        );
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
    use crate::args::{Args, Command};
    use clap::Parser;

    fn train_args(words: &[&str]) -> TrainArgs {
        match Args::try_parse_from([&["rekindle", "train"], words].concat())
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
        let frozen = of(&["--epochs", "4", "--freeze", "--size", "96x64"]);
        assert_eq!([0, 1].map(|at| frozen.phase[at].epochs), [4, 0]);
        assert_eq!(frozen.input.size, Some([96, 64]));
        assert_eq!(of(&["--imgsz", "160"]).input.size, Some([160, 160]));
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
