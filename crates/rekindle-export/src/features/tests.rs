//! Features of a model's stages; files of each kind read back.

use std::path::PathBuf;

use burn::tensor::Device;
use rekindle_data::{ClassIndex, ImageFolder, Sample, Target};
use rekindle_model::Features;

use super::*;
use crate::check::pictures;
use crate::fixture;

#[test]
fn features_of_the_last_stage_and_the_linear_head_give_the_models_logits() {
    let model = fixture::model("mobilenetv2_035", [40, 32]);
    let device = Device::flex();
    let backbone = model.network.backbone.as_ref().unwrap();
    let input = &model.info.preprocessing;
    let extractor = FeatureExtractor::new(backbone, input, None, &device).unwrap();
    let pixels = pictures(input);
    let rows = extractor.of_batch(&pixels);
    let state = model.network.head.state();
    let numbers = |name: &str| -> Vec<f32> {
        let found = state.iter().find(|(key, _)| key == name).unwrap();
        found.1.iter::<f32>().collect()
    };
    let (weight, bias) = (numbers("weight"), numbers("bias"));
    let maps = network_input(&pixels, input, &device);
    let logits = model.network.logits(Features::Maps { maps, taps: None });
    let expected: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let width = extractor.features();
    for (row, expected) in rows.chunks(width).zip(expected.chunks(3)) {
        for (output, expected) in expected.iter().enumerate() {
            let weights = &weight[output * width..][..width];
            let sum: f32 = row.iter().zip(weights).map(|(a, b)| a * b).sum();
            assert!((sum + bias[output] - expected).abs() < 1e-4);
        }
    }
}

#[test]
fn stages_have_names_and_numbers() {
    let model = fixture::model("resnet18", [32, 32]);
    let backbone = model.network.backbone.as_ref().unwrap();
    let input = &model.info.preprocessing;
    let device = Device::flex();
    let of = |stage| FeatureExtractor::new(backbone, input, stage, &device);
    for (asked, name, features) in [
        ("layer2", "layer2", 128),
        ("2", "layer2", 128),
        ("0", "stem", 64),
    ] {
        let found = of(Some(asked)).unwrap();
        assert_eq!((found.stage(), found.features()), (name, features));
    }
    for asked in ["layer9", "5", "-1", ""] {
        let error = of(Some(asked)).unwrap_err().to_string();
        assert!(error.contains("stem, layer1"), "{error}");
    }
}

/// Two images of a class each, the first with a name that CSV has to quote.
fn folder() -> ImageFolder {
    let sample = |path: &str, class| Sample {
        target: Target::Class(class),
        ..Sample::file(PathBuf::from(path), 0, None)
    };
    ImageFolder {
        samples: vec![sample("a,b.png", 1), sample("c.png", 0)],
        classes: ClassIndex::new(vec!["x".into(), "y \"z\"".into()]).unwrap(),
        ..ImageFolder::default()
    }
}

fn write(path: &std::path::Path, folder: &ImageFolder) {
    let mut file = FeatureFile::create(path, folder, &[0, 1], 3, false).unwrap();
    file.add(folder, &[0], &[1.0, -2.5, 3.25]).unwrap();
    file.add(folder, &[1], &[0.1, 0.0, 1e-9]).unwrap();
    file.finish().unwrap();
}

#[test]
fn an_array_has_numpys_header_and_a_list_beside_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("f.npy");
    write(&path, &folder());
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!((10 + header) % 64, 0);
    let text = std::str::from_utf8(&bytes[10..10 + header]).unwrap();
    assert!(
        text.contains("'shape': (2, 3), }") && text.ends_with('\n'),
        "{text}"
    );
    let numbers: Vec<f32> = bytes[10 + header..]
        .chunks(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    assert_eq!(numbers, [1.0, -2.5, 3.25, 0.1, 0.0, 1e-9]);
    let list = std::fs::read_to_string(place.path().join("f.csv")).unwrap();
    assert_eq!(list, "path,label\n\"a,b.png\",\"y \"\"z\"\"\"\nc.png,x\n");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
}

#[test]
fn a_safetensors_file_has_paths_and_labels_in_its_metadata() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("f.safetensors");
    write(&path, &folder());
    let (state, metadata) = rekindle_backbone::read_safetensors_file(&path).unwrap();
    assert_eq!(state["features"].shape()[..], [2, 3]);
    assert_eq!(metadata["paths"], r#"["a,b.png","c.png"]"#);
    assert_eq!(metadata["labels"], r#"["y \"z\"","x"]"#);
}

#[test]
fn a_table_has_all_in_columns_and_no_labels_where_there_are_none() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("f.csv");
    let unlabelled = ImageFolder {
        classes: ClassIndex::default(),
        ..folder()
    };
    write(&path, &unlabelled);
    let text = std::fs::read_to_string(&path).unwrap();
    let expected = "path,f0,f1,f2\n\"a,b.png\",1,-2.5,3.25\nc.png,0.1,0,0.000000001\n";
    assert_eq!(text, expected);
}

#[test]
fn a_file_that_is_not_finished_leaves_nothing_and_none_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("f.npy");
    drop(FeatureFile::create(&path, &folder(), &[0, 1], 3, false).unwrap());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    std::fs::write(place.path().join("f.csv"), "mine").unwrap();
    let error = FeatureFile::create(&path, &folder(), &[0, 1], 3, false).unwrap_err();
    assert!(error.to_string().contains("f.csv"), "{error}");
    let error = FeatureFormat::of("f.parquet".as_ref())
        .unwrap_err()
        .to_string();
    assert!(error.contains(".npy"), "{error}");
}
