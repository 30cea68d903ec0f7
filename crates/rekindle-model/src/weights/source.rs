//! Where the weights of a run are: bundled, in a file, or on the hub; and which card goes with them.

use std::path::{Path, PathBuf};

use rekindle_backbone::{Architecture, BackboneError, Card};
use rekindle_weights::{Fetching, Hub, HubError, HubFile, TimmConfig};

use super::cards::{card_from_name, card_of_architecture, card_of_config};
use crate::ModelError;
use crate::settings::BackboneRecipe;

/// Where weights are.
#[derive(Debug)]
pub(super) enum Source {
    /// Nowhere: the network starts from scratch.
    Random,
    /// In the program, under this name.
    Bundled(String),
    /// In a file of the user's.
    File(PathBuf),
    /// On the hub, or in its cache.
    Hub(HubFile),
}

impl Source {
    pub(super) fn of(card: &Card, recipe: &BackboneRecipe) -> Result<Self, ModelError> {
        if let Some(path) = &recipe.weights {
            return Ok(match path.to_str() {
                Some("random") => Self::Random,
                Some(text) if HubFile::is_one(text) => Self::Hub(text.parse()?),
                _ => Self::File(path.clone()),
            });
        }
        let bundled = card.source.bundled.as_deref();
        if let Some(file) = bundled.filter(|file| rekindle_models::bundled_weights(file).is_some())
        {
            return Ok(Self::Bundled(file.to_owned()));
        }
        hub_file(card).map(Self::Hub)
    }
}

/// The file on the hub that holds a card's weights.
///
/// # Errors
///
/// The card names no repository, or one that cannot be.
pub fn hub_file(card: &Card) -> Result<HubFile, ModelError> {
    match &card.source.hub {
        Some(repository) => Ok(HubFile::new(repository, None, "model.safetensors")?),
        None => Err(ModelError::WeightsNotBundled {
            card: card.name.clone(),
            url: download_url(card),
        }),
    }
}

/// The card that goes with a run's weights: that of its name, or what the repository's `config.json` says.
///
/// A repository's own `config.json` counts where `backbone.weights` names a repository (`hf://OWNER/REPO`), and where the name is an
/// architecture of here with a tag that timm's list does not have. It is fetched if it is not cached. With `hf://..` the default name
/// stands for whatever the repository holds; any other name must be of the same architecture. An architecture of which no weights are known
/// is taken with weights of the run's own (`backbone.weights`, `random` among them), and has the preprocessing that most of timm's have.
///
/// # Errors
///
/// There is no such card or repository, its `config.json` cannot be had or used, or it is of another architecture.
pub fn resolve_card(recipe: &BackboneRecipe) -> Result<Card, ModelError> {
    resolve_with(recipe, &Hub::from_environment)
}

pub(super) fn resolve_with(
    recipe: &BackboneRecipe,
    hub: &dyn Fn() -> Result<Hub, HubError>,
) -> Result<Card, ModelError> {
    let weights = recipe.weights.as_deref().and_then(Path::to_str);
    if let Some(text) = weights.filter(|text| HubFile::is_one(text)) {
        let file: HubFile = text.parse()?;
        let found = card_of_repository(&file, &hub()?);
        let named = named_card(recipe);
        let card = match (found, named) {
            (Ok(card), _) => card,
            // A repository of weights alone: what they are the name says.
            (Err(ModelError::Hub(HubError::NoFile { .. })), Ok(mut card)) => {
                card.source.hub = Some(file.repository().to_owned());
                return Ok(card);
            }
            (Err(error), _) => return Err(error),
        };
        let wanted = super::architecture_from_name(&recipe.name)?;
        if recipe.name != rekindle_models::DEFAULT_CARD && wanted.name != card.architecture {
            return Err(ModelError::OtherArchitecture {
                file: file.to_string(),
                found: card.architecture,
                expected: wanted.name.to_owned(),
            });
        }
        return Ok(card);
    }
    match named_card(recipe) {
        Ok(card) => Ok(card),
        Err(error) => match recipe.name.split_once('.') {
            Some((architecture, tag))
                if !tag.is_empty() && Architecture::from_name(architecture).is_ok() =>
            {
                let file =
                    HubFile::new(&format!("timm/{}", recipe.name), None, "model.safetensors")?;
                let mut card = card_of_repository(&file, &hub()?)?;
                card.name.clone_from(&recipe.name);
                Ok(card)
            }
            _ => Err(error),
        },
    }
}

/// The card of a run's name; of an architecture of which no weights are known a plain one, where the run has weights of its own or none.
fn named_card(recipe: &BackboneRecipe) -> Result<Card, ModelError> {
    match (card_from_name(&recipe.name), &recipe.weights) {
        (Ok(card), _) => Ok(card),
        (Err(error), weights) => match Architecture::from_name(&recipe.name) {
            Ok(architecture) if weights.is_some() => Ok(card_of_architecture(&architecture)),
            Ok(_) => Err(ModelError::NoWeightsKnown {
                architecture: recipe.name.clone(),
            }),
            Err(_) => Err(error),
        },
    }
}

/// The card of a repository's `config.json`, of an architecture that is here.
fn card_of_repository(file: &HubFile, hub: &Hub) -> Result<Card, ModelError> {
    let config = file.sibling("config.json")?;
    let path = hub.fetch(&config, None, &mut |_| {})?;
    let text = std::fs::read_to_string(&path)
        .map_err(|source| BackboneError::ReadWeights { path, source })?;
    let config = TimmConfig::parse(&text, &config.to_string())?;
    let card = card_of_config(&config, file.repository());
    Architecture::from_name(&card.architecture)?;
    Ok(card)
}

/// Where the weights of a run come from, as the plan says it. Nothing is fetched.
///
/// # Errors
///
/// The file is not there; or the weights are neither bundled nor cached, and cannot be fetched, since the network may not be used or the
/// program was built without the feature `hub`.
pub fn origin(card: &Card, recipe: &BackboneRecipe) -> Result<String, ModelError> {
    origin_with(card, recipe, &Hub::from_environment)
}

pub(super) fn origin_with(
    card: &Card,
    recipe: &BackboneRecipe,
    hub: &dyn Fn() -> Result<Hub, HubError>,
) -> Result<String, ModelError> {
    match Source::of(card, recipe)? {
        Source::Random => Ok("random".into()),
        Source::Bundled(file) => Ok(format!("bundled {file}")),
        Source::File(path) => match std::fs::metadata(&path) {
            Ok(_) => Ok(path.display().to_string()),
            Err(source) => Err(BackboneError::ReadWeights { path, source }.into()),
        },
        Source::Hub(file) => {
            let hub = hub()?;
            // Where it lies is no part of it: a plan is the same before and after the file was fetched.
            let can_fetch = cfg!(feature = "hub") && !hub.settings().offline;
            if !can_fetch && hub.cached(&file).is_none() {
                fetch_from(&hub, &file, card, &mut |_| {})?;
            }
            Ok(file.to_string())
        }
    }
}

/// Fetches the weights of a run if they are on the hub and not in its cache; where they are, or none if they are not of the hub.
///
/// # Errors
///
/// They cannot be had, or are not what they must be.
pub fn fetch_weights(
    card: &Card,
    recipe: &BackboneRecipe,
    progress: &mut dyn FnMut(Fetching<'_>),
) -> Result<Option<PathBuf>, ModelError> {
    match Source::of(card, recipe)? {
        Source::Hub(file) => fetch_from(&Hub::from_environment()?, &file, card, progress).map(Some),
        _ => Ok(None),
    }
}

/// The file, or, where no file was named and the repository has no `model.safetensors`, its `pytorch_model.bin`.
pub(super) fn fetch_from(
    hub: &Hub,
    file: &HubFile,
    card: &Card,
    progress: &mut dyn FnMut(Fetching<'_>),
) -> Result<PathBuf, ModelError> {
    // A card's hash is that of its own repository's file, and of a bundled file where it has one.
    let is_cards = card.source.bundled.is_none() && hub_file(card).is_ok_and(|own| own == *file);
    let sha256 = card.source.sha256.as_deref().filter(|_| is_cards);
    match hub.fetch(file, sha256, progress) {
        Err(HubError::NoFile { .. }) if file.is_default_file() => {
            Ok(hub.fetch(&file.sibling("pytorch_model.bin")?, None, progress)?)
        }
        other => Ok(other?),
    }
}

/// Where a card's file can be downloaded by hand.
pub fn download_url(card: &Card) -> String {
    match (&card.source.hub, &card.source.url) {
        (Some(hub), _) => format!("https://huggingface.co/{hub}/resolve/main/model.safetensors"),
        (None, Some(url)) => url.clone(),
        (None, None) => "the weights named in its card".into(),
    }
}
