//! What the user wrote: a TOML file and `--set key=value`, over the defaults. Unchecked; [`Plan`](crate::Plan) is the checked form.

mod data;
mod loss;
mod words;

use std::path::{Path, PathBuf};

use rekindle_augment::ops::{HorizontalFlip, RandomResizedCrop};
use rekindle_augment::{Interpolation, MixSpec, RescaleSpec, ResizePolicy, TransformSpec};
use rekindle_head::HeadConfig;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::FinetuneError;
use crate::clip::ClipSpec;
use crate::optim::{AdamWSpec, OptimizerSpec};
use crate::precision::Precision;
use crate::schedule::ScheduleSpec;
use crate::stopping::StoppingSpec;

pub use data::DataRecipe;
pub use loss::LossRecipe;
use words::explained;

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
    /// `mean_squared_error`, `mean_absolute_error` or `huber` for numbers. Default the first one of each, see [`LossRecipe`].
    pub loss: LossRecipe,
    /// Phase 1: the head alone, on frozen features that are computed once.
    pub phase1: PhaseRecipe,
    /// Phase 2: the last stages too.
    pub phase2: PhaseRecipe,
    /// How much of the backbone phase 2 unfreezes.
    pub unfreeze: UnfreezeRecipe,
}

/// The pretrained network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneRecipe {
    /// A card, `resnet18.a1_in1k`, or an architecture, `resnet18`, which stands for its first card.
    pub name: String,
    /// A `.safetensors` file with timm's keys, in place of the bundled weights; `random` starts from scratch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
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

/// Overrides of the weights' own preprocessing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRecipe {
    /// Height and width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Share of the resized image's side that the centre crop keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_ratio: Option<f32>,
    /// Resize filter: `nearest`, `bilinear`, `bicubic`, `lanczos`, or `area`, the mean of the area that a pixel covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpolation: Option<Interpolation>,
    /// `crop`, `squash` or `pad`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<ResizePolicy>,
    /// Red, green and blue, from 0 to 255, of the border that `pad` makes and of what rotations and other transforms leave empty.
    /// Default the colour nearest to what rescaling turns into zero, such as the mean. It is in plan.toml and in the model file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
    /// `unit` ([0, 1]), `symmetric` ([-1, 1]), `{ standardise = { mean = [..], std = [..] } }` or `none`; for each image by itself
    /// `per_image` or `{ per_image = { per_channel = true } }`; fitted on the training images `dataset` (their mean and standard
    /// deviation), `centre` (their mean alone), `{ zca = { epsilon = 1e-5 } }` and `{ pca = { epsilon = 1e-5 } }` (colour whitening).
    /// Fitted numbers are in plan.toml and in the model file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescale: Option<RescaleSpec>,
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

/// One phase of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseRecipe {
    /// Most epochs; 0 leaves the phase out.
    pub epochs: usize,
    /// Images per step.
    pub batch_size: usize,
    /// Learning rate of the head.
    pub lr: f64,
    /// The optimiser.
    pub optim: OptimizerSpec,
    /// The learning rate over the phase.
    pub schedule: ScheduleSpec,
    /// Gradient clipping.
    pub clip: ClipSpec,
    /// Strength of L1 regularisation of the weights (L2 is the optimiser's `weight_decay`). Default 0.
    pub l1: f64,
    /// Early stopping; its monitor also chooses the best epoch.
    pub stopping: StoppingSpec,
}

/// How much of the backbone phase 2 unfreezes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnfreezeRecipe {
    /// `all`, or the name of the first stage to unfreeze, or a number of last stages.
    pub from: UnfreezeFrom,
    /// Factor on the learning rate for each stage further from the head. Default 0.5; 1 trains all alike.
    pub lr_decay: f64,
    /// Factor on the learning rate of the last stage against the head's. Default 3: phase 1 has trained the head already.
    pub lr_ratio: f64,
    /// Whether unfrozen batch norms use and track batch statistics. Default off: small folders and batches give poor ones.
    pub track_statistics: bool,
}

/// Where phase 2 unfreezes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UnfreezeFrom {
    /// This many last stages.
    Last(usize),
    /// `all`, or a stage's name.
    Stage(String),
}

impl Default for Recipe {
    fn default() -> Self {
        let stopping = |patience| StoppingSpec {
            monitor: None,
            patience,
            min_change: 0.0,
        };
        let adamw = |weight_decay| {
            OptimizerSpec::AdamW(AdamWSpec {
                weight_decay,
                ..AdamWSpec::default()
            })
        };
        Self {
            seed: 0,
            device: "cpu".into(),
            precision: Precision::F32,
            data: DataRecipe::default(),
            backbone: BackboneRecipe {
                name: rekindle_models::DEFAULT_CARD.into(),
                weights: None,
            },
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
            phase1: PhaseRecipe {
                epochs: 30,
                batch_size: 16,
                lr: 7e-4,
                optim: adamw(0.01),
                schedule: ScheduleSpec::Cosine {
                    min_ratio: 0.0,
                    warmup_epochs: 0.0,
                },
                clip: ClipSpec::None,
                l1: 0.0,
                stopping: stopping(10),
            },
            phase2: PhaseRecipe {
                epochs: 6,
                batch_size: 32,
                lr: 3e-4,
                optim: adamw(0.01),
                schedule: ScheduleSpec::Cosine {
                    min_ratio: 0.0,
                    warmup_epochs: 0.5,
                },
                clip: ClipSpec::GlobalNorm { limit: 1.0 },
                l1: 0.0,
                stopping: stopping(5),
            },
            unfreeze: UnfreezeRecipe {
                from: UnfreezeFrom::Last(2),
                lr_decay: 0.5,
                lr_ratio: 3.0,
                track_statistics: false,
            },
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
        let mut table = to_table(&Self::default());
        if let Some(path) = file {
            let origin = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|source| FinetuneError::Read {
                path: path.into(),
                source,
            })?;
            let written: Table =
                text.parse()
                    .map_err(|error: toml::de::Error| FinetuneError::Recipe {
                        origin: origin.clone(),
                        reason: error.to_string(),
                    })?;
            merge(&mut table, written);
            parse(&table, &origin)?;
        }
        for pair in overrides {
            set(&mut table, pair)?;
            parse(&table, &format!("--set {pair}"))?;
        }
        parse(&table, "recipe")
    }

    /// The recipe as TOML, every setting written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}

fn to_table(recipe: &Recipe) -> Table {
    Table::try_from(recipe).unwrap_or_default()
}

fn parse(table: &Table, origin: &str) -> Result<Recipe, FinetuneError> {
    let recipe =
        Value::Table(table.clone())
            .try_into::<Recipe>()
            .map_err(|error: toml::de::Error| FinetuneError::Recipe {
                origin: origin.to_owned(),
                reason: explained(error.to_string().trim_end()),
            })?;
    recipe.loss.check()?;
    Ok(recipe)
}

/// Puts the written settings over the base. Tables are merged key by key, unless they are of different kinds (`name`, `op`, or the
/// only key of `rescale`).
fn merge(base: &mut Table, written: Table) {
    for (key, value) in written {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if same_kind(&key, old, &new) => {
                merge(old, new);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn same_kind(key: &str, old: &Table, new: &Table) -> bool {
    if key == "rescale" {
        return old.keys().eq(new.keys());
    }
    ["name", "op"]
        .into_iter()
        .all(|tag| match (old.get(tag), new.get(tag)) {
            (Some(old_kind), Some(new_kind)) => {
                old_kind == new_kind || !new_kind.is_str() || tag_is_plain(old)
            }
            _ => true,
        })
}

/// `backbone` has a `name` that is a setting like any other.
fn tag_is_plain(table: &Table) -> bool {
    table
        .keys()
        .all(|key| ["name", "weights"].contains(&key.as_str()))
}

/// Applies `a.b.c=value`; the value is TOML, or else a string.
fn set(table: &mut Table, pair: &str) -> Result<(), FinetuneError> {
    let error = |reason: &str| FinetuneError::Recipe {
        origin: format!("--set {pair}"),
        reason: reason.to_owned(),
    };
    let (key, text) = pair
        .split_once('=')
        .ok_or_else(|| error("expected key=value, such as phase1.lr=3e-4"))?;
    let text = text.trim();
    let value = format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let mut parts: Vec<&str> = key.trim().split('.').collect();
    let last = parts
        .pop()
        .filter(|part| !part.is_empty())
        .ok_or_else(|| error("the key is empty"))?;
    let mut written = Table::from_iter([(last.to_owned(), value)]);
    for part in parts.into_iter().rev() {
        written = Table::from_iter([(part.to_owned(), Value::Table(written))]);
    }
    merge(table, written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        std::fs::write(&file, recipe.to_toml()).unwrap();
        assert_eq!(Recipe::load(Some(&file), &[]).unwrap(), recipe);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        let error = with(&["phase1.epoch=3"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `epochs`"), "{error}");
        let error = with(&["phase3.epochs=3"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `phase"), "{error}");
        let error = with(&["phase1.optim.beta1=0.8"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `beta_1`"), "{error}");
    }

    #[test]
    fn one_key_of_an_optimiser_can_be_set_without_its_name() {
        let recipe = with(&["phase1.optim.weight_decay=0.5", "backbone.name=resnet18"]).unwrap();
        assert_eq!(
            recipe.phase1.optim,
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
        assert_eq!(recipe.phase2.optim.name(), "sgd");
        assert!(matches!(recipe.phase2.schedule, ScheduleSpec::Step { .. }));
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
        assert!(error.contains("unknown field `alpha`"), "{error}");
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
        assert_eq!(recipe.unfreeze.from, UnfreezeFrom::Last(3));
        assert_eq!(recipe.input.size, Some([96, 96]));
        assert!(with(&["phase1.epochs=many"]).is_err());
        assert!(with(&["phase1.epochs"]).is_err());
    }
}
