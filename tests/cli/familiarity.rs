//! How familiar pictures are: kept in a model file, told by `predict`, and what becomes of strange ones.

use serde_json::Value;

use crate::support::{Place, trained};

/// A place with the run `runs/known` on `photos`, 72 pictures of which a list holds 24 out, and `strange`, which are of another kind.
fn known() -> Place {
    let place = Place::new();
    for class in ["apple", "leaf", "sky"] {
        place.add_images(&format!("photos/{class}"), class, 24);
    }
    let row = |number: usize| {
        let class = ["apple", "leaf", "sky"][number % 3];
        let at = number / 3;
        let part = if at % 3 == 2 { "validation" } else { "train" };
        format!("photos/{class}/{at}.png,{class},{part}\n")
    };
    let rows: String = (0..72).map(row).collect();
    place.write("list.csv", format!("path,label,split\n{rows}"));
    let train = ["train", "list.csv", "--name", "known"];
    let short = [
        "--set",
        "input.size=[32,32]",
        "--set",
        "phase1.epochs=2",
        "--set",
        "phase2.epochs=0",
    ];
    place.rekindle(&[&train[..], &short].concat()).success();
    for number in 0..5u32 {
        let noise = image::RgbImage::from_fn(32, 32, |x, y| {
            let value = (x * 7919 + y * 104_729 + number * 31).wrapping_mul(2_654_435_761) % 251;
            image::Rgb([
                value as u8,
                (value * 3 % 251) as u8,
                (value * 7 % 251) as u8,
            ])
        });
        let path = place.path("strange");
        std::fs::create_dir_all(&path).unwrap();
        noise.save(path.join(format!("{number}.png"))).unwrap();
    }
    place
}

fn shares(found: &Value) -> Vec<f64> {
    let images = found.as_array().unwrap().iter();
    images
        .map(|image| image["familiarity"].as_f64().unwrap())
        .collect()
}

#[test]
fn a_model_that_knows_its_training_images_tells_strange_ones() {
    let place = known();
    let predicted = |model: &str, images: &str, more: &[&str]| {
        place.rekindle(&[&["predict", model, images], more].concat())
    };
    let before = predicted("runs/known", "photos", &["--json"])
        .success()
        .json();
    assert!(before[0].get("familiarity").is_none());
    let told = place
        .rekindle(&[
            "familiarity",
            "runs/known",
            "-o",
            "knows.safetensors",
            "--json",
        ])
        .success()
        .json();
    assert_eq!(
        (
            &told["kept"],
            &told["training_images"],
            &told["held_out_images"]
        ),
        (&48.into(), &48.into(), &24.into())
    );
    // The file grows by no more than it says.
    let size = |name: &str| std::fs::metadata(place.path(name)).unwrap().len();
    let grown = size("knows.safetensors") - size("runs/known/model.safetensors");
    assert!(
        grown > 50_000 && grown < told["bytes"].as_u64().unwrap() + 4000,
        "{grown}"
    );

    // What it says of classes is what the run's model says.
    let known = predicted("knows.safetensors", "photos", &["--json"])
        .success()
        .json();
    let pairs = known
        .as_array()
        .unwrap()
        .iter()
        .zip(before.as_array().unwrap());
    for (after, before) in pairs {
        assert_eq!(after["probabilities"], before["probabilities"]);
    }
    let strange = predicted("knows.safetensors", "strange", &["--json"])
        .success()
        .json();
    assert_eq!(shares(&strange), [0.0; 5]);
    let known = shares(&known);
    // Training images are themselves, and the 24 others divide the shares.
    assert_eq!(known.iter().filter(|share| **share == 1.0).count(), 49);
    let mean = known.iter().sum::<f64>() / 72.0;
    assert!((0.8..0.9).contains(&mean), "{known:?}");

    let least = ["--csv", "--min-familiarity", "0.01", "--top", "1"];
    let table = predicted("knows.safetensors", "strange", &least)
        .success()
        .stdout;
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("path,class,probability,likeliest,familiarity")
    );
    assert_eq!(lines.clone().count(), 5);
    assert!(
        lines.all(|line| line.contains(",unknown,") && line.ends_with(",0.000000")),
        "{table}"
    );
    let sort = ["--min-familiarity", "0.01", "--sort", "sorted"];
    let text = predicted("knows.safetensors", "strange", &sort)
        .success()
        .stdout;
    assert!(
        text.starts_with("path           class    probability  familiarity"),
        "{text}"
    );
    assert!(place.path("sorted/unknown/4.png").is_file());

    let inspected = place.rekindle(&["inspect", "knows.safetensors"]).success();
    let words = "Familiarity of 48 training images (48 kept), as shares of 24 held-out ones";
    assert!(inspected.stdout.contains(words), "{inspected:?}");
    let json = place
        .rekindle(&["inspect", "knows.safetensors", "--json"])
        .success();
    assert!(json.json()["after"]["familiarity"]["bank"].is_null());
    assert!(json.stdout.len() < 20_000);
    // A temperature comes later, and leaves it as it is; the held-out images are still new.
    let wrong = place.path("photos/apple/2.png");
    std::fs::copy(place.path("photos/sky/2.png"), wrong).unwrap();
    let calibrate = ["calibrate", "knows.safetensors", "--data", "list.csv", "-o"];
    place
        .rekindle(&[&calibrate[..], &["both.safetensors"]].concat())
        .success();
    let both = predicted("both.safetensors", "strange", &["--json"])
        .success()
        .json();
    assert_eq!(shares(&both), [0.0; 5]);
}

#[test]
fn where_familiarity_is_not_known_it_is_said_why() {
    let place = trained();
    place
        .rekindle(&["predict", "runs/done", "photos", "--min-familiarity", "0.1"])
        .error(&["--min-familiarity", "rekindle familiarity"]);
    // Eight images of each class hold too few out.
    place
        .rekindle(&["familiarity", "runs/done", "-o", "few.safetensors"])
        .error(&["familiarity cannot be fitted", "fewer than 20"]);
    assert!(!place.path("few.safetensors").exists());
    let twice = [
        "ensemble",
        "runs/done",
        "runs/done",
        "-o",
        "familiar-twice.safetensors",
    ];
    place.rekindle(&twice).success();
    let of_two = [
        "familiarity",
        "familiar-twice.safetensors",
        "--data",
        "photos",
        "-o",
        "x.safetensors",
    ];
    place
        .rekindle(&of_two)
        .error(&["combines several networks", "runs/done"]);
    for class in ["apple", "leaf", "sky"] {
        let folder = format!("familiar-other/{class}");
        place.add_images(&folder, class, 30);
        // Those from 8 on are new in content.
        for number in 0..8 {
            std::fs::remove_file(place.path(&format!("{folder}/{number}.png"))).unwrap();
        }
    }
    let other = [
        "familiarity",
        "runs/done",
        "--data",
        "familiar-other",
        "-o",
        "x.safetensors",
    ];
    place
        .rekindle(&other)
        .error(&["trained on none of the images", "--data"]);
    let alone = [
        "familiarity",
        "familiar-alone.safetensors",
        "-o",
        "x.safetensors",
    ];
    std::fs::copy(
        place.path("runs/done/model.safetensors"),
        place.path("familiar-alone.safetensors"),
    )
    .unwrap();
    place.rekindle(&alone).error(&["lies in no run", "--data"]);
}
