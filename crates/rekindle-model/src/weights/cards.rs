//! Cards: by name, from timm's list, or from a repository's `config.json`; and the preprocessing that belongs to them.
//!
//! Where the weights themselves are is `source.rs`'s.

use std::sync::OnceLock;

use rekindle_augment::{
    Bands, Interpolation, MOST_BANDS, Preprocessing, RangeSpec, Reading, Rescale, RescaleSpec,
    ResizePolicy,
};
use rekindle_backbone::{Architecture, BackboneError, Card, CardPreprocessing, WeightsSource};
use rekindle_settings::{SettingError, Within, nearest};
use rekindle_weights::TimmConfig;

use crate::ModelError;
use crate::settings::InputRecipe;

/// Every card there is, the default one first.
///
/// # Errors
///
/// A card is not valid, which the tests exclude for those shipped.
pub fn cards() -> Result<Vec<Card>, ModelError> {
    rekindle_models::CARDS
        .iter()
        .map(|text| Ok(Card::from_toml(text, "of rekindle-models")?))
        .collect()
}

/// The card of a full name, `resnet50.a1_in1k`, or of an architecture, `resnet50`, which stands for the weights that timm 1.0.31 means by it.
///
/// Where there is no card, timm's own list gives one, for every architecture there is here; of weights that it does not have, the
/// repository's `config.json` does ([`resolve_card`](super::resolve_card)).
///
/// # Errors
///
/// There is none; the nearest name is suggested.
pub fn card_from_name(name: &str) -> Result<Card, ModelError> {
    let cards = cards()?;
    let named = |name: &str| cards.iter().find(|card| card.name == name).cloned();
    let listed = |row: &Row| named(row.name).or_else(|| row.card());
    let rows = timm();
    let known = named(name)
        .or_else(|| rows.iter().find(|row| row.name == name).and_then(listed))
        .or_else(|| {
            let bare = rows
                .iter()
                .find(|row| row.is_default && row.architecture() == name);
            bare.and_then(listed)
        })
        .or_else(|| {
            let first = cards.iter().find(|card| card.architecture == name);
            first.cloned()
        });
    known
        .filter(|card| Architecture::from_name(&card.architecture).is_ok())
        .ok_or_else(|| {
            let names = cards
                .iter()
                .flat_map(|card| [card.name.as_str(), card.architecture.as_str()]);
            let suggestion = nearest(name, names).map(str::to_owned);
            BackboneError::UnknownBackbone {
                name: name.to_owned(),
                suggestion,
            }
            .into()
        })
}

/// The card of an architecture of which no weights are known, for weights of a user's own or none: the preprocessing that most of timm's have.
pub(super) fn card_of_architecture(architecture: &Architecture) -> Card {
    Card {
        name: architecture.name.to_owned(),
        architecture: architecture.name.to_owned(),
        source: WeightsSource {
            bundled: None,
            hub: None,
            url: None,
            sha256: None,
        },
        licence: String::new(),
        imagenet_top1: None,
        parameters_millions: 0.0,
        preprocessing: CardPreprocessing {
            input_size: [224; 2],
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            interpolation: "bicubic".to_owned(),
            crop_ratio: 0.875,
        },
    }
}

/// The card of a timm repository, from its `config.json`.
pub(super) fn card_of_config(config: &TimmConfig, repository: &str) -> Card {
    let name = match &config.tag {
        Some(tag) => format!("{}.{tag}", config.architecture),
        None => repository.to_owned(),
    };
    Card {
        name,
        architecture: config.architecture.clone(),
        source: WeightsSource {
            bundled: None,
            hub: Some(repository.to_owned()),
            url: None,
            sha256: None,
        },
        licence: spdx(config.licence.as_deref().unwrap_or_default()),
        imagenet_top1: None,
        parameters_millions: 0.0,
        preprocessing: CardPreprocessing {
            input_size: config.input_size,
            mean: config.mean,
            std: config.std,
            interpolation: config.interpolation.clone(),
            crop_ratio: config.crop_ratio,
        },
    }
}

/// A line of timm's list.
struct Row {
    /// Architecture, dot, tag.
    name: &'static str,
    /// Whether the bare name of the architecture means it.
    is_default: bool,
    columns: Vec<&'static str>,
}

impl Row {
    fn architecture(&self) -> &'static str {
        self.name
            .split_once('.')
            .map_or(self.name, |(name, _)| name)
    }

    /// None where a column is no number, which the tests exclude.
    fn card(&self) -> Option<Card> {
        let [hub, height, width, mean, std, interpolation, crop, licence] = self.columns[..] else {
            return None;
        };
        let three = |text: &str| {
            let values: Option<Vec<f32>> =
                text.split(' ').map(|value| value.parse().ok()).collect();
            match values?[..] {
                [one] => Some([one; 3]),
                [red, green, blue] => Some([red, green, blue]),
                _ => None,
            }
        };
        Some(Card {
            name: self.name.to_owned(),
            architecture: self.architecture().to_owned(),
            source: WeightsSource {
                bundled: None,
                hub: Some(hub.to_owned()),
                url: None,
                sha256: None,
            },
            licence: spdx(licence),
            imagenet_top1: None,
            parameters_millions: 0.0,
            preprocessing: CardPreprocessing {
                input_size: [height.parse().ok()?, width.parse().ok()?],
                mean: three(mean)?,
                std: three(std)?,
                interpolation: interpolation.to_owned(),
                crop_ratio: crop.parse().ok()?,
            },
        })
    }
}

/// timm's list, line by line.
fn timm() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let lines = rekindle_models::TIMM.lines().skip(1);
        let rows = lines.filter_map(|line| {
            let mut columns = line.split(',');
            Some(Row {
                name: columns.next()?,
                is_default: columns.next()? == "*",
                columns: columns.collect(),
            })
        });
        rows.collect()
    })
}

/// The SPDX identifier of a licence as the hub writes it, in small letters.
fn spdx(licence: &str) -> String {
    match licence {
        "" => "unknown".into(),
        "apache-2.0" => "Apache-2.0".into(),
        "mit" => "MIT".into(),
        "bsd-3-clause" => "BSD-3-Clause".into(),
        other if other.starts_with("cc-") => other.to_ascii_uppercase(),
        other => other.to_owned(),
    }
}

/// The architecture of a name, with or without the tag of its weights, or of one that has no card.
///
/// # Errors
///
/// As [`card_from_name`].
pub fn architecture_from_name(name: &str) -> Result<Architecture, ModelError> {
    match card_from_name(name) {
        Ok(card) => Ok(Architecture::from_name(&card.architecture)?),
        Err(error) => Architecture::from_name(name).map_err(|_| error),
    }
}

/// The bands that a user asks for in place of red, green and blue, with the scale of these.
fn bands(input: &InputRecipe, rescale: &Rescale) -> Result<Option<Bands>, ModelError> {
    let Some(count) = input.channels.filter(|count| *count != 3) else {
        return Ok(None);
    };
    if !(1..=MOST_BANDS).contains(&count) {
        let expected = format!("1 to {MOST_BANDS} channels");
        return Err(SettingError::new("input.channels", count, expected).into());
    }
    let of_colours = match &input.rescale {
        Some(RescaleSpec::Pca { .. } | RescaleSpec::Zca { .. }) => None,
        _ => Bands::of_rescale(count, rescale),
    };
    match of_colours {
        Some(bands) => Ok(Some(bands)),
        None => Err(SettingError::new(
            "input.rescale",
            input.rescale.as_ref().map_or("", RescaleSpec::name),
            "`unit`, `symmetric`, `none`, `standardise`, `dataset` or `centre` where `input.channels` is not 3",
        )
        .into()),
    }
}

/// The preprocessing of a card, with the user's overrides. A scale that is to be fitted is left as the card has it, and a range that is to
/// be fitted is [`RangeSpec::until_fitted`]. Whether the network takes images of that size is asked of the network:
/// [`check_size`](rekindle_backbone::Backbone::check_size).
///
/// # Errors
///
/// The card names an unknown filter, or the outcome is out of range.
pub fn preprocessing(card: &Card, input: &InputRecipe) -> Result<Preprocessing, ModelError> {
    let own = &card.preprocessing;
    let interpolation = own
        .interpolation
        .parse::<Interpolation>()
        .within("preprocessing")?;
    if let Some(spec) = &input.rescale {
        spec.check().within("input.rescale")?;
    }
    if let Some(spec) = &input.range {
        spec.check().within("input.range")?;
    }
    let fixed = input.rescale.as_ref().and_then(RescaleSpec::fixed);
    let rescale = fixed.unwrap_or(Rescale::Standardise {
        mean: own.mean,
        std: own.std,
    });
    let preprocessing = Preprocessing {
        input_size: input.size.unwrap_or(own.input_size),
        crop_ratio: input.crop_ratio.unwrap_or(own.crop_ratio),
        interpolation: input.interpolation.unwrap_or(interpolation),
        policy: input.policy.unwrap_or(ResizePolicy::Crop),
        fill: input.fill,
        bands: bands(input, &rescale)?,
        rescale,
        range: input
            .range
            .as_ref()
            .map(RangeSpec::until_fitted)
            .unwrap_or_default(),
        // What the settings of the data say, which the caller has.
        reading: Reading::default(),
    };
    preprocessing.check().within("input")?;
    Ok(preprocessing)
}
