//! Samples of the training images for a bag of models: as lists that say the split, so that each model's run is an ordinary one.
//!
//! Source: L. Breiman, "Bagging predictors", 1996. Of each class as many images are drawn as it has, with replacement; a list names an
//! image once, so a model sees the distinct ones, 63 % of them, where the classical bag weighs those that were drawn twice.
//! Validation and test images are the same for all.

use std::collections::BTreeSet;

use rekindle_augment::SampleRng;
use rekindle_data::{ImageFolder, SourceKind, SplitName, Target};
use serde_json::{Map, Value};

use crate::{FinetuneError, Plan, Recipe};

/// Sets these draws apart from all others of a seed.
const DRAW: u64 = 0xBA6;

/// The training images of one model of a bag, ascending: the distinct ones of a sample with replacement, by class where images have one.
/// `member` counts from 1.
pub fn bag_sample(folder: &ImageFolder, train: &[usize], seed: u64, member: u64) -> Vec<usize> {
    let mut classes: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
    for sample in train {
        let class = folder.samples[*sample].target.class().unwrap_or(0);
        classes.entry(class).or_default().push(*sample);
    }
    let mut drawn = BTreeSet::new();
    for (class, images) in &classes {
        let mut rng = SampleRng::new(seed ^ DRAW, member, *class as u64);
        for _ in images {
            drawn.insert(images[rng.below(images.len() as u32) as usize]);
        }
    }
    drawn.into_iter().collect()
}

/// The list of one model of a bag, as JSON Lines with absolute paths.
///
/// # Errors
///
/// [`FinetuneError::NoBag`] for tar shards, whose images no list can name.
pub fn bag_list(plan: &Plan, member: u64) -> Result<String, FinetuneError> {
    let folder = plan.dataset.folder();
    if folder.kind == SourceKind::Shards {
        return Err(FinetuneError::NoBag {
            path: folder.source.clone(),
        });
    }
    let train = bag_sample(folder, &plan.split.train, plan.recipe.seed, member);
    let parts = [
        (SplitName::Train, &train),
        (SplitName::Validation, &plan.split.validation),
        (SplitName::Test, &plan.split.test),
    ];
    let mut text = String::new();
    for (split, samples) in parts {
        for sample in samples {
            let row = Value::Object(row(folder, *sample, split));
            text.push_str(&row.to_string());
            text.push('\n');
        }
    }
    Ok(text)
}

fn row(folder: &ImageFolder, sample: usize, split: SplitName) -> Map<String, Value> {
    let sample = &folder.samples[sample];
    let path = folder.root.join(&sample.path);
    let path = std::path::absolute(&path).unwrap_or(path);
    let name = |place: usize| Value::from(folder.classes.names()[place].as_str());
    let mut row = Map::new();
    row.insert("path".into(), path.to_string_lossy().into());
    match &sample.target {
        Target::Class(class) => {
            row.insert("label".into(), name(*class));
        }
        Target::Labels(labels) => {
            let labels = labels.iter().map(|label| name(*label as usize));
            row.insert("labels".into(), labels.collect());
        }
        Target::Numbers(numbers) => {
            for (number, value) in folder.classes.names().iter().zip(numbers) {
                row.insert(format!("number:{number}"), (*value).into());
            }
        }
    }
    row.insert("split".into(), split.to_string().into());
    if let Some(group) = sample.group {
        row.insert(
            "group".into(),
            folder.groups[group as usize].as_ref().into(),
        );
    }
    row
}

/// The recipe of one model of a bag, for its list: with a seed of its own, and without what the list says already.
pub fn bag_recipe(recipe: &Recipe, member: u64) -> Recipe {
    let mut own = recipe.clone();
    own.seed = recipe.seed.wrapping_add(member) & i64::MAX as u64;
    let plain = rekindle_data::DataRecipe::default();
    own.data = rekindle_data::DataRecipe {
        root: None,
        validation: None,
        path_column: None,
        label_column: None,
        labels_column: None,
        label_separator: plain.label_separator,
        number_columns: Vec::new(),
        label_columns: Vec::new(),
        path_prefix: None,
        suffix: None,
        split_column: None,
        group_column: None,
        group_by: plain.group_by,
        folds: plain.folds,
        fold: plain.fold,
        limit: None,
        ..own.data
    };
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_data::{ClassIndex, Sample};

    fn folder() -> ImageFolder {
        let sample = |at: usize| Sample::file(format!("{at}.png").into(), at % 3, None);
        ImageFolder {
            classes: ClassIndex::new(["a", "b", "c"].map(String::from).to_vec()).unwrap(),
            samples: (0..300).map(sample).collect(),
            ..ImageFolder::default()
        }
    }

    #[test]
    fn a_sample_has_two_thirds_of_each_class_and_is_its_own() {
        let folder = folder();
        let train: Vec<usize> = (0..270).collect();
        let first = bag_sample(&folder, &train, 1, 1);
        assert_eq!(first, bag_sample(&folder, &train, 1, 1));
        assert_ne!(first, bag_sample(&folder, &train, 1, 2));
        assert_ne!(first, bag_sample(&folder, &train, 2, 1));
        for class in 0..3 {
            let of_class = first.iter().filter(|at| *at % 3 == class).count();
            // 90 drawn of 90: 57 distinct ones on average, with a deviation of 3.
            assert!((45..=69).contains(&of_class), "{of_class}");
        }
        assert!(first.iter().all(|at| train.contains(at)));
    }

    #[test]
    fn a_recipe_leaves_to_the_list_what_it_says_and_keeps_the_rest() {
        let recipe = Recipe::load(
            None,
            &[
                "seed=7",
                "data.folds=5",
                "data.limit=90",
                "data.image_cache_mb=3",
            ]
            .map(String::from),
        )
        .unwrap();
        let own = bag_recipe(&recipe, 2);
        assert_eq!((own.seed, own.data.folds, own.data.limit), (9, 0, None));
        assert_eq!(own.data.image_cache_mb, 3);
    }

    #[test]
    fn rows_name_image_target_and_split() {
        let folder = folder();
        let text = Value::Object(row(&folder, 4, SplitName::Validation)).to_string();
        assert!(text.contains("4.png"), "{text}");
        assert!(
            text.contains("\"label\":\"b\"") && text.contains("\"split\":\"val"),
            "{text}"
        );
    }
}
