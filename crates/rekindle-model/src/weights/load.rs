//! A backbone with the weights of a file, of whichever kind.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use burn::tensor::{Device, TensorData};
use rekindle_augment::Preprocessing;
use rekindle_backbone::{Architecture, Backbone, BackboneError, Card, read_safetensors};
use rekindle_weights::{FileKind, Hub, PytorchFile};
use sha2::{Digest, Sha256};

use super::cards::preprocessing;
use super::source::{Source, fetch_from, origin, resolve_card};
use crate::ModelError;
use crate::files::hexadecimal;
use crate::settings::{BackboneRecipe, InputRecipe};

/// A backbone with its weights.
#[derive(Debug)]
pub struct LoadedBackbone {
    /// The network.
    pub backbone: Backbone,
    /// The SHA-256 of the file, in hexadecimal; empty for random weights.
    pub sha256: String,
    /// What was done where the names in the file are not the network's own, in words.
    pub notes: Vec<String>,
}

/// Builds the backbone of a card and loads its weights, which are fetched if they are on the hub and not cached.
///
/// # Errors
///
/// The weights cannot be had, or do not fit.
pub fn load_backbone(
    card: &Card,
    recipe: &BackboneRecipe,
    seed: u64,
    device: &Device,
) -> Result<LoadedBackbone, ModelError> {
    device.seed(seed);
    let backbone = Architecture::from_name(&card.architecture)?.init(device);
    match Source::of(card, recipe)? {
        Source::Random => Ok(LoadedBackbone {
            backbone,
            sha256: String::new(),
            notes: Vec::new(),
        }),
        Source::Bundled(file) => {
            let bytes = rekindle_models::bundled_weights(&file).unwrap_or_default();
            let origin = origin(card, recipe)?;
            let (state, _) = read_safetensors(bytes, &origin)?;
            Ok(LoadedBackbone {
                backbone: backbone.load_state(&state, &origin)?,
                sha256: hexadecimal(&Sha256::digest(bytes)),
                notes: Vec::new(),
            })
        }
        Source::File(path) => load_file(backbone, &path, &path.display().to_string()),
        Source::Hub(file) => {
            let path = fetch_from(&Hub::from_environment()?, &file, card, &mut |_| {})?;
            load_file(backbone, &path, &path.display().to_string())
        }
    }
}

/// A pretrained backbone and the preprocessing that belongs to it, by name: `resnet18`, or a card such as `resnet18.a1_in1k`.
///
/// `weights` is a `.safetensors` or PyTorch file; none stands for the weights that are bundled with the program, cached, or on the hub.
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
/// There is no such backbone (the nearest name is suggested), its weights cannot be had, or the file does not fit.
pub fn pretrained(
    name: &str,
    weights: Option<&Path>,
    device: &Device,
) -> Result<(Backbone, Preprocessing), ModelError> {
    let recipe = BackboneRecipe {
        name: name.to_owned(),
        weights: weights.map(Path::to_path_buf),
    };
    let card = resolve_card(&recipe)?;
    let preprocessing = preprocessing(&card, &InputRecipe::default())?;
    let loaded = load_backbone(&card, &recipe, 0, device)?;
    Ok((loaded.backbone, preprocessing))
}

/// Loads a `.safetensors` file or one of PyTorch's; which of the two its bytes say.
pub(super) fn load_file(
    backbone: Backbone,
    path: &Path,
    origin: &str,
) -> Result<LoadedBackbone, ModelError> {
    let io = |source| BackboneError::ReadWeights {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(io)?;
    let mut head = Vec::new();
    file.by_ref()
        .take(FileKind::NEEDED as u64)
        .read_to_end(&mut head)
        .map_err(io)?;
    file.rewind().map_err(io)?;
    let (backbone, sha256, notes) = match FileKind::of(&head, origin)? {
        FileKind::Safetensors => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(io)?;
            let sha256 = hexadecimal(&Sha256::digest(&bytes));
            let (state, _) = read_safetensors(&bytes, origin)?;
            drop(bytes);
            let (backbone, notes) = backbone.load_fitted(state, origin)?;
            (backbone, sha256, notes)
        }
        FileKind::Pytorch => {
            let mut hash = Sha256::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                let read = file.read(&mut buffer).map_err(io)?;
                if read == 0 {
                    break;
                }
                hash.update(&buffer[..read]);
            }
            let file = PytorchFile::open(path, origin)?;
            // Only what is taken is read: a checkpoint's optimiser is twice as large as its weights.
            let fit = backbone.fit_names(file.names());
            let names: Vec<&str> = fit.taken.iter().map(|(from, _)| from.as_str()).collect();
            let values = file.read(&names)?.into_iter();
            let named = fit.taken.iter().zip(values);
            let state: BTreeMap<String, TensorData> = named
                .map(|((_, to), values)| (to.clone(), TensorData::new(values.values, values.shape)))
                .collect();
            let state = fit.adapt(&backbone, state);
            let backbone = backbone.load_state(&state, origin)?;
            (backbone, hexadecimal(&hash.finalize()), fit.notes)
        }
    };
    Ok(LoadedBackbone {
        backbone,
        sha256,
        notes,
    })
}
