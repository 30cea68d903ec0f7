//! The recipes in examples/recipes: every key is valid, every plan can be made, and every header says how to run it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rekindle_augment::{RgbImage, SampleRng, Transform, TransformRegistry, TransformSpec};
use rekindle_finetune::{Plan, Recipe};
use serde::Deserialize;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn recipes() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join("examples/recipes")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    files
}

/// The data of the command in a recipe's header.
fn data_of(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let (before, after) = (
        "# Command: cargo run --release -- train ",
        format!(" --recipe examples/recipes/{name}"),
    );
    let command = |line: &str| {
        let data = line.strip_prefix(before)?.strip_suffix(&after)?;
        Some(root().join(data))
    };
    let data = text.lines().find_map(command);
    data.unwrap_or_else(|| panic!("{name} has no command"))
}

#[test]
fn every_recipe_can_be_planned_on_the_data_of_its_command() {
    for file in recipes() {
        let recipe = Recipe::load(Some(&file), &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_ne!(recipe, Recipe::default(), "{}", file.display());
        let plan = Plan::new(recipe, &data_of(&file));
        plan.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn every_recipe_begins_with_its_command() {
    for file in recipes() {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(data_of(&file).exists(), "{name}");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with('#'), "{name}");
        for field in ["# Machine: ", "# Time: ", "# Result: "] {
            assert!(text.contains(field), "{name} lacks `{field}`");
        }
    }
}

#[test]
fn the_recipes_differ_in_what_they_train() {
    let load = |name: &str| {
        let file = root().join("examples/recipes").join(name);
        Recipe::load(Some(&file), &[]).unwrap_or_else(|error| panic!("{error}"))
    };
    assert_eq!(load("linear-probe.toml").phase[1].epochs, 0);
    assert!(load("finetune-last-stages.toml").phase[1].epochs > 0);
    assert!(load("mix.toml").augment.mix.is_some());
    let policy = load("trivial-augment.toml").augment.transforms;
    let is_policy = |spec: &TransformSpec| matches!(spec, TransformSpec::TrivialAugment(_));
    assert!(policy.iter().any(is_policy));
    assert_eq!(load("manifest.toml").data.label_column.unwrap(), "kind");
}

#[test]
fn the_manifest_of_the_sample_pictures_lists_each_once_and_divides_no_subject() {
    let file = root().join("examples/recipes/manifest.toml");
    let recipe = Recipe::load(Some(&file), &[]).unwrap();
    let plan = Plan::new(recipe, &root().join("examples/emoji-kinds.csv")).unwrap();
    assert_eq!(plan.facts.classes, ["animal", "food", "thing"]);
    let path = |index: &usize| {
        let sample = &plan.dataset.folder().samples[*index];
        sample
            .path
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let training: BTreeSet<String> = plan.split.train.iter().map(path).collect();
    let validation: BTreeSet<String> = plan.split.validation.iter().map(path).collect();
    assert_eq!(training.len() + validation.len(), 299);
    for name in validation {
        let face = format!("{name}-face");
        assert!(!training.contains(&face), "{name} is divided from its face");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Darken {
    by: u8,
}

impl Transform for Darken {
    fn apply(&self, mut image: RgbImage, _: &mut SampleRng) -> RgbImage {
        for value in image.iter_mut() {
            *value = value.saturating_sub(self.by);
        }
        image
    }
}

fn planned(transforms: &str) -> Result<Plan, String> {
    let mut registry = TransformRegistry::default();
    registry.register::<Darken>("darken");
    let setting = format!("augment.transforms={transforms}");
    let recipe = Recipe::load(None, &[setting]).map_err(|error| error.to_string())?;
    let folder = root().join("examples/emoji");
    Plan::with_transforms(recipe, &folder, registry).map_err(|error| error.to_string())
}

#[test]
fn transforms_inside_transforms_survive_the_plans_toml() {
    let plan = planned(
        r#"[{ op = "one_of", weights = [3, 1], transforms = [
            { op = "sequence", transforms = [{ op = "hue" }, { op = "custom", name = "darken", settings = { by = 9 } }] },
            { op = "rand_augment", magnitude = 5 },
        ] }]"#,
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recipe.toml");
    std::fs::write(&file, plan.recipe.to_toml().unwrap()).unwrap();
    assert_eq!(Recipe::load(Some(&file), &[]).unwrap(), plan.recipe);

    let pipeline = plan.training_pipeline().unwrap();
    let (width, height) = pipeline.size();
    let white = RgbImage::from_pixel(width, height, [255; 3].into());
    // White has no hue to turn, so that the first choice leaves it darker by 9.
    let darkened = (0..40).filter(|&sample| {
        let view = pipeline.apply(&white, &mut SampleRng::new(0, 0, sample));
        view.iter().all(|value| *value == 246)
    });
    assert!((20..40).contains(&darkened.count()));
}

#[test]
fn wrong_transforms_inside_transforms_are_named_by_their_path() {
    for (inside, expected) in [
        (
            r#"{ op = "posterise", bits = 9 }"#,
            "`augment.transforms[0].transforms[0].bits` is 9 for `posterise`",
        ),
        (
            r#"{ op = "posterise", bit = 3 }"#,
            "did you mean `augment.transforms[0].transforms[0].bits`?",
        ),
        (r#"{ op = "posterice" }"#, "did you mean `posterise`?"),
        (
            r#"{ op = "custom", name = "darken", settings = { by = 3, to = 4 } }"#,
            "`augment.transforms[0].transforms[0].settings` of `darken`: unknown field `to`",
        ),
        (
            r#"{ op = "custom", name = "darker" }"#,
            "no custom transform is named `darker`; registered are `darken`",
        ),
    ] {
        let message = planned(&format!(
            r#"[{{ op = "one_of", transforms = [{inside}] }}]"#
        ))
        .unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}
