//! Stacks of planes and alpha channels, from what a check says of them through every command.

use serde_json::Value;

use crate::support::Place;

/// A stack as ImageJ writes large ones: one directory, and the planes of a square picture behind each other.
fn stack(side: usize, planes: &[Vec<u8>], description: &str) -> Vec<u8> {
    let mut bytes = b"II*\0\0\0\0\0".to_vec();
    let text = bytes.len() as u32;
    bytes.extend(description.as_bytes());
    bytes.push(0);
    let start = bytes.len() as u32;
    planes.iter().for_each(|plane| bytes.extend(plane));
    let directory = (bytes.len() as u32).to_le_bytes();
    bytes[4..8].copy_from_slice(&directory);
    let side = side as u32;
    let tags: [(u16, u16, u32, u32); 9] = [
        (256, 3, 1, side),
        (257, 3, 1, side),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (270, 2, description.len() as u32 + 1, text),
        (273, 4, 1, start),
        (277, 3, 1, 1),
        (279, 4, 1, side * side),
    ];
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes
}

/// `photos` of stacks of three channels: two classes that differ in the third alone.
fn stacks() -> Place {
    let place = Place::new();
    let side = 40;
    for (class, light, first) in [("dark", 40usize, 0), ("light", 190, 8)] {
        for number in first..first + 8usize {
            let plane = |channel: usize| -> Vec<u8> {
                let value = |place: usize| match channel {
                    2 => light + place % side,
                    channel => (place * (number + 3) + channel * 50) % 251,
                };
                (0..side * side).map(|place| value(place) as u8).collect()
            };
            let planes: Vec<Vec<u8>> = (0..3).map(plane).collect();
            let text = "ImageJ=1.54f\nimages=3\nchannels=3\nhyperstack=true\nmode=composite\n";
            place.write(
                &format!("photos/{class}/{number}.tif"),
                stack(side, &planes, text),
            );
        }
    }
    place
}

/// Text whose lines are as wide as the terminal, as one line.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const CHANNELS: [&str; 2] = ["--set", "data.tiff_planes=channels"];

#[test]
fn stacks_are_told_as_stacks_and_trained_on_as_channels_where_that_is_asked_for() {
    let place = stacks();
    let told = place.rekindle(&["check", "photos"]).calm().stdout;
    assert!(
        told.contains("16 pictures are stacks (C=3, Z=1, T=1): only the first of 3 planes is used"),
        "{told}"
    );
    assert!(told.contains("data.tiff_planes=channels"), "{told}");
    assert!(!told.contains("animation"), "{told}");
    let told = place.rekindle(&[&["check", "photos"], &CHANNELS[..]].concat());
    let told = told.calm().stdout;
    assert!(!told.contains("stack"), "{told}");

    place.train("run", &CHANNELS).success();
    let told = place.rekindle(&["inspect", "runs/run", "--json"]).success();
    assert_eq!(
        told.json()["preprocessing"]["reading"],
        serde_json::json!({ "tiff_planes": "channels" })
    );
    // The model file alone knows how files are read.
    let bytes = place.read("runs/run/model.safetensors");
    let model = place.write("moved/m.safetensors", bytes);
    let model = model.display().to_string();
    let words = ["evaluate", &model, "photos", "--run-split"];
    let found = place.rekindle(&[&words[..], &["runs/run/split.json", "--json"]].concat());
    let found = found.success().json();
    let run: Value = serde_json::from_slice(&place.read("runs/run/run.json")).unwrap();
    let loss = |value: &Value| value["loss"].as_f64().unwrap();
    assert!(
        (loss(&found) - loss(&run["validation"])).abs() < 1e-4,
        "{found}"
    );
    place
        .rekindle(&["predict", &model, "photos/dark", "--json"])
        .success();
}

#[test]
fn stacks_that_do_not_fit_are_bad_images_with_their_reason() {
    let place = stacks();
    let planes = vec![vec![9; 400]; 4];
    let text = "ImageJ=1.54f\nimages=4\nslices=4\n";
    place.write("photos/dark/deep.tif", stack(20, &planes, text));
    place
        .train("run", &CHANNELS)
        .error(&["deep.tif", "C=1, Z=4, T=1", "one slice and one moment"]);
    let told = place.rekindle(&[&["check", "photos", "--json"], &CHANNELS[..]].concat());
    let report = told.calm().json();
    assert_eq!(report["unreadable"][0]["kind"], "unsupported");
    place
        .train("run", &["--set", "data.tiff_planes=rgb"])
        .error(&["data.tiff_planes", "first", "channels", "all"]);
}

#[test]
fn an_alpha_that_looks_like_a_band_is_told_with_the_setting_that_leaves_it_out() {
    let place = Place::new();
    for (class, shade) in [("a", 60u8), ("b", 160)] {
        for number in 0..6u8 {
            let image = image::RgbaImage::from_fn(48, 48, |x, y| {
                let wave = (x * 3 + y * (u32::from(number) + 2)) as u8;
                image::Rgba([shade ^ wave, wave, 200 - wave / 2, 40 + wave % 41])
            });
            let path = place.path(&format!("photos/{class}/{number}.png"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            image.save(path).unwrap();
        }
    }
    let told = place.rekindle(&["check", "photos"]).calm().stdout;
    let told = unwrapped(&told);
    for words in [
        "alpha of 12 pictures looks like a fourth band (median ",
        "no pixel fully opaque",
        "data.alpha=ignore",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let ignored = ["--set", "data.alpha=ignore"];
    let told = place.rekindle(&[&["check", "photos"], &ignored[..]].concat());
    let told = unwrapped(&told.calm().stdout);
    assert!(!told.contains("fourth band"), "{told}");
    place.train("run", &ignored).success();
    let told = place.rekindle(&["inspect", "runs/run", "--json"]).success();
    assert_eq!(told.json()["preprocessing"]["reading"]["alpha"], "ignore");
}

#[test]
fn files_of_instruments_are_told_with_a_way_on() {
    let place = Place::with_photos();
    let dicom = [vec![0; 128], b"DICM".to_vec()].concat();
    for name in ["scan.dcm", "IM000001", "IM000002"] {
        place.write(&format!("photos/apple/{name}"), &dicom);
    }
    place.write("photos/leaf/sky.fits", "SIMPLE  =                    T");
    place.write("photos/leaf/table.parquet", "PAR1");
    let told = place.rekindle(&["check", "photos"]).calm().stdout;
    let told = unwrapped(&told);
    for words in [
        "2 DICOM files without extension",
        "1 .dcm",
        "1 .fits",
        "1 .parquet",
        "one range for the whole set",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
}
