//! Settings of a recipe that suit a folder better than those it has.
//!
//! Owns: when a setting is suggested, and which value. Only keys that exist are named; the tests load each of them.

use rekindle_head::LossConfig;

use super::findings::{FEW_VALIDATION, IMBALANCE};
use super::report::{CheckReport, OddKind, SplitOrigin, StackReport, Suggestion};
use rekindle_data::{BadImages, Sampling, TargetKind};
use rekindle_finetune::stopping::Monitor;
use rekindle_finetune::{PhaseRecipe, Recipe};

/// Largest share that is worth holding out.
const MOST_VALIDATION: f64 = 0.4;
/// With fewer training images, more augmented views of each are worth their time.
const FEW_IMAGES: usize = 500;
/// With more training images, an epoch has so many steps that fewer epochs do.
const MANY_IMAGES: usize = 20_000;
/// Above this ratio of class sizes, a class weight makes a few images decide whole steps; to draw them more often, in changing views,
/// does as much and is steadier. Source: Buda et al. 2018, "A systematic study of the class imbalance problem in convolutional neural
/// networks", where oversampling was the best remedy.
const STRONG_IMBALANCE: f64 = 10.0;
/// Share of long pictures from which it matters that a centre crop loses half of each.
const LONG_SHARE: f64 = 0.1;

pub(super) fn suggestions(report: &CheckReport, recipe: &Recipe) -> Vec<Suggestion> {
    let mut found = Vec::new();
    let mut suggest = |setting: String, reason: String| found.push(Suggestion { setting, reason });

    if !report.unreadable.is_empty() && recipe.data.bad_images == BadImages::Fail {
        suggest(
            "data.bad_images=skip".into(),
            format!(
                "to train without the {} that cannot be decoded",
                report.unreadable.len()
            ),
        );
    }
    if report.task.targets() == TargetKind::Class
        && report
            .imbalance_ratio
            .is_some_and(|ratio| ratio > IMBALANCE)
    {
        let loss = recipe
            .loss
            .for_task(report.task, report.classes.len())
            .unwrap_or_default();
        if class_weights(&loss).is_none()
            && recipe.data.sampling == Sampling::Shuffle
            && let Some(weights) = balanced_weights(report)
        {
            let weights = format!("loss.class_weights=[{}]", weights.join(","));
            let sampling = "data.sampling=balanced".to_owned();
            let ratio = report.imbalance_ratio.unwrap_or(1.0);
            if ratio > STRONG_IMBALANCE {
                suggest(
                    sampling,
                    format!(
                        "so that rare classes count as much as frequent ones, each in a view of its own; or, for every image once an \
                         epoch, {weights}"
                    ),
                );
            } else {
                suggest(
                    weights,
                    format!(
                        "so that rare classes count as much as frequent ones; or, to show their images more often instead, {sampling}"
                    ),
                );
            }
        }
        for phase in &recipe.phase {
            let monitor = phase.stopping.monitor;
            let monitor = monitor.unwrap_or(Monitor::of_task(report.task));
            if phase.epochs > 0 && monitor.name() == "validation_accuracy" {
                suggest(
                    format!(
                        "{}.stopping.monitor=validation_balanced_accuracy",
                        phase.name
                    ),
                    "accuracy alone favours the frequent classes".into(),
                );
            }
        }
    }
    if let Some(share) = validation_share(report, recipe) {
        suggest(
            format!("data.validation_share={share}"),
            format!("so that the smallest class has {FEW_VALIDATION} images to measure with"),
        );
    }
    if let Some(share) = long_share(report)
        && share >= LONG_SHARE
        && recipe.input.policy.unwrap_or_default() == rekindle_augment::ResizePolicy::Crop
    {
        suggest(
            "input.policy=pad".into(),
            format!(
                "{:.0} % of the images are at least twice as long as wide, or as wide as long: a centre crop shows half of them or less",
                100.0 * share
            ),
        );
    }
    let training = report.train_images;
    if (1..FEW_IMAGES).contains(&training) && recipe.augment.views < 4 {
        suggest(
            "augment.views=4".into(),
            format!(
                "{training} training images are few: more augmented views of each help, for some time and memory"
            ),
        );
    }
    for phase in &recipe.phase {
        let known = phase.batch_size != PhaseRecipe::AUTO && phase.optim.whole_set().is_none();
        if training > MANY_IMAGES && phase.unfreeze.is_head() && phase.epochs > 10 && known {
            let steps = training / phase.batch_size.max(1);
            suggest(
                format!("{}.epochs=10", phase.name),
                format!("an epoch has {steps} steps, so fewer epochs do"),
            );
        }
    }
    let few = report
        .odd
        .iter()
        .filter(|odd| odd.kind == OddKind::FewLevels);
    let few = few.count();
    if few > 0 && recipe.input.range.is_none() {
        suggest(
            "input.range=max".into(),
            format!(
                "{few} of {} images use only the lower numbers of 16 bits: white becomes the largest of the training images",
                report.images
            ),
        );
    }
    let is_rgb = |stack: &StackReport| stack.is_channels() && matches!(stack.channels, 2 | 3);
    if !report.stacks.is_empty() && report.stacks.iter().all(is_rgb) {
        let count: usize = report.stacks.iter().map(|stack| stack.images).sum();
        suggest(
            "data.tiff_planes=channels".into(),
            format!(
                "{count} of {} images are stacks of channels, of which one alone is used",
                report.images
            ),
        );
    }
    if let Some(alpha) = &report.alpha_band {
        suggest(
            "data.alpha=ignore".into(),
            format!(
                "the alpha of {} of {} images that were looked at looks like a fourth band, by which they are put over white",
                alpha.images, alpha.looked_at
            ),
        );
    }
    if recipe
        .backbone
        .weights
        .as_deref()
        .is_some_and(|weights| weights.as_os_str() == "random")
        && recipe.input.rescale.is_none()
        && let Some(channels) = &report.channels
        && channels.std.iter().all(|&std| std >= 0.001)
    {
        let values = |values: [f64; 3]| values.map(|value| format!("{value:.3}")).join(",");
        suggest(
            format!(
                "input.rescale={{standardise={{mean=[{}],std=[{}]}}}}",
                values(channels.mean),
                values(channels.std)
            ),
            "from random weights, the images' own mean and deviation suit better than ImageNet's"
                .into(),
        );
    }
    found
}

fn class_weights(loss: &LossConfig) -> Option<&[f32]> {
    match loss {
        LossConfig::CrossEntropy(loss) => loss.class_weights.as_deref(),
        LossConfig::Focal(loss) => loss.class_weights.as_deref(),
        _ => None,
    }
}

/// `images / (classes * images of the class)`, scikit-learn's `balanced`; none where a class has no training image.
fn balanced_weights(report: &CheckReport) -> Option<Vec<String>> {
    let counts: Vec<usize> = report.classes.iter().map(|class| class.train).collect();
    let all: usize = counts.iter().sum();
    let weight = |&count: &usize| {
        let weight = all as f64 / (counts.len() * count) as f64;
        // Three digits that count, so that no weight is rounded to nothing.
        let digits = (2 - weight.log10().floor() as i32).max(0) as usize;
        (count > 0).then(|| format!("{weight:.digits$}"))
    };
    counts.iter().map(weight).collect()
}

/// A larger share where the smallest class would have too few validation images and has enough images to give more.
fn validation_share(report: &CheckReport, recipe: &Recipe) -> Option<f64> {
    if report.split != SplitOrigin::Recipe || recipe.data.folds != 0 {
        return None;
    }
    let smallest = report
        .classes
        .iter()
        .min_by_key(|class| class.train + class.validation)?;
    if smallest.validation >= FEW_VALIDATION {
        return None;
    }
    let needed = FEW_VALIDATION as f64 / (smallest.train + smallest.validation).max(1) as f64;
    // Up to the next twentieth.
    let share = (needed * 20.0).ceil() / 20.0;
    (share <= MOST_VALIDATION && share > recipe.data.validation_share).then_some(share)
}

/// The share of pictures with a ratio of at least two between their sides.
fn long_share(report: &CheckReport) -> Option<f64> {
    let sizes = report.sizes.as_ref()?;
    let long = sizes.aspects.iter().filter(|bin| {
        bin.below.is_some_and(|below| below <= 0.5) || bin.from.is_some_and(|from| from >= 2.0)
    });
    let count: usize = long.map(|bin| bin.count).sum();
    Some(count as f64 / report.usable_images.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use rekindle_augment::RgbImage;
    use rekindle_data::TaskKind;
    use rekindle_data::scan_folder;
    use std::path::Path;

    fn add(folder: &Path, class: &str, count: u32, width: u32, height: u32) {
        let folder = folder.join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..count {
            let image = RgbImage::from_fn(width, height, |x, y| {
                let wave = (x * (number + 3) + y * (number * 7 + 1)) % 97;
                image::Rgb([wave as u8 * 2, (number * 11 % 256) as u8, 200 - wave as u8])
            });
            image.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }

    fn suggested(recipe: &Recipe, folder: &Path) -> Vec<String> {
        let report = check(&scan_folder(folder).unwrap(), recipe, &|| ()).unwrap();
        report
            .suggestions
            .into_iter()
            .map(|suggestion| suggestion.setting)
            .collect()
    }

    #[test]
    fn every_suggestion_is_a_setting_that_recipes_take_and_then_no_longer_needed() {
        let folder = tempfile::tempdir().unwrap();
        add(folder.path(), "few", 13, 64, 60);
        add(folder.path(), "many", 52, 130, 60);
        std::fs::write(folder.path().join("many/broken.png"), "no picture").unwrap();
        let recipe = Recipe::load(None, &["backbone.weights=random".into()]).unwrap();
        let mut found = suggested(&recipe, folder.path());
        let keys: Vec<&str> = found
            .iter()
            .filter_map(|setting| Some(setting.split_once('=')?.0))
            .collect();
        assert_eq!(
            keys,
            [
                "data.bad_images",
                "loss.class_weights",
                "phase1.stopping.monitor",
                "phase2.stopping.monitor",
                "data.validation_share",
                "input.policy",
                "augment.views",
                "input.rescale",
            ]
        );
        // 13 and 52 images, a fifth of each held out: 10 and 42 are left.
        assert!(
            found.contains(&"loss.class_weights=[2.60,0.619]".to_owned()),
            "{found:?}"
        );
        assert!(
            found.contains(&"data.validation_share=0.4".to_owned()),
            "{found:?}"
        );
        found.push("backbone.weights=random".into());
        let better = Recipe::load(None, &found).unwrap();
        let task = TaskKind::Classification;
        better.loss.for_task(task, 2).unwrap();
        assert_eq!(suggested(&better, folder.path()), [""; 0]);
    }

    #[test]
    fn one_remedy_for_imbalance_is_suggested_and_the_other_named() {
        let folder = tempfile::tempdir().unwrap();
        add(folder.path(), "few", 8, 40, 40);
        add(folder.path(), "many", 120, 40, 40);
        let imbalance = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|text| (*text).into()).collect();
            let recipe = Recipe::load(None, &settings).unwrap();
            let report = check(&scan_folder(folder.path()).unwrap(), &recipe, &|| ()).unwrap();
            let remedies = report.suggestions.into_iter().filter(|suggestion| {
                ["data.sampling", "loss.class_weights"]
                    .iter()
                    .any(|key| suggestion.setting.starts_with(key))
            });
            remedies.collect::<Vec<_>>()
        };
        let strong = imbalance(&[]);
        assert_eq!(strong.len(), 1, "{strong:?}");
        assert_eq!(strong[0].setting, "data.sampling=balanced");
        assert!(
            strong[0].reason.contains("loss.class_weights=["),
            "{strong:?}"
        );
        assert!(imbalance(&["data.sampling=balanced"]).is_empty());
        assert!(imbalance(&["loss.class_weights=[1,2]"]).is_empty());

        add(folder.path(), "few", 30, 40, 40);
        let mild = imbalance(&[]);
        assert_eq!(mild.len(), 1, "{mild:?}");
        assert!(
            mild[0].setting.starts_with("loss.class_weights=["),
            "{mild:?}"
        );
        assert!(
            mild[0].reason.contains("data.sampling=balanced"),
            "{mild:?}"
        );
    }
}
