use std::path::Path;

use serde::Deserialize;

use super::spec::NAMES;
use super::*;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::rng::SampleRng;
use crate::testing::gradient;
use crate::transform::Transform;
use proptest::prelude::*;

fn every_spec() -> Vec<TransformSpec> {
    let nested = ["sequence", "one_of", "some_of", "repeat", "custom"];
    TransformSpec::all()
        .into_iter()
        .chain(nested.map(with_required))
        .collect()
}

/// The keys without which a transform means nothing, with values; none for most.
fn required(op: &str) -> serde_json::Map<String, serde_json::Value> {
    let inside = r#"[{"op": "hue"}, {"op": "one_of", "transforms": [{"op": "vertical_flip"}, {"op": "gamma"}]}]"#;
    let text = match op {
        "sequence" | "one_of" => format!(r#"{{"transforms": {inside}}}"#),
        "some_of" => format!(r#"{{"transforms": {inside}, "count": 1}}"#),
        "repeat" => format!(r#"{{"transforms": {inside}, "times": 2}}"#),
        "custom" => r#"{"name": "negative"}"#.to_owned(),
        _ => "{}".to_owned(),
    };
    serde_json::from_str(&text).unwrap()
}

/// The transform of this name with nothing but its required keys.
fn with_required(op: &str) -> TransformSpec {
    let mut table = required(op);
    table.insert("op".to_owned(), op.into());
    serde_json::from_value(table.into()).unwrap()
}

fn op_of(spec: &TransformSpec) -> String {
    spec.op().to_owned()
}

fn build(spec: &TransformSpec) -> Box<dyn Transform> {
    #[derive(Debug, Deserialize)]
    struct Negative {}

    impl Transform for Negative {
        fn apply(&self, image: image::RgbImage, _: &mut SampleRng) -> image::RgbImage {
            invert(image)
        }
    }

    let mut registry = TransformRegistry::default();
    registry.register::<Negative>("negative");
    spec.build_with(&preprocessing(), &registry).unwrap()
}

fn preprocessing() -> Preprocessing {
    Preprocessing {
        input_size: [20, 30],
        ..Preprocessing::default()
    }
}

#[test]
fn the_defaults_of_every_transform_are_valid_and_survive_a_round_trip() {
    for spec in every_spec() {
        spec.check().unwrap();
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(
            serde_json::from_str::<TransformSpec>(&text).unwrap(),
            spec,
            "{text}"
        );
    }
}

#[test]
fn a_transform_is_written_by_the_name_that_it_says_it_has() {
    let specs = every_spec();
    assert_eq!(specs.len(), NAMES.len());
    for (spec, (name, _)) in specs.iter().zip(NAMES) {
        let value = serde_json::to_value(spec).unwrap();
        assert_eq!(value["op"].as_str(), Some(*name));
        assert_eq!(spec.op(), *name);
    }
}

#[test]
fn the_names_of_other_libraries_are_read_and_ours_are_written() {
    for (name, others) in NAMES {
        let ours = with_required(name);
        for other in *others {
            let mut table = required(name);
            table.insert("op".to_owned(), (*other).into());
            let read: TransformSpec = serde_json::from_value(table.into()).unwrap();
            assert_eq!(read, ours, "{other}");
            assert_eq!(
                serde_json::to_string(&read).unwrap(),
                serde_json::to_string(&ours).unwrap()
            );
        }
    }
    let mut names: Vec<&str> = NAMES
        .iter()
        .flat_map(|(name, others)| [&[*name], *others].concat())
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name of two transforms");
}

#[test]
fn the_spelling_of_either_side_of_the_atlantic_is_read() {
    for (ours, other) in [
        ("colour_jitter", "color_jitter"),
        ("greyscale", "grayscale"),
        ("centre_crop", "center_crop"),
        ("posterise", "posterize"),
        ("solarise", "solarize"),
        ("equalise", "equalize"),
        ("auto_contrast", "autocontrast"),
        ("rand_augment", "randaugment"),
        ("trivial_augment", "trivialaugmentwide"),
        ("auto_augment", "autoaugment"),
        ("aug_mix", "augmix"),
        ("jpeg_artefacts", "jpeg_artifacts"),
    ] {
        let (_, others) = NAMES.iter().find(|(name, _)| *name == ours).unwrap();
        assert!(others.contains(&other), "{other}");
    }
    let erased = r#"{"op": "random_erasing", "content": "color"}"#;
    let erased: TransformSpec = serde_json::from_str(erased).unwrap();
    assert_eq!(erased, with_required("random_erasing"));
    let text = serde_json::to_string(&erased).unwrap();
    assert!(text.contains(r#""content":"colour""#), "{text}");
}

#[test]
fn an_unknown_name_is_answered_with_those_there_are() {
    let error = serde_json::from_str::<TransformSpec>(r#"{"op": "rotatoin"}"#).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("unknown variant `rotatoin`"), "{message}");
    assert!(message.contains("`rotation`"), "{message}");
}

#[test]
fn every_transform_needs_nothing_but_its_name_and_what_it_names_itself() {
    for spec in every_spec() {
        let op = op_of(&spec);
        assert_eq!(with_required(&op), spec, "{op}");
        for key in required(&op).keys() {
            let mut table = required(&op);
            table.insert("op".to_owned(), op.as_str().into());
            table.remove(key);
            let error = serde_json::from_value::<TransformSpec>(table.into()).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}

#[test]
fn every_transform_refuses_an_unknown_key_by_name() {
    for spec in every_spec() {
        let mut value = serde_json::to_value(&spec).unwrap();
        value["probabilty"] = 0.5.into();
        let error = serde_json::from_value::<TransformSpec>(value).unwrap_err();
        assert!(error.to_string().contains("probabilty"), "{error}");
    }
}

#[test]
fn every_transform_with_a_probability_of_zero_changes_nothing() {
    for spec in every_spec() {
        let mut value = serde_json::to_value(&spec).unwrap();
        if value.get("probability").is_none() {
            // A crop of the final size has to be made in every case.
            assert!(spec.yields_final_size(), "{spec:?} has no probability");
            continue;
        }
        value["probability"] = 0.0.into();
        let transform = build(&serde_json::from_value(value).unwrap());
        for sample in 0..20 {
            let image = gradient(30, 20);
            assert_eq!(
                transform.apply(image.clone(), &mut SampleRng::new(0, 0, sample)),
                image
            );
        }
    }
}

#[test]
fn every_transform_refuses_a_probability_outside_its_range() {
    for spec in every_spec() {
        let mut value = serde_json::to_value(&spec).unwrap();
        if value.get("probability").is_some() {
            value["probability"] = (-0.1).into();
            let error = serde_json::from_value::<TransformSpec>(value.clone())
                .unwrap()
                .check()
                .unwrap_err();
            assert_eq!(error.key(), "probability");
            let expected = format!("`probability` is -0.1 for `{}`, expected", op_of(&spec));
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn whatever_moves_pixels_takes_the_filters_of_moving_and_whatever_resizes_takes_all() {
    let mut moving = 0;
    for spec in every_spec() {
        let mut value = serde_json::to_value(&spec).unwrap();
        let is_crop = op_of(&spec) == "random_resized_crop";
        if value.get("interpolation").is_none() && !is_crop {
            continue;
        }
        for filter in ["nearest", "bilinear", "bicubic", "lanczos", "area"] {
            value["interpolation"] = filter.into();
            let spec: TransformSpec = serde_json::from_value(value.clone()).unwrap();
            if is_crop || !["lanczos", "area"].contains(&filter) {
                let view = build(&spec).apply(gradient(50, 40), &mut SampleRng::new(0, 0, 0));
                assert_eq!(view.dimensions(), if is_crop { (30, 20) } else { (50, 40) });
                continue;
            }
            let message = spec.check().unwrap_err().to_string();
            let expected = format!("`interpolation` is {filter} for `{}`", op_of(&spec));
            assert!(message.contains(&expected), "{message}");
            moving += 1;
        }
    }
    assert_eq!(moving, 2 * 9);
}

#[test]
fn every_transform_changes_some_sample() {
    for spec in every_spec() {
        let transform = build(&spec);
        let image = gradient(30, 20);
        let changes =
            |sample| transform.apply(image.clone(), &mut SampleRng::new(1, 0, sample)) != image;
        assert!((0..100).any(changes), "{spec:?}");
    }
}

#[test]
fn every_transform_has_a_small_picture_that_its_page_shows() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pictures = std::fs::read_dir(crate_folder.join("docs/ops")).unwrap();
    let mut names: Vec<String> = pictures
        .map(|picture| {
            let path = picture.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    names.sort();
    let mut expected: Vec<String> = TransformSpec::all().iter().map(op_of).collect();
    expected.sort();
    assert_eq!(names, expected);
    let mixing = ["mixup", "cutmix"].map(|name| ("src/mix.rs".to_owned(), format!("mix/{name}")));
    let ops = names.into_iter();
    let ops = ops.map(|name| (format!("src/ops/{name}.rs"), format!("ops/{name}")));
    for (page, picture) in ops.chain(mixing) {
        let file = crate_folder.join("docs").join(format!("{picture}.png"));
        let bytes = std::fs::metadata(file).unwrap().len();
        assert!(bytes < 25_000, "{picture}: {bytes} bytes");
        let text = std::fs::read_to_string(crate_folder.join(&page)).unwrap();
        let shown = text.contains(&format!("docs/{picture}.png)"));
        assert!(shown, "{page} does not show docs/{picture}.png");
    }
}

proptest! {
    #[test]
    fn every_transform_keeps_its_promise_of_size_and_repeats_itself(
        which in any::<prop::sample::Index>(), width in 1u32..50, height in 1u32..50,
        seed in any::<u64>(), epoch in any::<u64>(), sample in any::<u64>(),
    ) {
        let specs = every_spec();
        let spec = which.get(&specs);
        let transform = build(spec);
        let image = gradient(width, height);
        let key = SampleRng::new(seed, epoch, sample);
        let output = transform.apply(image.clone(), &mut key.clone());
        let expected = if spec.yields_final_size() { (30, 20) } else { (width, height) };
        if matches!(spec, TransformSpec::Pad(_)) {
            prop_assert!(output.width() >= width && output.height() >= height);
        } else {
            prop_assert_eq!(output.dimensions(), expected);
        }
        prop_assert_eq!(&transform.apply(image.clone(), &mut key.clone()), &output);
        prop_assert_eq!(&transform.apply_borrowed(&image, &mut key.clone()), &output);
    }
}
