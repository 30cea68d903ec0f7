//! Cards to backbones: which weights, where they are, and that they are the right ones.

use std::path::Path;

use burn::tensor::Device;
use rekindle_augment::{Interpolation, Preprocessing, Rescale, RescaleSpec, ResizePolicy};
use rekindle_backbone::{Architecture, Backbone, BackboneError, Card, read_safetensors};
use sha2::{Digest, Sha256};

use crate::ModelError;
use crate::settings::{BackboneRecipe, InputRecipe};
use rekindle_settings::{Within, nearest};

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

/// The card of a full name, or the first one of an architecture.
///
/// # Errors
///
/// There is none; the nearest name is suggested.
pub fn card_from_name(name: &str) -> Result<Card, ModelError> {
    let cards = cards()?;
    let found = cards
        .iter()
        .find(|card| card.name == name)
        .or_else(|| cards.iter().find(|card| card.architecture == name));
    found.cloned().ok_or_else(|| {
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

/// The preprocessing of a card, with the user's overrides. A scale that is to be fitted is left as the card has it.
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
    let fixed = input.rescale.as_ref().and_then(RescaleSpec::fixed);
    let preprocessing = Preprocessing {
        input_size: input.size.unwrap_or(own.input_size),
        crop_ratio: input.crop_ratio.unwrap_or(own.crop_ratio),
        interpolation: input.interpolation.unwrap_or(interpolation),
        policy: input.policy.unwrap_or(ResizePolicy::Crop),
        fill: input.fill,
        rescale: fixed.unwrap_or(Rescale::Standardise {
            mean: own.mean,
            std: own.std,
        }),
        range: input.range.unwrap_or_default(),
    };
    preprocessing.check().within("input")?;
    Ok(preprocessing)
}

/// A pretrained backbone and the preprocessing that belongs to it, by name: `resnet18`, or a card such as `resnet18.a1_in1k`.
///
/// `weights` is a `.safetensors` file with timm's keys; none stands for the weights that are bundled with the program.
///
/// ```no_run
/// use rekindle_model::{device_from_name, pretrained};
///
/// let device = device_from_name("cpu")?;
/// let (backbone, preprocessing) = pretrained("resnet18", Some("resnet18.safetensors".as_ref()), &device)?;
/// println!("{} at {:?}", backbone.name(), preprocessing.input_size);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// There is no such backbone (the nearest name is suggested), its weights are not bundled and no file is given, or the file does not fit.
pub fn pretrained(
    name: &str,
    weights: Option<&Path>,
    device: &Device,
) -> Result<(Backbone, Preprocessing), ModelError> {
    let card = card_from_name(name)?;
    let recipe = BackboneRecipe {
        name: name.to_owned(),
        weights: weights.map(Path::to_path_buf),
    };
    let preprocessing = preprocessing(&card, &InputRecipe::default())?;
    let (backbone, _) = load_backbone(&card, &recipe, 0, device)?;
    Ok((backbone, preprocessing))
}

/// Where the weights of a run come from, as the plan says it.
///
/// # Errors
///
/// The card's weights are not bundled and no file is given, or the file is not there.
pub fn origin(card: &Card, recipe: &BackboneRecipe) -> Result<String, ModelError> {
    match &recipe.weights {
        Some(path) if is_random(path) => Ok("random".into()),
        Some(path) => match std::fs::metadata(path) {
            Ok(_) => Ok(path.display().to_string()),
            Err(source) => Err(BackboneError::ReadWeights {
                path: path.clone(),
                source,
            }
            .into()),
        },
        None => match card
            .source
            .bundled
            .as_deref()
            .filter(|file| rekindle_models::bundled_weights(file).is_some())
        {
            Some(file) => Ok(format!("bundled {file}")),
            None => Err(ModelError::WeightsNotBundled {
                card: card.name.clone(),
                url: download_url(card),
            }),
        },
    }
}

/// Where a card's file can be downloaded by hand.
pub fn download_url(card: &Card) -> String {
    match &card.source.hub {
        Some(hub) => format!("https://huggingface.co/{hub}/resolve/main/model.safetensors"),
        None => "the weights named in its card".into(),
    }
}

/// Builds the backbone of a card and loads its weights; returns also the SHA-256 of the file, in hexadecimal.
///
/// # Errors
///
/// The weights cannot be had, or do not fit.
pub fn load_backbone(
    card: &Card,
    recipe: &BackboneRecipe,
    seed: u64,
    device: &Device,
) -> Result<(Backbone, String), ModelError> {
    device.seed(seed);
    let backbone = Architecture::from_name(&card.architecture)?.init(device);
    let origin = origin(card, recipe)?;
    let bytes: std::borrow::Cow<[u8]> = match &recipe.weights {
        Some(path) if is_random(path) => return Ok((backbone, String::new())),
        Some(path) => std::fs::read(path)
            .map_err(|source| BackboneError::ReadWeights {
                path: path.clone(),
                source,
            })?
            .into(),
        None => {
            let file = card.source.bundled.as_deref().unwrap_or_default();
            rekindle_models::bundled_weights(file)
                .unwrap_or_default()
                .into()
        }
    };
    let (state, _) = read_safetensors(&bytes, &origin)?;
    let backbone = backbone.load_state(&state, &origin)?;
    Ok((backbone, hexadecimal(&Sha256::digest(&bytes))))
}

fn is_random(path: &Path) -> bool {
    path == Path::new("random")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_card_is_valid_and_names_an_architecture_there_is() {
        let cards = cards().unwrap();
        assert_eq!(cards[0].name, rekindle_models::DEFAULT_CARD);
        for card in &cards {
            Architecture::from_name(&card.architecture).unwrap();
            assert!(
                ["bilinear", "bicubic"].contains(&card.preprocessing.interpolation.as_str()),
                "{}",
                card.name
            );
            preprocessing(card, &InputRecipe::default()).unwrap();
        }
        let names: BTreeSet<_> = cards.iter().map(|card| &card.name).collect();
        assert_eq!(names.len(), cards.len());
    }

    #[test]
    fn an_unknown_filter_of_a_card_is_an_error_and_the_users_own_counts() {
        let mut card = card_from_name(rekindle_models::DEFAULT_CARD).unwrap();
        card.preprocessing.interpolation = "box".into();
        let error = preprocessing(&card, &InputRecipe::default()).unwrap_err();
        let expected = "`preprocessing.interpolation` is box";
        assert!(error.to_string().contains(expected), "{error}");
        card.preprocessing.interpolation = "lanczos".into();
        let input = InputRecipe {
            interpolation: Some(Interpolation::Area),
            ..InputRecipe::default()
        };
        let found = preprocessing(&card, &input).unwrap();
        assert_eq!(found.interpolation, Interpolation::Area);
    }

    #[cfg(all(feature = "bundled", feature = "flex"))]
    #[test]
    fn the_bundled_weights_are_those_of_their_card() {
        let card = card_from_name(rekindle_models::DEFAULT_CARD).unwrap();
        let recipe = BackboneRecipe::default();
        let (_, sha256) = load_backbone(&card, &recipe, 0, &Device::flex()).unwrap();
        assert_eq!(Some(sha256), card.source.sha256);
    }

    #[test]
    fn a_misspelt_backbone_suggests_the_nearest() {
        let error = card_from_name("resnet81").unwrap_err().to_string();
        assert!(error.contains("did you mean `resnet"), "{error}");
    }

    #[test]
    fn an_architecture_is_found_by_its_weights_and_without_a_card() {
        let name = |name| architecture_from_name(name).map(|found| found.name);
        assert_eq!(name("resnet18.a1_in1k").unwrap(), "resnet18");
        assert_eq!(name("efficientnet_lite4").unwrap(), "efficientnet_lite4");
        let error = name("resnet81").unwrap_err().to_string();
        assert!(error.contains("did you mean `resnet18`"), "{error}");
    }

    #[test]
    fn weights_that_are_not_bundled_say_where_to_get_them() {
        let card = card_from_name("resnet18").unwrap();
        let error = origin(
            &card,
            &BackboneRecipe {
                name: "resnet18".into(),
                weights: None,
            },
        )
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("huggingface.co/timm/resnet18.a1_in1k") && error.contains("--weights"),
            "{error}"
        );
    }
}
