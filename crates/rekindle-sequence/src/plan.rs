//! What will be trained: a recipe checked against the data, before anything is computed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use rekindle_augment::{DecodeLimits, Preprocessing};
use rekindle_backbone::{Architecture, Backbone, Card, Stage};
use rekindle_data::{BadImage, BadImages, Dataset, Outputs, Sequences, Split, TaskKind};
use rekindle_model::{device_from_name, preprocessing, resolve_card};
use rekindle_settings::Within;

use crate::SequenceError;
use crate::recipe::Recipe;

/// A recipe, checked, with the sequences that it is for.
#[derive(Debug)]
pub struct Plan {
    /// The settings.
    pub recipe: Recipe,
    /// The data, as it was given.
    pub data: PathBuf,
    /// The weights of the backbone.
    pub card: Card,
    /// What frames go through before it.
    pub preprocessing: Preprocessing,
    /// The sequences.
    pub sequences: Sequences,
    /// Their frames, to be read.
    pub dataset: Arc<Dataset>,
    /// Which sequences are for what.
    pub split: Split,
    /// Frames that are left out since they cannot be decoded.
    pub bad_frames: Vec<BadImage>,
    /// Where it is computed.
    pub device: Device,
}

impl Plan {
    /// Checks a recipe, opens the data, divides it and looks at the frames' headers.
    ///
    /// # Errors
    ///
    /// A setting out of range, data that cannot be opened or divided, frames that cannot be decoded.
    pub fn new(recipe: Recipe, data: &Path) -> Result<Self, SequenceError> {
        recipe.check()?;
        let device = device_from_name(&recipe.device)?;
        let card = resolve_card(&recipe.backbone)?;
        let mut preprocessing = preprocessing(&card, &recipe.input)?;
        preprocessing.reading = recipe.data.images().reading();
        let network = Architecture::from_name(&card.architecture)?
            .init(&device)
            .with_input_channels(preprocessing.channels());
        network.check_size(preprocessing.input_size)?;
        let sequences = Sequences::open(data, &recipe.data.source_options())?;
        recipe
            .train
            .loss
            .check(sequences.list.classes.len())
            .within("train.loss")?;
        let limits = preprocessing.limits();
        let images = recipe.data.images();
        let (sequences, dataset, bad_frames) = checked(
            sequences,
            limits,
            recipe.data.bad_images,
            recipe.data.checked_headers,
        )?;
        let dataset = match images.disk_cache(dataset.folder())? {
            Some(disk) => dataset.with_disk_cache(disk),
            None => dataset,
        };
        let split = sequences.split(recipe.data.hold_out(), recipe.seed)?;
        Ok(Self {
            data: data.to_path_buf(),
            recipe,
            card,
            preprocessing,
            sequences,
            dataset: Arc::new(dataset),
            split,
            bad_frames,
            device,
        })
    }

    /// What the head's outputs are: the classes.
    pub fn outputs(&self) -> Outputs {
        Outputs {
            task: TaskKind::Classification,
            names: self.sequences.list.classes.names().to_vec(),
            scale: None,
        }
    }

    /// The stages of a backbone up to the one that the recipe asks for.
    ///
    /// # Errors
    ///
    /// There is no such stage.
    pub fn stages(&self, backbone: &Backbone) -> Result<Backbone, SequenceError> {
        let names = backbone.stage_names();
        let stage = self.recipe.features.stage.as_deref();
        let last = match stage {
            None => Some(fine_stage(backbone)),
            Some(stage) => names.iter().position(|name| *name == stage).or_else(|| {
                let number = stage.parse::<usize>().ok();
                number.filter(|number| *number < names.len())
            }),
        };
        let last = last.ok_or_else(|| SequenceError::UnknownStage {
            architecture: backbone.name().to_owned(),
            stage: stage.unwrap_or_default().to_owned(),
            known: names.join(", "),
        })?;
        Ok(backbone.part(0, last + 1))
    }
}

/// The last stage whose map has a sixteenth of the picture's side, or more: behind it, where things are is lost (docs/sequences.md has
/// the figures). The last one where there is none such.
fn fine_stage(backbone: &Backbone) -> usize {
    let stages = backbone.stages();
    let fine = |stage: &Stage| !stage.is_pooled() && stage.reduction() <= FINEST;
    stages.iter().rposition(fine).unwrap_or(stages.len() - 1)
}

/// See [`fine_stage`].
const FINEST: usize = 16;

/// Sequences without the frames that cannot be decoded, where these are to be left out; what is to read the others; and those left out.
pub(crate) fn checked(
    sequences: Sequences,
    limits: DecodeLimits,
    policy: BadImages,
    headers: usize,
) -> Result<(Sequences, Dataset, Vec<BadImage>), SequenceError> {
    // Each frame is needed once.
    let dataset = Dataset::new(sequences.frames.clone(), limits.clone(), 0);
    let verified = match policy {
        BadImages::Fail => dataset.verify_some_headers(BadImages::Fail, headers)?,
        BadImages::Skip => dataset.verify_decode(BadImages::Skip)?,
    };
    if verified.bad.is_empty() {
        return Ok((sequences, dataset, Vec::new()));
    }
    let sequences = sequences.with_frames(&verified.good)?;
    let dataset = Dataset::new(sequences.frames.clone(), limits, 0);
    Ok((sequences, dataset, verified.bad))
}
