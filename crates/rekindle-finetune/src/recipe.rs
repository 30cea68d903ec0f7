//! What the user wrote: a TOML file and `--set key=value`, over the defaults. Unchecked; [`Plan`](crate::Plan) is the checked form.

mod batch_size;
mod foreign;
mod log;
mod loss;
mod phase;
mod phases;

use std::path::Path;

use rekindle_augment::ops::{HorizontalFlip, RandomResizedCrop};
use rekindle_augment::{MixSpec, TransformSpec};
use rekindle_data::DataRecipe;
use rekindle_head::HeadConfig;
use rekindle_model::{BackboneRecipe, FileError, InputRecipe, Precision};
use rekindle_settings::{SettingError, read, to_toml_string, write};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::FinetuneError;
use crate::distill::DistillRecipe;

pub use log::LogRecipe;
pub use loss::LossRecipe;
pub use phase::{PhaseRecipe, Unfreeze, title as phase_title};

/// Every setting of a run. The defaults suit folders of a hundred to some thousand pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Where every random choice comes from: the split, the order of the images, the augmentation, the head's first weights.
    pub seed: u64,
    /// `cpu`, or a GPU backend that is compiled in. Default `cpu`.
    pub device: String,
    /// `f32` (default), or `bf16` where the processor has it: faster convolutions with factors of 8 significant bits.
    pub precision: Precision,
    /// Reading and splitting.
    pub data: DataRecipe,
    /// The pretrained network.
    pub backbone: BackboneRecipe,
    /// Overrides of the preprocessing that belongs to the weights; empty as a rule.
    pub input: InputRecipe,
    /// Augmentation of the training images.
    pub augment: AugmentRecipe,
    /// What the head sees of the backbone.
    pub features: FeaturesRecipe,
    /// The head.
    pub head: HeadConfig,
    /// The loss that is trained on: `cross_entropy` or `focal` for classes, `binary_cross_entropy` or `binary_focal` for several labels,
    /// `mean_squared_error`, `mean_absolute_error` or `huber` for numbers, `corn` for levels. Default the first one of each, see [`LossRecipe`].
    pub loss: LossRecipe,
    /// A trained model that has a say in the targets.
    #[serde(default)]
    pub distill: DistillRecipe,
    /// The phases, one after the other; each begins with the best epoch of those before it, and has to beat it to become the result.
    /// Default `phase1`, the head alone on frozen features that are computed once, and `phase2`, the last two stages too.
    pub phase: Vec<PhaseRecipe>,
    /// What the run tells other programs while it goes on.
    pub log: LogRecipe,
}

/// What the head sees of the backbone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeaturesRecipe {
    /// How many stages before the last one add their average-pooled outputs to the head's input. Default 3: earlier stages know
    /// textures and parts that the last one has given up for ImageNet's classes.
    pub taps: usize,
    /// Divide each stage's pooled output by its root mean square, so that stages of different scales weigh alike and one learning
    /// rate suits every backbone. Default on. With `taps = 0` and this off, the head's input is that of timm's own classifier.
    pub unit_rms: bool,
}

/// Augmentation of the training images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentRecipe {
    /// How many versions of each training image the feature cache holds: the first is the plain one, the others are augmented.
    /// Phases that cannot use the cache augment anew each epoch.
    pub views: usize,
    /// The transforms, in order.
    pub transforms: Vec<TransformSpec>,
    /// Mixup and CutMix, `{ mixup_alpha = 0.2, cutmix_alpha = 1.0, probability = 1.0, switch_probability = 0.5, off_last_epochs = 0 }`.
    /// Default none.
    ///
    /// It mixes the images of phase 2, whose frozen stages then run anew each epoch. Phase 1 never sees mixed images, whether its
    /// features fit the cache or not: it trains one head for a few epochs on features that are computed once, and features of mixed
    /// images, which differ in every step, would cost a pass through the whole network each time. Phase 2 starts from that head, and
    /// has to beat it.
    ///
    /// With `at = "features"` and `cutmix_alpha = 0` both phases mix the features that they start from, which stay cached (with every
    /// stage unfrozen, phase 2 starts from the images): mixup for phase 1 at no cost, by Verma et al. 2019 ("Manifold Mixup").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<MixSpec>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            seed: 0,
            device: "cpu".into(),
            precision: Precision::F32,
            data: DataRecipe::default(),
            backbone: BackboneRecipe::default(),
            input: InputRecipe::default(),
            augment: AugmentRecipe {
                views: 2,
                transforms: default_transforms(),
                mix: None,
            },
            features: FeaturesRecipe {
                taps: 3,
                unit_rms: true,
            },
            // From equal class probabilities: random first weights on a thousand features are noise that a few epochs do not unlearn.
            head: HeadConfig {
                zero_last: true,
                ..HeadConfig::default()
            },
            loss: LossRecipe::default(),
            distill: DistillRecipe::default(),
            phase: vec![PhaseRecipe::of_head(), PhaseRecipe::of_stages()],
            log: LogRecipe::default(),
        }
    }
}

fn default_transforms() -> Vec<TransformSpec> {
    let crop = RandomResizedCrop {
        scale: [0.7, 1.0],
        ..RandomResizedCrop::default()
    };
    vec![
        TransformSpec::RandomResizedCrop(crop),
        TransformSpec::HorizontalFlip(HorizontalFlip::default()),
    ]
}

impl Recipe {
    /// The defaults, with the file's settings over them, with the `key=value` overrides over those.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not TOML, or names a key that does not exist (the nearest is suggested) or has another type.
    pub fn load(file: Option<&Path>, overrides: &[String]) -> Result<Self, FinetuneError> {
        let mut table = write(&Self::default())?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
                path: path.into(),
                source,
            })?;
            let failed = |reason: String| FinetuneError::Recipe {
                origin: path.display().to_string(),
                reason,
            };
            let written: Table = text
                .parse()
                .map_err(|error: toml::de::Error| failed(error.to_string()))?;
            let found = phases::merge(&mut table, written).and_then(|()| parse(&table));
            found.map_err(|error| failed(error.to_string()))?;
        }
        over(table, overrides)
    }

    /// This recipe with `key=value` overrides over it.
    ///
    /// # Errors
    ///
    /// As those of the overrides in [`load`](Self::load); a path in it is not UTF-8.
    pub fn with(&self, overrides: &[String]) -> Result<Self, FinetuneError> {
        over(write(self)?, overrides)
    }

    /// The recipe that a table says, such as that of a plan or of a model file, also one of a version that had two phases and no more.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn of_table(mut written: Table) -> Result<Self, SettingError> {
        let mut table = write(&Self::default())?;
        phases::as_it_was(&mut written);
        phases::merge(&mut table, written)?;
        parse(&table)
    }

    /// The recipe as TOML, every setting written out.
    ///
    /// # Errors
    ///
    /// A path in it is not UTF-8.
    pub fn to_toml(&self) -> Result<String, SettingError> {
        to_toml_string(self)
    }

    /// Whether any phase has epochs.
    pub fn trains(&self) -> bool {
        self.phase.iter().any(|phase| phase.epochs > 0)
    }
}

/// What a table says with overrides over it, each of which is checked by itself so that an error names it.
fn over(mut table: Table, overrides: &[String]) -> Result<Recipe, FinetuneError> {
    for pair in overrides {
        let found = phases::set(&mut table, pair).and_then(|()| parse(&table));
        found.map_err(|error| FinetuneError::Recipe {
            origin: format!("--set {pair}"),
            reason: error.to_string(),
        })?;
    }
    Ok(parse(&table)?)
}

fn parse(table: &Table) -> Result<Recipe, SettingError> {
    let read = read(Value::Table(table.clone())).and_then(|recipe: Recipe| {
        phases::check_names(&recipe.phase)?;
        recipe.loss.check()?;
        Ok(recipe)
    });
    read.map_err(|error| phases::by_name(error, table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{AdamWSpec, OptimizerSpec};
    use crate::schedule::ScheduleSpec;
    use rekindle_augment::RescaleSpec;

    fn with(overrides: &[&str]) -> Result<Recipe, FinetuneError> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Recipe::load(None, &overrides)
    }

    #[test]
    fn the_default_survives_being_written_and_read() {
        let recipe = Recipe::default();
        assert_eq!(recipe.augment.transforms.len(), 2);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("recipe.toml");
        std::fs::write(&file, recipe.to_toml().unwrap()).unwrap();
        assert_eq!(Recipe::load(Some(&file), &[]).unwrap(), recipe);
    }

    #[test]
    fn overrides_over_a_recipe_are_those_over_its_file() {
        let base = ["phase1.optim={name='sgd', momentum=0.5}", "phase2.epochs=0"];
        let more = ["phase1.optim.momentum=0.25", "input.rescale=dataset"];
        let recipe = with(&base).unwrap();
        let further = more.map(str::to_owned);
        let whole = with(&[base, more].concat()).unwrap();
        assert_eq!(recipe.with(&further).unwrap(), whole);
        assert_eq!(recipe.with(&[]).unwrap(), recipe);
        let error = recipe.with(&["phase1.epoch=3".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("`phase1.epochs`"), "{error}");
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        let error = with(&["phase1.epoch=3"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `phase1.epochs`"), "{error}");
        let error = with(&["phase3.epochs=3"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `phase"), "{error}");
        let error = with(&["phase1.optim.beta1=0.8"]).unwrap_err().to_string();
        assert!(
            error.contains("did you mean `phase1.optim.beta_1`"),
            "{error}"
        );
    }

    #[test]
    fn one_key_of_an_optimiser_can_be_set_without_its_name() {
        let recipe = with(&["phase1.optim.weight_decay=0.5", "backbone.name=resnet18"]).unwrap();
        assert_eq!(
            recipe.phase[0].optim,
            OptimizerSpec::AdamW(AdamWSpec {
                weight_decay: 0.5,
                ..AdamWSpec::default()
            })
        );
        assert_eq!(recipe.backbone.name, "resnet18");
    }

    #[test]
    fn another_optimiser_replaces_the_old_ones_settings() {
        let recipe = with(&[
            "phase2.optim={name='sgd', momentum=0.5}",
            "phase2.schedule.name=step",
        ])
        .unwrap();
        assert_eq!(recipe.phase[1].optim.name(), "sgd");
        assert!(matches!(
            recipe.phase[1].schedule,
            ScheduleSpec::Step { .. }
        ));
    }

    #[test]
    fn another_scale_replaces_the_old_ones_settings() {
        let written = "input.rescale={standardise={mean=[0.5,0.5,0.5],std=[0.2,0.2,0.2]}}";
        let rescale = |overrides: &[&str]| with(overrides).unwrap().input.rescale;
        assert_eq!(
            rescale(&[written, "input.rescale.zca.epsilon=1e-3"]),
            Some(RescaleSpec::Zca { epsilon: 1e-3 })
        );
        assert_eq!(
            rescale(&[written, "input.rescale=dataset"]),
            Some(RescaleSpec::Dataset)
        );
        let recipe = rescale(&[written, "input.rescale.standardise.mean=[0.1,0.1,0.1]"]);
        let (mean, std) = ([0.1; 3], [0.2; 3]);
        assert_eq!(recipe, Some(RescaleSpec::Standardise { mean, std }));
        let error = with(&["input.rescale=zcaa"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `zca`"), "{error}");
    }

    #[test]
    fn one_key_turns_mixing_on() {
        assert_eq!(with(&[]).unwrap().augment.mix, None);
        let mix = with(&["augment.mix.mixup_alpha=0.4"]).unwrap().augment.mix;
        let expected = MixSpec {
            mixup_alpha: 0.4,
            ..MixSpec::default()
        };
        assert_eq!(mix, Some(expected));
        let error = with(&["augment.mix.alpha=1"]).unwrap_err().to_string();
        assert!(
            error.contains("there is no setting `augment.mix.alpha`"),
            "{error}"
        );
    }

    #[test]
    fn values_may_be_numbers_lists_or_bare_words() {
        let recipe = with(&[
            "unfreeze.from=all",
            "input.size=[96, 96]",
            "head.pool=gem",
            "unfreeze.from=3",
        ])
        .unwrap();
        assert_eq!(recipe.phase[1].unfreeze, Unfreeze::Last(3));
        assert_eq!(recipe.input.size, Some([96, 96]));
        let one = with(&["input.size=160"]).unwrap().input.size;
        assert_eq!(one, Some([160, 160]));
        assert!(with(&["phase1.epochs=many"]).is_err());
        assert!(with(&["phase1.epochs"]).is_err());
    }

    #[test]
    fn one_column_of_numbers_needs_no_list() {
        let columns = |setting: &str| {
            let recipe = Recipe::load(None, &[format!("data.number_columns={setting}")]);
            recipe.map(|recipe| recipe.data.number_columns)
        };
        assert_eq!(columns("age").unwrap(), ["age"]);
        assert_eq!(columns("['age', 'size']").unwrap(), ["age", "size"]);
        assert!(
            columns("3")
                .unwrap_err()
                .to_string()
                .contains("list of columns")
        );
    }

    #[test]
    fn source_settings_open_the_same_data() {
        let data = DataRecipe {
            root: Some("my \"photos\"".into()),
            label_column: Some("7".into()),
            labels_column: Some("tags".into()),
            label_separator: "; ".into(),
            number_columns: vec!["a\"b".into(), "c".into()],
            ..DataRecipe::default()
        };
        let recipe = Recipe::load(None, &data.source_settings()).unwrap();
        assert_eq!(recipe.data.source_options(), data.source_options());
    }

    #[test]
    fn wrong_types_are_told_in_the_words_of_toml_with_the_key_as_written() {
        for (setting, words) in [
            (
                "phase1.optim=adam",
                "`phase1.optim` is \"adam\", expected a table, such as { name = \"adam\" }",
            ),
            (
                "phase1.schedule=3",
                "`phase1.schedule` is 3, expected a table with the key `name`",
            ),
            (
                "phase2.clip=1.5",
                "`phase2.clip` is 1.5, expected a table with the key `name`",
            ),
            ("loss=focal", "a table, such as { name = \"focal\" }"),
            (
                "augment.transforms=invert",
                "a list of tables, such as [{ op = \"invert\" }]",
            ),
            ("augment.mix=0.2", "`augment.mix` is 0.2, expected a table"),
            ("phase1.epochs=1.5", "a whole number of at least 0"),
            (
                "phase1.lr=high",
                "`phase1.lr` is \"high\", expected a number",
            ),
            ("input.size=1.5", "a list of two: height and width"),
            ("data=3", "`data` is 3, expected a table"),
            ("input.rescale.zca=1", "expected a table"),
            ("phase2.unfreeze=[1]", "`phase2.unfreeze`"),
        ] {
            let error = with(&[setting]).unwrap_err().to_string();
            assert!(error.contains(words), "{setting}: {error}");
        }
    }

    #[test]
    fn a_path_that_is_not_utf8_is_an_error_and_not_an_empty_recipe() {
        use std::os::unix::ffi::OsStringExt;
        let mut recipe = Recipe::default();
        recipe.data.root = Some(std::ffi::OsString::from_vec(b"ph\xf6tos".to_vec()).into());
        let error = recipe.to_toml().unwrap_err();
        assert_eq!(error.key(), "data.root", "{error}");
    }
}
