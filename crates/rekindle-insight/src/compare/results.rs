//! What the runs of a comparison came to: the figures of each variant, and whether it differs from the one that it is compared to.
//!
//! Owns what is read of a run, which runs are paired and by which test. The formulas are `statistics.rs`'s; tables are `write.rs`'s and
//! the program's.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use rekindle_data::{Better, Figure, TargetKind, TaskKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::design::{Design, Repeat, Variant};
use super::statistics::{
    LEAST_PAIRS, McNemar, TTest, holm, mcnemar, mean_and_deviation, paired_t_test,
};
use crate::InsightError;
use crate::source::Source;

/// What the variants are compared to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The first one: the first value of each axis, which was chosen before anything was known.
    #[default]
    First,
    /// The one with the best mean. It was chosen by the figures that it is compared by, so the chances are too small.
    Best,
}

/// Why pairs are compared as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Student's paired t-test: all seeds have the same training and validation images.
    PairedT,
    /// Nadeau and Bengio's: each repeat has another split, and the training images of two splits overlap.
    CorrectedResampledT,
}

/// SHA-256 of a list of paths.
type Hash = [u8; 32];

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct RunResult {
    /// Its directory in that of the comparison.
    pub run: PathBuf,
    /// Place of its variant.
    pub variant: usize,
    /// Which repeat it is.
    #[serde(flatten)]
    pub repeat: Repeat,
    /// `finished`, `interrupted`, `failed`, or `none` where there is no run.
    pub status: String,
    /// The figures of the result by name; none of a run that is not finished.
    pub figures: BTreeMap<&'static str, f64>,
    /// Seconds that it took.
    pub seconds: f64,
    /// Bytes of its model file.
    pub model_bytes: u64,
    /// Images that it was trained on.
    pub train_images: usize,
    /// Images that it was measured on.
    pub validation_images: usize,
    /// What tells its training and its validation images from others.
    #[serde(skip)]
    split: Option<[Hash; 2]>,
    /// Each validation image, and whether its class was predicted; none for other tasks.
    #[serde(skip)]
    right: Option<HashMap<String, bool>>,
}

/// How a variant differs from the one that it is compared to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Mean of the paired differences.
    pub mean: f64,
    /// Repeats that both have, with the same validation images.
    pub pairs: usize,
    /// What a t-test says; none for fewer than three pairs, or where all differences are the same.
    pub test: Option<TTest>,
    /// Its chance, adjusted for the number of variants by Holm's method.
    pub p_adjusted: Option<f64>,
    /// What McNemar's test says of the images, where each was a validation image once; of classes only.
    pub images: Option<McNemar>,
}

/// One variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantResult {
    /// What people call it.
    pub name: String,
    /// The values of the axes.
    pub values: Vec<String>,
    /// The settings over the recipe.
    pub settings: Vec<String>,
    /// Its figure in each repeat; none where there is none.
    pub figures: Vec<Option<f64>>,
    /// Mean of those that there are.
    pub mean: Option<f64>,
    /// Their sample standard deviation, of at least two.
    pub deviation: Option<f64>,
    /// Mean seconds of a run. The first run with some features computes what later ones find on disk.
    pub seconds: Option<f64>,
    /// Bytes of a model file.
    pub model_bytes: Option<u64>,
    /// Against the reference; none of that itself, or where nothing can be paired.
    pub difference: Option<Difference>,
}

/// What a comparison came to.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The images.
    pub data: PathBuf,
    /// The keys that are varied.
    pub keys: Vec<String>,
    /// `3 seeds`.
    pub repeats: String,
    /// The figure that is compared, by name.
    pub figure: &'static str,
    /// The task of the data.
    pub task: TaskKind,
    /// The number of outputs.
    pub outputs: usize,
    /// Place of the variant that the others are compared to.
    pub reference: usize,
    /// Whether that was the first or the best one.
    pub compared_to: Reference,
    /// Place of the variant with the best mean.
    pub best: usize,
    /// How pairs are compared.
    pub test: Test,
    /// Validation images for each training image, which the corrected test needs.
    pub test_share: f64,
    /// Differences that were tested, for which the chances are adjusted.
    pub tested: usize,
    /// Each variant.
    pub variants: Vec<VariantResult>,
    /// Each run.
    pub runs: Vec<RunResult>,
    /// What speaks against reading the table as it stands.
    pub notes: Vec<String>,
}

impl Comparison {
    /// The figure that is compared.
    ///
    /// # Panics
    ///
    /// Never for a comparison as it was made: its figure is one of its task.
    pub fn figure(&self) -> &'static Figure {
        self.task
            .figure(self.figure)
            .unwrap_or_else(|| self.task.own_figure())
    }

    /// Which test it is, and why, in a sentence.
    pub fn test_in_words(&self) -> String {
        match self.test {
            Test::PairedT => "paired t-test over seeds with the same images: it says what is chance of training, not of the choice of images"
                .into(),
            Test::CorrectedResampledT => format!(
                "corrected resampled t-test (Nadeau & Bengio 2003): every repeat has another split, whose training images overlap, so a \
                 plain t-test would be too sure (variance times 1/n + {:.2} in place of 1/n)",
                self.test_share
            ),
        }
    }
}

/// Reads the runs of a comparison. `by` is the name of a figure, or else the task's own.
///
/// # Errors
///
/// [`InsightError::Compare`] where no run is finished, or their task has no such figure; a finished run's files cannot be read.
pub fn results(
    design: &Design,
    variants: &[Variant],
    directory: &Path,
    by: Option<&str>,
    reference: Reference,
) -> Result<Comparison, InsightError> {
    let repeats = design.repeats();
    let mut runs = Vec::new();
    let mut of_data: Option<(TaskKind, usize)> = None;
    for cell in design.cells(variants.len()) {
        let name = design.run_name(variants, cell);
        let repeat = repeats[cell.repeat];
        let (run, task) = read(directory, &name, cell.variant, repeat)?;
        of_data = of_data.or(task);
        runs.push(run);
    }
    let Some((task, outputs)) = of_data else {
        return Err(InsightError::Compare(format!(
            "no run in {} is finished, so there is nothing to compare",
            directory.display()
        )));
    };
    let figure = match by {
        None => task.own_figure(),
        Some(name) => task.figure(name).ok_or_else(|| {
            let known: Vec<&str> = task.figures().iter().map(|figure| figure.name).collect();
            InsightError::Compare(format!(
                "these runs have no figure `{name}`; they have {}",
                known.join(", ")
            ))
        })?,
    };
    let of = |variant: usize, repeat: usize| &runs[repeat * variants.len() + variant];
    let mut found: Vec<VariantResult> = (0..variants.len())
        .map(|variant| {
            let own: Vec<&RunResult> = (0..repeats.len())
                .map(|repeat| of(variant, repeat))
                .collect();
            summary(design, &variants[variant], &own, figure)
        })
        .collect();
    let best = best_of(&found, figure.better);
    let against = match reference {
        Reference::First => 0,
        Reference::Best => best,
    };
    let mut notes = Vec::new();
    let test = test_of(&runs);
    let test_share = match test {
        Test::PairedT => 0.0,
        Test::CorrectedResampledT => share_of(&runs),
    };
    let mut chances = vec![None; variants.len()];
    for variant in (0..variants.len()).filter(|variant| *variant != against) {
        let pairs: Vec<[&RunResult; 2]> = (0..repeats.len())
            .map(|repeat| [of(variant, repeat), of(against, repeat)])
            .filter(|pair| pair.iter().all(|run| run.status == "finished"))
            .collect();
        let measured_on = |run: &RunResult| run.split.map(|[_, validation]| validation);
        let unlike = pairs
            .iter()
            .any(|[one, other]| measured_on(one) != measured_on(other));
        if unlike {
            notes.push(format!(
                "`{}` has other validation images than `{}`, so their runs are not paired, and nothing is tested",
                found[variant].name, found[against].name
            ));
            continue;
        }
        let difference = difference(&pairs, figure.name, test_share);
        chances[variant] = difference.as_ref().and_then(|one| Some(one.test?.p));
        found[variant].difference = difference;
    }
    for (variant, chance) in found.iter_mut().zip(holm(&chances)) {
        if let Some(difference) = &mut variant.difference {
            difference.p_adjusted = chance;
        }
    }
    let tested = chances.iter().flatten().count();
    let fewest = found
        .iter()
        .filter_map(|one| Some(one.difference.as_ref()?.pairs))
        .min();
    if fewest.is_some_and(|pairs| pairs < LEAST_PAIRS) {
        notes.push(format!(
            "no p-value of fewer than {LEAST_PAIRS} pairs: with so few, chance cannot be told from a difference; use --seeds or --folds"
        ));
    }
    if reference == Reference::Best && tested > 0 {
        notes.push(
            "the best was chosen by these figures, so the p-values are too small; compare with the first to test a choice made before"
                .into(),
        );
    }
    Ok(Comparison {
        data: design.data.clone(),
        keys: design.axes.iter().map(|axis| axis.key.clone()).collect(),
        repeats: design.repeats_in_words(),
        figure: figure.name,
        task,
        outputs,
        reference: against,
        compared_to: reference,
        best,
        test,
        test_share,
        tested,
        variants: found,
        runs,
        notes,
    })
}

/// What is told of a run, and the task and outputs of one that is finished.
fn read(
    directory: &Path,
    name: &str,
    variant: usize,
    repeat: Repeat,
) -> Result<(RunResult, Option<(TaskKind, usize)>), InsightError> {
    let path = directory.join(name);
    let mut run = RunResult {
        run: name.into(),
        variant,
        repeat,
        status: "none".into(),
        figures: BTreeMap::new(),
        seconds: 0.0,
        model_bytes: 0,
        train_images: 0,
        validation_images: 0,
        split: None,
        right: None,
    };
    if !path.join("plan.toml").is_file() {
        return Ok((run, None));
    }
    let source = match Source::read(&path) {
        Ok(source) => source,
        // Killed before it had written anything.
        Err(_) if !path.join("run.json").is_file() => {
            run.status = "interrupted".into();
            return Ok((run, None));
        }
        Err(error) => return Err(error),
    };
    run.status = source
        .run
        .status
        .clone()
        .unwrap_or_else(|| "finished".into());
    if run.status != "finished" {
        return Ok((run, None));
    }
    if let Some(report) = &source.run.validation {
        let figures = report.figures();
        run.figures = figures
            .map(|(figure, value)| (figure.name, value))
            .collect();
    }
    run.seconds = seconds_of(&source);
    run.model_bytes = fs::metadata(path.join("model.safetensors")).map_or(0, |file| file.len());
    run.train_images = source.facts.train_images;
    run.validation_images = source.facts.validation_images;
    run.split = Some(split_of(&path)?);
    let task = source.run.task;
    if task.targets() == TargetKind::Class {
        let rows = source.predictions()?;
        run.right = rows.map(|rows| {
            let right = rows.into_iter();
            right
                .map(|row| (row.path, row.truth == row.predicted))
                .collect()
        });
    }
    let outputs = source.names().len();
    Ok((run, Some((task, outputs))))
}

/// Seconds that a run took, also one that went on: its report tells those of its last process, its epochs those of all.
pub fn seconds_of(of: &Source) -> f64 {
    let epochs: f64 = of.run.timings.iter().map(|timing| timing.seconds).sum();
    of.run.seconds.max(epochs)
}

/// What tells the training and the validation images of a run from others.
fn split_of(run: &Path) -> Result<[Hash; 2], InsightError> {
    #[derive(Deserialize)]
    struct SplitFile {
        train: Vec<String>,
        validation: Vec<String>,
    }
    let path = run.join("split.json");
    let failed = |reason: String| InsightError::NoRun {
        path: path.clone(),
        reason,
    };
    let bytes = fs::read(&path).map_err(|error| failed(error.to_string()))?;
    let file: SplitFile =
        serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
    Ok([file.train, file.validation].map(|paths| Sha256::digest(paths.join("\n")).into()))
}

fn summary(
    design: &Design,
    variant: &Variant,
    runs: &[&RunResult],
    figure: &Figure,
) -> VariantResult {
    let figures: Vec<Option<f64>> = runs.iter().map(|run| value_of(run, figure.name)).collect();
    let there: Vec<f64> = figures.iter().copied().flatten().collect();
    let finished: Vec<&&RunResult> = runs.iter().filter(|run| run.status == "finished").collect();
    let count = finished.len();
    let (mean, deviation) = match there.is_empty() {
        true => (None, None),
        false => {
            let (mean, deviation) = mean_and_deviation(&there);
            (Some(mean), deviation)
        }
    };
    let seconds: f64 = finished.iter().map(|run| run.seconds).sum();
    let values = design.axes.iter().zip(&variant.values);
    VariantResult {
        name: variant.name.clone(),
        values: values
            .map(|(axis, value)| axis.values[*value].clone())
            .collect(),
        settings: variant.settings.clone(),
        figures,
        mean,
        deviation,
        seconds: (count > 0).then(|| seconds / count as f64),
        model_bytes: finished.first().map(|run| run.model_bytes),
        difference: None,
    }
}

fn value_of(run: &RunResult, figure: &str) -> Option<f64> {
    run.figures
        .get(figure)
        .copied()
        .filter(|value| value.is_finite())
}

/// The variant with the best mean, the first of equal ones.
fn best_of(variants: &[VariantResult], better: Better) -> usize {
    let mut best: Option<(usize, f64)> = None;
    for (place, variant) in variants.iter().enumerate() {
        let Some(mean) = variant.mean else { continue };
        if best.is_none_or(|(_, old)| better.improves(old, mean, 0.0)) {
            best = Some((place, mean));
        }
    }
    best.map_or(0, |(place, _)| place)
}

/// Seeds alone change the split too, unless the data has validation images of its own.
fn test_of(runs: &[RunResult]) -> Test {
    let splits: HashSet<&[Hash; 2]> = runs
        .iter()
        .filter(|run| run.variant == runs[0].variant)
        .filter_map(|run| run.split.as_ref())
        .collect();
    match splits.len() > 1 {
        true => Test::CorrectedResampledT,
        false => Test::PairedT,
    }
}

/// Validation images for each training image, over all runs.
fn share_of(runs: &[RunResult]) -> f64 {
    let sum = |of: &dyn Fn(&RunResult) -> usize| runs.iter().map(of).sum::<usize>() as f64;
    sum(&|run| run.validation_images) / sum(&|run| run.train_images).max(1.0)
}

fn difference(pairs: &[[&RunResult; 2]], figure: &str, test_share: f64) -> Option<Difference> {
    let values: Vec<f64> = pairs
        .iter()
        .filter_map(|[one, other]| Some(value_of(one, figure)? - value_of(other, figure)?))
        .collect();
    if values.is_empty() {
        return None;
    }
    Some(Difference {
        mean: mean_and_deviation(&values).0,
        pairs: values.len(),
        test: paired_t_test(&values, test_share),
        p_adjusted: None,
        images: images(pairs),
    })
}

/// McNemar's test over the images of all pairs, where no image is there twice: of one split, or of the parts of one cross-validation.
fn images(pairs: &[[&RunResult; 2]]) -> Option<McNemar> {
    let mut seen: HashSet<&str> = HashSet::new();
    let [mut this, mut other] = [0, 0];
    for [one, two] in pairs {
        let [one, two] = [one.right.as_ref()?, two.right.as_ref()?];
        for (path, &right) in one {
            if !seen.insert(path) {
                return None;
            }
            match (right, *two.get(path)?) {
                (true, false) => this += 1,
                (false, true) => other += 1,
                _ => {}
            }
        }
    }
    Some(mcnemar(seen.len(), this, other))
}
