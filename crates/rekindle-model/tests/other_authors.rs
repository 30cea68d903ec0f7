//! Files of weights under other authors' names give the features that their own code gives.
//!
//! The files are too large to be committed: `REKINDLE_WEIGHTS_DIR` names a folder that `make_other_authors.py` has written. Without it
//! nothing is compared; what the tables of names do is tested in `rekindle-backbone` with networks of random weights.
#![cfg(feature = "flex")]

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rekindle_model::{BackboneRecipe, load_backbone, resolve_card};

#[derive(serde::Deserialize)]
struct Expected {
    architecture: String,
    side: usize,
    features: Vec<f32>,
}

fn image(side: usize) -> Tensor<4> {
    let mut values = Vec::with_capacity(3 * side * side);
    for channel in 0..3 {
        for row in 0..side {
            for column in 0..side {
                values.push(((channel * 7 + row * 3 + column * 5) % 17) as f32 / 17.0 - 0.5);
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [1, 3, side, side]), &Device::flex())
}

#[test]
fn other_authors_files_give_their_own_features() {
    let Some(folder) = std::env::var_os("REKINDLE_WEIGHTS_DIR") else {
        return;
    };
    let folder = Path::new(&folder);
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let expected: Expected = serde_json::from_str(&text).unwrap();
        let recipe = BackboneRecipe {
            name: expected.architecture,
            weights: Some(path.with_extension("pth")),
        };
        let card = resolve_card(&recipe).unwrap();
        let loaded = load_backbone(&card, &recipe, 0, &Device::flex()).unwrap();
        let features = loaded.backbone.fold_norms().forward(image(expected.side));
        let features = features.mean_dims(&[2, 3]).into_data();
        let found = features.try_into_vec::<f32>().unwrap();
        assert_eq!(found.len(), expected.features.len());
        let largest = expected
            .features
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        let error = found
            .iter()
            .zip(&expected.features)
            .map(|(a, b)| (a - b).abs());
        let error = error.fold(0.0_f32, f32::max);
        println!(
            "{}: {error:e} of {largest}, {:?}",
            path.display(),
            loaded.notes
        );
        assert!(
            error <= 1e-4 * largest,
            "{}: {error} of {largest}",
            path.display()
        );
        compared += 1;
    }
    assert!(compared > 0, "no .json in {}", folder.display());
}
