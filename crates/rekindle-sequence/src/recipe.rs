//! What the user wrote: a TOML file and `--set key=value`, over the defaults. Unchecked against the data; [`Plan`](crate::Plan) does that.

use std::path::{Path, PathBuf};

use rekindle_augment::{AlphaUse, TiffPlanes};
use rekindle_data::{
    BadImages, ColumnNames, DataRecipe, GroupBy, HoldOut, SourceOptions, TaskKind,
};
use rekindle_finetune::clip::ClipSpec;
use rekindle_finetune::optim::OptimizerSpec;
use rekindle_finetune::schedule::ScheduleSpec;
use rekindle_finetune::stopping::StoppingSpec;
use rekindle_head::{CrossEntropy, LossConfig};
use rekindle_model::{BackboneRecipe, FileError, InputRecipe};
use rekindle_settings::{SettingError, Within, merge, positive, read, set, to_toml_string, write};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::SequenceError;
use crate::head::SequenceHeadConfig;

/// Every setting of a training. The defaults suit tens to thousands of sequences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Where every random choice comes from: the split, the order of the sequences, the first weights, dropout.
    pub seed: u64,
    /// `cpu`, or a GPU backend that is compiled in. Default `cpu`.
    pub device: String,
    /// Reading and splitting.
    pub data: SequenceDataRecipe,
    /// The pretrained network, which stays as it is.
    pub backbone: BackboneRecipe,
    /// Overrides of the preprocessing that belongs to the weights; empty as a rule.
    pub input: InputRecipe,
    /// What the head sees of each frame.
    pub features: FrameRecipe,
    /// The head.
    pub head: SequenceHeadConfig,
    /// The training of the head.
    pub train: TrainRecipe,
}

/// How sequences are read and divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequenceDataRecipe {
    /// Where the relative paths of a list start. Default: the list's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// The column of the paths. Default: the one called `path`, `file`, `image` or the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_column: Option<String>,
    /// The column of the classes. Default: `label`, `class` or `category`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// The column that says `train`, `val` or `test`. Default: `split`, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_column: Option<String>,
    /// The column that names each frame's sequence. Default: `group`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_column: Option<String>,
    /// The column of the frames' numbers. Default: `frame`, where there is one; else the rows are in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_column: Option<String>,
    /// What the paths of a list begin with and do not here; it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// What is put behind the paths of a list that do not end in it, such as `.jpg`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// `none` (default), or `prefix`: sequences whose names agree up to `group_separator` (one person, one place) are never divided between
    /// training and validation.
    pub group_by: GroupBy,
    /// Ends the part of a sequence's name that such sequences share. Default `_`.
    pub group_separator: String,
    /// Share of each class's sequences that is held out for validation where the data has no validation sequences. Default 0.2.
    pub validation_share: f64,
    /// Parts for cross-validation in place of a share; 0 (default) for none.
    pub folds: usize,
    /// Which part is held out, from 1 to `folds`. Default 1.
    pub fold: usize,
    /// Which planes of a TIFF that has several are a frame's picture: `first` (default), `channels` or `all`.
    #[serde(default)]
    pub tiff_planes: TiffPlanes,
    /// What becomes of an alpha channel: `white`, frames are put over white by it (default), or `ignore`.
    #[serde(default)]
    pub alpha: AlphaUse,
    /// What to do with frames that cannot be decoded: `fail` (default) or `skip`.
    pub bad_images: BadImages,
    /// Most frames whose headers are read before the start. Default 50000.
    pub checked_headers: usize,
    /// Megabytes of features kept on disk for later runs; 0 keeps none. Default 4096.
    pub disk_cache_mb: usize,
    /// Where they are kept. Default: `rekindle` in the system's cache directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_directory: Option<PathBuf>,
}

/// What the head sees of each frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameRecipe {
    /// Most frames of a sequence; longer ones are thinned evenly, first and last kept. Default 32.
    pub frames: usize,
    /// The stage whose features they are, by its name or its number from 0. Default: the last one whose map has a sixteenth of the
    /// picture's side; later ones know better what is seen, and hardly where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Features are averages over `grid` by `grid` cells of the stage's map. Default 2: with 1, where something is is averaged away.
    pub grid: usize,
    /// Standardise each feature by its mean and deviation over the training frames; both are in the model file. Default on.
    pub standardise: bool,
}

/// The training of the head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainRecipe {
    /// Most epochs. Default 60.
    pub epochs: usize,
    /// Sequences per step. Default 16.
    pub batch_size: usize,
    /// The highest learning rate. Default 1e-3.
    pub lr: f64,
    /// How it changes. Default a cosine to 0, after an epoch of warm-up.
    pub schedule: ScheduleSpec,
    /// The optimiser. Default AdamW.
    pub optim: OptimizerSpec,
    /// How gradients are kept small, which recurrent networks need. Default `{ name = "global_norm", limit = 1.0 }`.
    pub clip: ClipSpec,
    /// The loss: `cross_entropy` or `focal`. Default cross-entropy with a label smoothing of 0.1.
    pub loss: LossConfig,
    /// When training stops before its last epoch, and by which figure the best one is chosen. Default after 15 epochs without a better
    /// accuracy on the validation sequences.
    pub stopping: StoppingSpec,
}

impl Default for Recipe {
    fn default() -> Self {
        let images = DataRecipe::default();
        Self {
            seed: 0,
            device: "cpu".into(),
            data: SequenceDataRecipe {
                root: None,
                path_column: None,
                label_column: None,
                split_column: None,
                group_column: None,
                frame_column: None,
                path_prefix: None,
                suffix: None,
                group_by: GroupBy::None,
                group_separator: images.group_separator,
                validation_share: images.validation_share,
                folds: 0,
                fold: 1,
                tiff_planes: images.tiff_planes,
                alpha: images.alpha,
                bad_images: BadImages::Fail,
                checked_headers: images.checked_headers,
                disk_cache_mb: images.disk_cache_mb,
                cache_directory: None,
            },
            backbone: BackboneRecipe::default(),
            input: InputRecipe::default(),
            features: FrameRecipe {
                frames: 32,
                stage: None,
                grid: 2,
                standardise: true,
            },
            head: SequenceHeadConfig::default(),
            train: TrainRecipe {
                epochs: 60,
                batch_size: 16,
                lr: 1e-3,
                schedule: ScheduleSpec::Cosine {
                    min_ratio: 0.0,
                    warmup_epochs: 1.0,
                },
                optim: OptimizerSpec::default(),
                clip: ClipSpec::GlobalNorm { limit: 1.0 },
                loss: LossConfig::CrossEntropy(CrossEntropy {
                    label_smoothing: 0.1,
                    ..CrossEntropy::default()
                }),
                stopping: StoppingSpec {
                    patience: 15,
                    ..StoppingSpec::default()
                },
            },
        }
    }
}

impl SequenceDataRecipe {
    /// How the sequences are to be opened.
    pub fn source_options(&self) -> SourceOptions {
        let images = self.images().source_options();
        SourceOptions {
            columns: ColumnNames {
                frame: self.frame_column.clone(),
                ..images.columns.clone()
            },
            ..images
        }
    }

    /// What is held out for validation.
    pub fn hold_out(&self) -> HoldOut {
        self.images().hold_out()
    }

    /// The same settings as those of images, which all but the frames are.
    pub fn images(&self) -> DataRecipe {
        DataRecipe {
            root: self.root.clone(),
            path_column: self.path_column.clone(),
            label_column: self.label_column.clone(),
            split_column: self.split_column.clone(),
            group_column: self.group_column.clone(),
            path_prefix: self.path_prefix.clone(),
            suffix: self.suffix.clone(),
            group_by: self.group_by,
            group_separator: self.group_separator.clone(),
            validation_share: self.validation_share,
            folds: self.folds,
            fold: self.fold,
            tiff_planes: self.tiff_planes,
            alpha: self.alpha,
            bad_images: self.bad_images,
            checked_headers: self.checked_headers,
            disk_cache_mb: self.disk_cache_mb,
            cache_directory: self.cache_directory.clone(),
            ..DataRecipe::default()
        }
    }
}

impl Recipe {
    /// The defaults, with the file's settings over them, with the `key=value` overrides over those.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not TOML, or names a key that does not exist (the nearest is suggested) or has another type.
    pub fn load(file: Option<&Path>, overrides: &[String]) -> Result<Self, SequenceError> {
        let mut table = write(&Self::default())?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
                path: path.into(),
                source,
            })?;
            let failed = |reason: String| SequenceError::Recipe {
                origin: path.display().to_string(),
                reason,
            };
            let written: Result<Table, toml::de::Error> = text.parse();
            merge(
                &mut table,
                written.map_err(|error| failed(error.to_string()))?,
            );
            parse(&table).map_err(|error| failed(error.to_string()))?;
        }
        for pair in overrides {
            let found = set(&mut table, pair).and_then(|()| parse(&table));
            found.map_err(|error| SequenceError::Recipe {
                origin: format!("--set {pair}"),
                reason: error.to_string(),
            })?;
        }
        Ok(parse(&table)?)
    }

    /// The recipe as TOML, every setting written out.
    ///
    /// # Errors
    ///
    /// A path in it is not UTF-8.
    pub fn to_toml(&self) -> Result<String, SettingError> {
        to_toml_string(self)
    }

    /// Checks what can be known without the data.
    ///
    /// # Errors
    ///
    /// [`SettingError`] names the first setting out of range.
    pub fn check(&self) -> Result<(), SettingError> {
        self.data.images().check()?;
        let at_least_one = |key: &str, value: usize| match value {
            0 => Err(SettingError::new(key, 0, "at least 1")),
            _ => Ok(()),
        };
        at_least_one("features.frames", self.features.frames)?;
        if !(1..=MOST_CELLS).contains(&self.features.grid) {
            return Err(SettingError::new(
                "features.grid",
                self.features.grid,
                "1 to 16",
            ));
        }
        if let Some(rescale) = &self.input.rescale {
            rescale.check().within("input.rescale")?;
            if rescale.fixed().is_none() {
                let expected = "a scale that is not fitted on the data: `unit`, `symmetric`, `none`, `per_image` or `standardise`";
                return Err(SettingError::new("input.rescale", "fitted", expected));
            }
        }
        if let Some(range) = &self.input.range {
            range.check().within("input.range")?;
            if range.fixed().is_none() {
                let expected = "a range that is not fitted on the data: `full`, `{ bits = BITS }` or `{ span = { low = LOW, high = HIGH } }`";
                return Err(SettingError::new("input.range", "fitted", expected));
            }
        }
        self.head.check().within("head")?;
        let train = &self.train;
        at_least_one("train.epochs", train.epochs)?;
        at_least_one("train.batch_size", train.batch_size)?;
        positive("train.lr", train.lr)?;
        train.schedule.check(train.epochs).within("train")?;
        train.optim.check().within("train")?;
        if train.optim.whole_set().is_some() {
            let expected = "an optimiser that takes a step for each batch";
            return Err(SettingError::new("train.optim.name", "\"lbfgs\"", expected));
        }
        train.clip.check().within("train")?;
        train.stopping.check().within("train")?;
        train
            .stopping
            .for_task(TaskKind::Classification)
            .within("train")?;
        let losses = TaskKind::Classification.losses();
        if !losses.contains(&train.loss.name()) {
            let expected = losses.join(" or ");
            return Err(SettingError::new(
                "train.loss.name",
                train.loss.name(),
                expected,
            ));
        }
        Ok(())
    }
}

/// Cells along a side: maps of today's networks have 7 to 12 pixels there.
const MOST_CELLS: usize = 16;

fn parse(table: &Table) -> Result<Recipe, SettingError> {
    read(Value::Table(table.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(overrides: &[&str]) -> Result<Recipe, SequenceError> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Recipe::load(None, &overrides)
    }

    #[test]
    fn the_default_passes_its_check_and_survives_being_written_and_read() {
        let recipe = Recipe::default();
        assert_eq!(recipe.check(), Ok(()));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("recipe.toml");
        std::fs::write(&file, recipe.to_toml().unwrap()).unwrap();
        assert_eq!(Recipe::load(Some(&file), &[]).unwrap(), recipe);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one_and_where_it_stands() {
        let error = with(&["head.layer=2"]).unwrap_err().to_string();
        assert!(
            error.contains("did you mean `head.layers`") && error.contains("--set"),
            "{error}"
        );
        let error = with(&["head.cell=lsmt"]).unwrap_err().to_string();
        assert!(error.contains("`lstm`"), "{error}");
    }

    #[test]
    fn settings_out_of_range_are_refused_with_their_whole_key() {
        for (setting, key) in [
            ("head.hidden=0", "head.hidden"),
            ("head.layers=65", "head.layers"),
            ("head.dropout=1.0", "head.dropout"),
            ("features.frames=0", "features.frames"),
            ("features.grid=0", "features.grid"),
            ("input.rescale=dataset", "input.rescale"),
            ("input.range=max", "input.range"),
            ("train.epochs=0", "train.epochs"),
            ("train.lr=0", "train.lr"),
            ("train.clip.limit=-1", "train.clip.limit"),
            ("train.optim.beta_1=1.5", "train.optim.beta_1"),
            ("train.loss={name='huber', delta=1.0}", "train.loss.name"),
            ("train.stopping.patience=0", "train.stopping.patience"),
            (
                "train.stopping.monitor=validation_map",
                "train.stopping.monitor",
            ),
            ("data.fold=3", "data.fold"),
        ] {
            let error = with(&[setting]).unwrap().check().unwrap_err();
            assert_eq!(error.key(), key);
        }
    }

    #[test]
    fn one_key_of_a_choice_can_be_set_alone() {
        let recipe = with(&[
            "train.clip.limit=5",
            "train.optim={name='sgd', momentum=0.9}",
            "head.cell=gru",
        ])
        .unwrap();
        assert_eq!(recipe.train.clip, ClipSpec::GlobalNorm { limit: 5.0 });
        assert_eq!(recipe.train.optim.name(), "sgd");
    }
}
