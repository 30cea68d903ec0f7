//! A look at a folder of images before training: what would stop it, what would spoil its figures, what is unusual.
//!
//! Owns: the order of the work. Every file is read and decoded, in parallel, and a few hundred bytes of it are kept (`examine.rs`); all
//! else is computed from those, in the order of the samples, so that the number of threads changes nothing. Only files that look the
//! same are decoded once more, to compare every pixel. Nothing is written. [`contact_sheet()`] shows the findings as a picture.

mod alpha;
mod contact_sheet;
mod duplicates;
mod examine;
mod findings;
mod near;
mod oddities;
mod perceptual_hash;
mod report;
mod statistics;
mod suggestions;
mod targets;

use rayon::prelude::*;
use rekindle_augment::{DecodeLimits, LargeInTurn};

pub use self::contact_sheet::contact_sheet;
pub use self::report::{
    AlphaBand, AspectBin, Channels, CheckReport, ClassReport, DuplicateGroup, DuplicateImage,
    Finding, FindingKind, Likeness, NumberReport, Odd, OddKind, Severity, Sizes, SplitOrigin,
    Spread, StackReport, Suggestion, Unreadable, UnreadableKind,
};

use self::examine::{Examined, Picture, examine, identify};
use crate::InsightError;
use rekindle_data::{BadImages, DataError, ImageFolder, Split, SplitName, TargetKind, fit_range};
use rekindle_finetune::Recipe;
use rekindle_model::{preprocessing, resolve_card};

/// Examines every image of a folder, as training with this recipe would see it.
///
/// `progress` is called from several threads, once for each image that is done.
///
/// # Errors
///
/// The recipe names no known backbone, its preprocessing or a setting under `data` is out of range, or there is no such fold. What is
/// wrong with an image is part of the report.
pub fn check(
    folder: &ImageFolder,
    recipe: &Recipe,
    progress: &(dyn Fn() + Sync),
) -> Result<CheckReport, InsightError> {
    recipe.data.check()?;
    let mut preprocessing = preprocessing(&resolve_card(&recipe.backbone)?, &recipe.input)?;
    preprocessing.reading = recipe.data.reading();
    let mut limits = preprocessing.limits_over(DecodeLimits::of_own_files());
    if let Some(spec) = &recipe.input.range
        && spec.fixed().is_none()
    {
        limits.range = fit_range(
            spec,
            folder,
            &limits,
            &training(folder, recipe),
            BadImages::Skip,
        )?;
    }
    let turns = LargeInTurn::default();
    let mut examined: Vec<Examined> = folder
        .samples
        .par_iter()
        .map(|sample| {
            let examined = examine(folder, sample, &limits, &turns);
            progress();
            examined
        })
        .collect();
    identify(folder, &mut examined, &limits, &turns);

    let good: Vec<usize> = (0..examined.len())
        .filter(|&index| examined[index].picture.is_ok())
        .collect();
    let parts = Parts::new(folder, recipe, &good)?;
    let pictures: Vec<&Picture> = examined
        .iter()
        .filter_map(|file| file.picture.as_ref().ok())
        .collect();
    let class = |index: usize| {
        let target = &folder.samples[index].target;
        target.words(folder.classes.names())
    };
    let (mut unreadable, mut odd) = (Vec::new(), Vec::new());
    for (index, (sample, file)) in folder.samples.iter().zip(&examined).enumerate() {
        match &file.picture {
            Err((kind, reason)) => unreadable.push(Unreadable {
                path: sample.key(),
                class: class(index),
                kind: *kind,
                reason: reason.clone(),
            }),
            Ok(picture) => {
                let found = oddities::oddities(
                    &sample.path,
                    picture,
                    preprocessing.input_size,
                    !limits.range.is_full(),
                );
                odd.extend(found.into_iter().map(|(kind, reason)| Odd {
                    path: sample.key(),
                    class: class(index),
                    kind,
                    reason,
                }));
            }
        }
    }
    let classes = targets::classes(folder, &parts.splits, &examined);
    let without = |&&index: &&usize| folder.samples[index].target.names().next().is_none();
    let counts = classes.iter().map(|class| class.train + class.validation);
    let (least, most) = (counts.clone().min(), counts.max());
    let mut report = CheckReport {
        rekindle: env!("CARGO_PKG_VERSION"),
        data: folder.root.clone(),
        images: folder.samples.len(),
        usable_images: good.len(),
        findings: Vec::new(),
        task: folder.task,
        train_images: parts.training(&good),
        classes,
        images_without_labels: match folder.task.targets() {
            TargetKind::Labels => good.iter().filter(without).count(),
            TargetKind::Class | TargetKind::Numbers => 0,
        },
        numbers: targets::numbers(folder, &good),
        imbalance_ratio: match (least, most) {
            (Some(least @ 1..), Some(most)) => Some(most as f64 / least as f64),
            _ => None,
        },
        split: parts.origin,
        unreadable,
        duplicates: duplicates::duplicates(folder, &parts.splits, &examined),
        odd,
        sizes: statistics::sizes(&pictures),
        channels: statistics::channels(&pictures),
        formats: statistics::counts(pictures.iter().map(|picture| picture.format.to_string())),
        modes: statistics::counts(pictures.iter().map(|picture| picture.mode.to_string())),
        stacks: statistics::stacks(&pictures),
        alpha_band: alpha::alpha_band(folder, &examined, &limits, &turns),
        orientations: statistics::counts(pictures.iter().map(|picture| picture.orientation)),
        icc_profiles: pictures
            .iter()
            .filter(|picture| picture.has_icc_profile)
            .count(),
        left_out: folder.skipped.clone(),
        suggestions: Vec::new(),
        labels: None,
        decoding: limits,
    };
    report.findings = findings::findings(&report, folder, recipe, &parts);
    report.suggestions = suggestions::suggestions(&report, recipe);
    Ok(report)
}

/// The images that training would see, if all can be used; all, where they cannot be divided.
fn training(folder: &ImageFolder, recipe: &Recipe) -> Vec<usize> {
    let all: Vec<usize> = (0..folder.samples.len()).collect();
    match Split::of_folder(folder, &all, recipe.data.hold_out(), recipe.seed) {
        Ok(split) => split.train,
        Err(_) => all,
    }
}

/// Which part each sample belongs to.
struct Parts {
    splits: Vec<Option<SplitName>>,
    origin: SplitOrigin,
    /// Classes that have too few usable images, with their number.
    too_small: Vec<(String, usize)>,
    /// Why groups cannot be divided into the folds that are asked for.
    undivided: Option<String>,
}

impl Parts {
    /// The split that training would make of the usable images.
    fn new(folder: &ImageFolder, recipe: &Recipe, good: &[usize]) -> Result<Self, InsightError> {
        let none = |too_small, undivided| Self {
            splits: folder.samples.iter().map(|sample| sample.split).collect(),
            origin: SplitOrigin::None,
            too_small,
            undivided,
        };
        match Split::of_folder(folder, good, recipe.data.hold_out(), recipe.seed) {
            Ok(split) => {
                let mut splits = vec![None; folder.samples.len()];
                for (name, samples) in [
                    (SplitName::Train, split.train),
                    (SplitName::Validation, split.validation),
                    (SplitName::Test, split.test),
                ] {
                    samples
                        .iter()
                        .for_each(|&sample| splits[sample] = Some(name));
                }
                let origin = match folder.has(SplitName::Validation) {
                    true => SplitOrigin::Folders,
                    false => SplitOrigin::Recipe,
                };
                Ok(Self {
                    splits,
                    origin,
                    too_small: Vec::new(),
                    undivided: None,
                })
            }
            Err(DataError::ClassesTooSmall { counts, .. }) => Ok(none(counts, None)),
            Err(DataError::TooFewImages { found, .. }) => {
                Ok(none(vec![("all images".into(), found)], None))
            }
            Err(error @ DataError::FoldWithoutClasses { .. }) => {
                Ok(none(Vec::new(), Some(error.to_string())))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// How many of these samples are for training.
    fn training(&self, samples: &[usize]) -> usize {
        let split = |&&index: &&usize| self.splits[index].unwrap_or(SplitName::Train);
        let training = samples
            .iter()
            .filter(|index| split(index) == SplitName::Train);
        training.count()
    }
}
