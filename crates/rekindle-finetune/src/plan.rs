//! The checked form of a recipe for one set of images: complete, printed by `--dry-run`, saved with the run.

mod batches;
mod drop_path;
mod whole_set;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use rekindle_augment::{JpegScaling, MixAt, Pipeline, Preprocessing, TransformRegistry};
use rekindle_backbone::{Architecture, Backbone, Card};
use rekindle_data::{
    BadImage, BadImages, DataError, DataRecipe, Dataset, HoldOut, ImageFolder, NumberScale,
    Outputs, Sampling, SourceKind, Split, SplitName, TargetKind, TaskKind, fit_bands, fit_range,
    fit_rescale,
};
use rekindle_head::LossConfig;
use rekindle_model::{
    Joint, check_precision, device_from_name, origin, preprocessing, resolve_card, sha256_of,
};
use rekindle_settings::{SettingError, Within, to_toml_string};
use serde::Serialize;
use toml::Table;

pub use self::batches::{BatchLimit, ChosenBatch};
use crate::FinetuneError;
use crate::features::Cut;
use crate::recipe::{LossRecipe, PhaseRecipe, Recipe};

/// Everything a run does, decided and checked.
#[derive(Debug)]
pub struct Plan {
    /// The recipe, with every default written out.
    pub recipe: Recipe,
    /// What the recipe meets: data, weights, stages.
    pub facts: Facts,
    /// The card of the weights.
    pub card: Card,
    /// The loss.
    pub loss: LossConfig,
    /// The preprocessing of training, evaluation and prediction.
    pub preprocessing: Preprocessing,
    /// The images.
    pub dataset: Arc<Dataset>,
    /// Which image is used for what.
    pub split: Split,
    /// Images left out since they cannot be decoded.
    pub bad_images: Vec<BadImage>,
    /// The batch sizes that the recipe has left to the plan; the recipe has the numbers too.
    pub chosen_batches: Vec<ChosenBatch>,
    /// The device.
    pub device: Device,
    /// The transforms that a recipe names as `custom`.
    pub custom_transforms: TransformRegistry,
}

/// What a recipe meets on this machine; the part of a plan that is written down beside the recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// Version of rekindle.
    pub rekindle: &'static str,
    /// The folder, manifest or tar shards.
    pub data: PathBuf,
    /// Which of these it is.
    pub source: SourceKind,
    /// Images of the data before `data.limit`; none without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_before_limit: Option<usize>,
    /// Images whose header was read, or that were decoded, by now.
    pub images_checked: usize,
    /// How training and validation images were told apart, in words.
    pub divided_by: String,
    /// Groups among the training and among the validation images; none where there are no groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<[usize; 2]>,
    /// What is learned: one class of several, labels, or numbers.
    pub task: TaskKind,
    /// The names of the classes, labels or numbers in the order of the head's outputs.
    pub classes: Vec<String>,
    /// Images for training.
    pub train_images: usize,
    /// Images for validation.
    pub validation_images: usize,
    /// Images for training, of each class or label, or with each number.
    pub train_per_class: Vec<usize>,
    /// Images for validation, likewise.
    pub validation_per_class: Vec<usize>,
    /// The card.
    pub backbone: String,
    /// Where the weights come from.
    pub weights: String,
    /// The stages of the backbone.
    pub stages: Vec<String>,
    /// The first stage that any phase trains; the number of stages where the head alone is trained.
    pub first_unfrozen_stage: usize,
    /// The stages whose outputs join the head's input, the finest first.
    pub tapped_stages: Vec<String>,
    /// Mean and deviation of the training images' numbers; none for other tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_scale: Option<NumberScale>,
    /// SHA-256 of the model that has a say in the targets, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_sha256: Option<String>,
}

impl Plan {
    /// Checks a recipe against a folder, a manifest or tar shards. Reads the data's names and labels and the headers of its images (of many,
    /// of some; see [`DataRecipe::checked_headers`](rekindle_data::DataRecipe::checked_headers)), and decodes the training images where
    /// `input.rescale` or `input.range` is fitted on them; writes nothing.
    ///
    /// # Errors
    ///
    /// Anything that would stop the run later and can be known now.
    pub fn new(recipe: Recipe, data: &Path) -> Result<Self, FinetuneError> {
        Self::with_transforms(recipe, data, TransformRegistry::default())
    }

    /// As [`Self::new`], with transforms of the program's own, which the recipe names as `custom`.
    ///
    /// # Errors
    ///
    /// As [`Self::new`]; the recipe names a transform that is not registered, or gives it settings that it does not take.
    pub fn with_transforms(
        mut recipe: Recipe,
        data: &Path,
        custom_transforms: TransformRegistry,
    ) -> Result<Self, FinetuneError> {
        let device = device_from_name(&recipe.device)?;
        check_precision(recipe.precision, &recipe.device)?;
        let card = resolve_card(&recipe.backbone)?;
        let origin = origin(&card, &recipe.backbone)?;
        let mut preprocessing = preprocessing(&card, &recipe.input)?;
        preprocessing.reading = recipe.data.reading();
        let transforms = &recipe.augment.transforms;
        Pipeline::training_with(&preprocessing, transforms, &custom_transforms)
            .map_err(|error| error.within("augment"))?;
        let architecture = Architecture::from_name(&card.architecture)?;
        let channels = preprocessing.channels();
        let network = architecture.init(&device).with_input_channels(channels);
        network.check_size(preprocessing.input_size)?;
        let stages: Vec<String> = network
            .stage_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let first_unfrozen_stage = first_trained(&recipe, &stages, recipe.phase.len())?;
        let taps = taps(recipe.features.taps, stages.len())?;
        check_settings(&recipe)?;
        check_mix(&recipe)?;
        drop_path::check(&recipe, &network, &stages)?;
        whole_set::check(&recipe)?;

        let data_paths = &mut recipe.data;
        let places = [
            &mut data_paths.root,
            &mut data_paths.validation,
            &mut data_paths.cache_directory,
            &mut recipe.distill.model,
        ];
        for path in places.into_iter().flatten() {
            // A run that goes on may be started from another directory.
            *path = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        }
        let settings = &recipe.data;
        let (folder, found) = settings.open(data, recipe.seed)?;
        let classes = folder.classes.names().to_vec();
        recipe.head.check().within("head")?;
        let mut loss = check_task(&mut recipe, &folder)?;
        let settings = &recipe.data;
        let disk_cache = settings.disk_cache(&folder)?;
        let mut dataset = Dataset::new(
            folder,
            preprocessing.limits(),
            settings.image_cache_mb << 20,
        )
        .with_jpeg_scaling(match settings.jpeg_scaling {
            true => JpegScaling::Reduced,
            false => JpegScaling::Full,
        });
        if let Some(disk) = disk_cache {
            // A plan writes nothing; the run does.
            disk.set_writes(false);
            dataset = dataset.with_disk_cache(disk);
        }
        let verified = match settings.bad_images {
            BadImages::Fail => {
                dataset.verify_some_headers(settings.bad_images, settings.checked_headers)?
            }
            // What is to be left out must be known before the split.
            BadImages::Skip => dataset.verify_decode(settings.bad_images)?,
        };
        let folder = dataset.folder();
        let split = Split::of_folder(folder, &verified.good, settings.hold_out(), recipe.seed)?;
        if split.validation.is_empty() {
            let path = folder.source.clone();
            return Err(DataError::NoValidation { path }.into());
        }
        if let Some(spec) = &recipe.input.range
            && spec.fixed().is_none()
        {
            let (limits, policy) = (dataset.limits(), settings.bad_images);
            let range = fit_range(spec, folder, limits, &split.train, policy)?;
            preprocessing.range = range;
            dataset = dataset.with_range(range);
        }
        let folder = dataset.folder();
        if let LossConfig::CrossEntropy(loss) = &mut loss
            && loss.logit_adjustment > 0.0
            && loss.priors.is_none()
        {
            // A class that only the validation images have counts as one image.
            let counts = folder.class_counts(&split.train);
            let counts: Vec<f32> = counts.iter().map(|count| (*count).max(1) as f32).collect();
            let all: f32 = counts.iter().sum();
            loss.priors = Some(counts.iter().map(|count| count / all).collect());
        }
        recipe.loss = LossRecipe::of(&loss)?;
        whole_set::settle(&mut recipe.phase, split.train.len() * recipe.augment.views);
        let number_scale = NumberScale::fit(folder, &split.train)?;
        if let Some(spec) = &recipe.input.rescale {
            match preprocessing.bands.is_some() {
                true => {
                    let bands = fit_bands(spec, &preprocessing, &dataset, &split.train)?;
                    preprocessing.bands = Some(bands);
                }
                false => {
                    preprocessing.rescale =
                        fit_rescale(spec, &preprocessing, &dataset, &split.train)?;
                }
            }
            preprocessing.check().within("input")?;
        }
        let teacher = recipe.distill.model.as_ref();
        let own = Outputs {
            task: folder.task,
            names: classes.clone(),
            scale: number_scale.clone(),
        };
        recipe.distill.check_teacher(&own, &preprocessing)?;
        // Written out, so that a model's border does not depend on how a later version would choose it.
        if preprocessing.bands.is_none() {
            preprocessing.fill = Some(preprocessing.fill());
        }
        let facts = Facts {
            rekindle: env!("CARGO_PKG_VERSION"),
            // A run that goes on may be started from another directory.
            data: std::path::absolute(data).unwrap_or_else(|_| data.to_path_buf()),
            source: folder.kind,
            images_before_limit: settings.limit.map(|_| found),
            images_checked: verified.checked,
            divided_by: divided_by(folder, settings),
            groups: groups(folder, &split),
            task: folder.task,
            train_images: split.train.len(),
            validation_images: split.validation.len(),
            train_per_class: folder.class_counts(&split.train),
            validation_per_class: folder.class_counts(&split.validation),
            classes,
            backbone: card.name.clone(),
            weights: origin,
            tapped_stages: taps.iter().map(|stage| stages[*stage].clone()).collect(),
            stages,
            first_unfrozen_stage,
            number_scale,
            teacher_sha256: teacher.map(|path| sha256_of(path)).transpose()?,
        };
        let mut plan = Self {
            recipe,
            facts,
            card,
            loss,
            preprocessing,
            split,
            bad_images: verified.bad,
            chosen_batches: Vec::new(),
            device,
            dataset: Arc::new(dataset),
            custom_transforms,
        };
        plan.check_patterns()?;
        plan.check_whole_sets()?;
        plan.choose_batches()?;
        Ok(plan)
    }

    /// The pipeline of the training images.
    ///
    /// # Errors
    ///
    /// None for a plan as it was made; its parts may have been changed since.
    pub fn training_pipeline(&self) -> Result<Pipeline, FinetuneError> {
        let transforms = &self.recipe.augment.transforms;
        let pipeline =
            Pipeline::training_with(&self.preprocessing, transforms, &self.custom_transforms);
        Ok(pipeline.map_err(|error| error.within("augment"))?)
    }

    /// The network that is trained, with its input's channels and without its weights.
    pub(crate) fn architecture(&self) -> Result<Backbone, FinetuneError> {
        let backbone = Architecture::from_name(&self.card.architecture)?.init(&self.device);
        Ok(backbone.with_input_channels(self.preprocessing.channels()))
    }

    /// What the head's outputs are.
    pub fn outputs(&self) -> Outputs {
        Outputs {
            task: self.facts.task,
            names: self.facts.classes.clone(),
            scale: self.facts.number_scale.clone(),
        }
    }

    /// What the head sees.
    pub fn joint(&self) -> Joint {
        let last = self.facts.stages.len() - 1;
        let taps = (last - self.facts.tapped_stages.len()..last).collect();
        Joint {
            taps,
            unit_rms: self.recipe.features.unit_rms,
        }
    }

    /// The cut before the stages that a phase of the list trains.
    ///
    /// # Errors
    ///
    /// None for a plan as it was made; its recipe may have been changed since.
    pub fn cut(&self, place: usize) -> Result<Cut, SettingError> {
        let phase = &self.recipe.phase[place];
        phase
            .unfreeze
            .first_stage(&self.facts.stages)
            .within(&phase.name)
    }

    /// The cuts of the phases that train for any epochs, in their order.
    pub fn cuts(&self) -> Vec<Cut> {
        self.cuts_from(0)
    }

    /// Those of the phases from one on.
    pub fn cuts_from(&self, place: usize) -> Vec<Cut> {
        let phases =
            (place..self.recipe.phase.len()).filter(|at| self.recipe.phase[*at].epochs > 0);
        phases.filter_map(|at| self.cut(at).ok()).collect()
    }

    /// The lowest stage that phases before one of the list have trained; the number of stages where that is none.
    ///
    /// # Errors
    ///
    /// As [`cut`](Self::cut).
    pub fn lowest_trained(&self, place: usize) -> Result<usize, SettingError> {
        first_trained(&self.recipe, &self.facts.stages, place)
    }

    /// The plan as TOML: the recipe under `recipe`, the facts under `facts`.
    ///
    /// # Errors
    ///
    /// A path in it is not UTF-8.
    pub fn to_toml(&self) -> Result<String, SettingError> {
        #[derive(Serialize)]
        struct Written<'a> {
            facts: &'a Facts,
            preprocessing: &'a Preprocessing,
            recipe: &'a Recipe,
        }
        let written = Written {
            facts: &self.facts,
            preprocessing: &self.preprocessing,
            recipe: &self.recipe,
        };
        to_toml_string(&written)
    }

    /// Whether a text that [`to_toml`](Self::to_toml) wrote says this plan, also one of a version that had two phases and no more.
    pub fn is_said_by(&self, text: &str) -> bool {
        let parts = |text: &str| {
            let mut table: Table = text.parse().ok()?;
            let Some(toml::Value::Table(recipe)) = table.remove("recipe") else {
                return None;
            };
            Some((table, Recipe::of_table(recipe).ok()?))
        };
        let own = self.to_toml().ok().and_then(|text| parts(&text));
        own.is_some() && own == parts(text)
    }
}

/// How training and validation images were told apart.
fn divided_by(folder: &ImageFolder, settings: &DataRecipe) -> String {
    match settings.hold_out() {
        _ if folder.has(SplitName::Validation) => "the splits of the data".into(),
        HoldOut::Share(share) => format!("a share of {share} for validation"),
        HoldOut::Fold { fold, folds } => format!("fold {fold} of {folds} for validation"),
    }
}

/// How many groups the training and the validation images are of, where any are; an image of none counts as one.
fn groups(folder: &ImageFolder, split: &Split) -> Option<[usize; 2]> {
    let count = |images: &[usize]| {
        let groups = images.iter().map(|&index| folder.samples[index].group);
        let alone = groups.clone().filter(Option::is_none).count();
        alone + groups.flatten().collect::<HashSet<u32>>().len()
    };
    let any = folder.samples.iter().any(|sample| sample.group.is_some());
    any.then(|| [count(&split.train), count(&split.validation)])
}

/// The lowest stage that the first phases of the list train, so many of them; the number of stages where that is none.
fn first_trained(recipe: &Recipe, stages: &[String], phases: usize) -> Result<usize, SettingError> {
    let mut lowest = stages.len();
    for phase in &recipe.phase[..phases] {
        let first = phase.unfreeze.first_stage(stages).within(&phase.name)?;
        if phase.epochs > 0 {
            lowest = lowest.min(first);
        }
    }
    Ok(lowest)
}

fn taps(count: usize, stages: usize) -> Result<Vec<usize>, SettingError> {
    let last = stages - 1;
    match last.checked_sub(count) {
        Some(first) => Ok((first..last).collect()),
        None => Err(SettingError::new(
            "features.taps",
            count,
            "at most the number of stages before the last one",
        )),
    }
}

fn check_settings(recipe: &Recipe) -> Result<(), SettingError> {
    recipe.data.check()?;
    recipe.distill.check().within("distill")?;
    recipe.phase.iter().try_for_each(|phase| phase.check())?;
    if !recipe.trains() {
        let key = format!("{}.epochs", recipe.phase[0].name);
        return Err(SettingError::new(key, 0, "at least one epoch in one phase"));
    }
    if recipe.augment.views == 0 {
        return Err(SettingError::new(
            "augment.views",
            0,
            "at least 1 view of each training image",
        ));
    }
    Ok(())
}

/// Checks what depends on the kind of targets, and writes out the loss and the monitors that were left to it.
fn check_task(recipe: &mut Recipe, folder: &ImageFolder) -> Result<LossConfig, FinetuneError> {
    let task = folder.task;
    let levels = task == TaskKind::Ordinal;
    if recipe.head.ordinal && !levels {
        let expected = "false where classes are no levels; `data.ordinal` makes levels of them, and turns it on";
        return Err(SettingError::new("head.ordinal", true, expected).into());
    }
    recipe.head.ordinal = levels;
    let loss = recipe.loss.for_task(task, folder.classes.len())?;
    recipe.loss = LossRecipe::of(&loss)?;
    for phase in &mut recipe.phase {
        phase.stopping = phase.stopping.for_task(task).within(&phase.name)?;
    }
    if recipe.data.sampling == Sampling::Balanced && task.targets() != TargetKind::Class {
        let path = folder.source.clone();
        return Err(DataError::BalancedWithoutClasses { path, task }.into());
    }
    let cuts = recipe.augment.mix.is_some_and(|mix| mix.cutmix_alpha > 0.0);
    if task.targets() == TargetKind::Numbers && cuts {
        return Err(SettingError::new(
            "augment.mix.cutmix_alpha",
            recipe.augment.mix.map_or(0.0, |mix| mix.cutmix_alpha),
            "0 where images have numbers, which do not follow the area of a pasted box; mixup alone is possible",
        )
        .into());
    }
    Ok(loss)
}

fn check_mix(recipe: &Recipe) -> Result<(), FinetuneError> {
    let Some(mix) = &recipe.augment.mix else {
        return Ok(());
    };
    mix.check().within("augment.mix")?;
    let most = |mixes: &dyn Fn(&PhaseRecipe) -> bool| {
        let phases = recipe.phase.iter().filter(|phase| mixes(phase));
        phases.map(|phase| phase.epochs).max().unwrap_or(0)
    };
    let epochs = match mix.at {
        MixAt::Images => most(&|phase| !phase.unfreeze.is_head()),
        MixAt::Features => most(&|_| true),
    };
    if epochs == 0 {
        return Err(SettingError::new(
            "augment.mix.at",
            "\"images\"",
            "\"features\" where no phase trains stages: a head alone sees features of unmixed images, computed once",
        )
        .into());
    }
    if mix.off_last_epochs >= epochs {
        return Err(SettingError::new(
            "augment.mix.off_last_epochs",
            mix.off_last_epochs,
            "fewer than the epochs of the phase that mixes, or nothing is ever mixed",
        )
        .into());
    }
    Ok(())
}
