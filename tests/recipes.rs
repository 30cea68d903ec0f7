//! The recipes in examples/recipes: every key is valid, every plan can be made, and every header says how to run it.

use std::path::{Path, PathBuf};

use rekindle_finetune::{Plan, Recipe};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn recipes() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join("examples/recipes")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    files
}

#[test]
fn every_recipe_can_be_planned_on_the_sample_pictures() {
    for file in recipes() {
        let recipe = Recipe::load(Some(&file), &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_ne!(recipe, Recipe::default(), "{}", file.display());
        let plan = Plan::new(recipe, &root().join("examples/emoji"));
        plan.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn every_recipe_begins_with_its_command() {
    for file in recipes() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let command = format!(
            "# Command: cargo run --release -- train examples/emoji --recipe examples/recipes/{name}\n"
        );
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with('#') && text.contains(&command), "{name}");
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
    assert_eq!(load("linear-probe.toml").phase2.epochs, 0);
    assert!(load("finetune-last-stages.toml").phase2.epochs > 0);
}
