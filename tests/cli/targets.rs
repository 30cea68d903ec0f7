//! Several labels per image, and numbers: from a manifest to a model that has learned them.

use std::fs;
use std::io::{BufRead, BufReader};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use crate::support::{Outcome, Place, TINY, assert_same_metrics, gives_the_same_bytes};

/// Enough epochs of phase 1 to learn a colour.
const SETTINGS: &[&str] = &[
    "--set",
    "input.size=[32,32]",
    "--set",
    "phase1.epochs=30",
    "--set",
    "phase1.lr=5e-3",
    "--set",
    "phase2.epochs=2",
];

/// A picture of a colour with some pattern on it, another one for each number.
fn picture(colour: [u8; 3], number: u32) -> RgbImage {
    RgbImage::from_fn(32, 32, |x, y| {
        let wave = ((x * (number % 5 + 1) + y * (number % 3 + 2)) % 16) as u8;
        Rgb(colour.map(|value| value.saturating_add(wave)))
    })
}

/// 48 pictures that are red or not and bright or not, in all four combinations, and a manifest of their labels.
fn with_labels() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.path("data")).unwrap();
    let mut csv = "path,labels\n".to_owned();
    for number in 0..48u32 {
        let (red, bright) = (number % 2 == 0, number % 4 < 2);
        let colour = match (red, bright) {
            (true, true) => [235, 90, 90],
            (true, false) => [80, 5, 5],
            (false, true) => [90, 90, 235],
            (false, false) => [5, 5, 80],
        };
        let name = format!("{number}.png");
        let path = place.path(&format!("data/{name}"));
        picture(colour, number).save(path).unwrap();
        let labels = [(red, "red"), (bright, "bright")];
        let labels: Vec<&str> = labels
            .iter()
            .filter(|pair| pair.0)
            .map(|pair| pair.1)
            .collect();
        csv.push_str(&format!("{name},{}\n", labels.join("|")));
    }
    place.write("data/labels.csv", csv);
    place
}

/// 60 grey pictures, and a manifest with their brightness in percent and a second number that falls with it.
fn with_numbers() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.path("data")).unwrap();
    let mut csv = "path,number:brightness,number:depth\n".to_owned();
    for number in 0..60u32 {
        let level = 10 + number * 37 % 60 * 4;
        let name = format!("{number}.png");
        let path = place.path(&format!("data/{name}"));
        picture([level as u8 - 5; 3], number).save(path).unwrap();
        let percent = f64::from(level) / 2.55;
        csv.push_str(&format!(
            "{name},{percent:.2},{}\n",
            5000.0 - 20.0 * percent
        ));
    }
    place.write("data/numbers.csv", csv);
    place
}

fn train(place: &Place, data: &str, name: &str, more: &[&str]) -> Outcome {
    place.rekindle(&[&["train", data, "--name", name], SETTINGS, more].concat())
}

fn report(place: &Place, run: &str) -> Value {
    serde_json::from_slice(&place.read(&format!("runs/{run}/run.json"))).unwrap()
}

fn metrics(place: &Place, run: &str) -> String {
    String::from_utf8(place.read(&format!("runs/{run}/metrics.csv"))).unwrap()
}

#[track_caller]
fn assert_fits_80_columns(outcome: &Outcome) {
    for line in outcome.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[track_caller]
fn assert_has(text: &str, all: &[&str]) {
    for words in all {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
}

/// Figures that differ by rounding only: validation computes other batches than evaluation.
#[track_caller]
fn assert_same_figures(found: &Value, expected: &Value, names: &[&str]) {
    for name in names {
        let [found, expected] = [found, expected].map(|value| value[name].as_f64().unwrap());
        assert!(
            (found - expected).abs() <= 1e-3 * expected.abs().max(1.0),
            "{name}: {found} against {expected}"
        );
    }
}

#[test]
fn several_labels_are_learned_measured_and_predicted() {
    let place = with_labels();
    let before = place.snapshot("data");
    let data = "data/labels.csv";
    let plan = train(&place, data, "a", &["--dry-run"]).success();
    assert_has(
        &plan.stdout,
        &[
            "# Task      multilabel, loss binary_cross_entropy",
            "# Labels    bright, red",
            "of each label",
            "monitor = \"validation_map\"",
        ],
    );
    let outcome = train(&place, data, "a", &[]).success();
    assert_has(
        &outcome.stdout,
        &["2 labels, ", "mAP  macro F1", "all labels right"],
    );
    assert_fits_80_columns(&outcome);
    let run = report(&place, "a");
    let validation = &run["validation"];
    assert!(validation["map"].as_f64().unwrap() > 0.9, "{validation}");
    assert!(
        validation["macro_f1"].as_f64().unwrap() > 0.8,
        "{validation}"
    );
    let header = "phase,epoch,lr,train_loss,gradient_norm,validation_loss,validation_map,\
        validation_macro_f1,validation_micro_f1,validation_subset_accuracy,best\n";
    assert!(metrics(&place, "a").starts_with(header));

    let evaluate = ["evaluate", "runs/a", data, "--run-split", "runs/a"];
    let found = place.rekindle(&[&evaluate[..], &["--json"]].concat());
    let found = found.success().json();
    let names = ["map", "macro_f1", "micro_f1", "subset_accuracy", "loss"];
    assert_same_figures(&found, validation, &names);
    assert_eq!(found["task"], "multilabel");
    assert_eq!(found["per_label"][1]["label"], "red");
    let text = place.rekindle(&evaluate).success();
    assert_has(
        &text.stdout,
        &["mAP", "at probability 0.5", "bright", " AP\n"],
    );
    assert_fits_80_columns(&text);

    // From the manifest, and from the file itself.
    let rows = place
        .rekindle(&["predict", "runs/a", data, "--json"])
        .success()
        .json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 48);
    assert_eq!(rows[3]["path"], "data/3.png");
    let right = rows.iter().enumerate().filter(|(number, row)| {
        let labels = row["labels"].as_array().unwrap();
        labels.contains(&json!("red")) == (number % 2 == 0)
            && labels.contains(&json!("bright")) == (number % 4 < 2)
    });
    assert!(right.count() > 40, "{rows:?}");
    let one = place
        .rekindle(&["predict", "runs/a", "data/3.png", "--json"])
        .success()
        .json();
    assert_eq!(one[0]["labels"], rows[3]["labels"]);
    let csv = place
        .rekindle(&["predict", "runs/a", data, "--csv"])
        .success()
        .stdout;
    assert!(
        csv.starts_with("path,labels,bright,red\ndata/0.png,"),
        "{csv}"
    );
    let all = ["predict", "runs/a", "data/3.png", "--threshold", "0"];
    let text = place.rekindle(&all).success().stdout;
    assert_has(&text, &["path", "labels", "bright ", "red "]);

    let text = place.rekindle(&["inspect", "runs/a"]).success().stdout;
    assert_has(
        &text,
        &[
            "Task        multilabel",
            "Labels      2: bright, red",
            "mAP 0.9",
        ]
        .map(|words| {
            // A perfect run says 1.000.
            if words == "mAP 0.9" && text.contains("mAP 1.000") {
                "mAP 1.000"
            } else {
                words
            }
        }),
    );
    place
        .rekindle(&["predict", "runs/a", "data/3.png", "--top", "2"])
        .error(&["--top", "multilabel"]);
    place
        .rekindle(&["evaluate", "runs/a", "data"])
        .error(&["the model is for multilabel", "`labels`"]);
    assert_eq!(place.snapshot("data"), before, "the data was changed");
}

#[test]
fn numbers_are_learned_measured_and_predicted_in_their_own_units() {
    let place = with_numbers();
    let data = "data/numbers.csv";
    let plan = train(&place, data, "a", &["--dry-run"]).success();
    assert_has(
        &plan.stdout,
        &[
            "# Task      regression, loss mean_squared_error",
            "# Numbers   brightness (mean ",
            "[facts.number_scale]",
            "monitor = \"validation_r2\"",
        ],
    );
    let outcome = train(&place, data, "a", &[]).success();
    let errors = ["MAE / deviation", "RMSE / deviation"];
    assert_has(&outcome.stdout, &["2 numbers, ", "R2", "MAE/dev"]);
    assert_has(&outcome.stdout, &errors);
    assert_fits_80_columns(&outcome);
    let run = report(&place, "a");
    let validation = &run["validation"];
    assert!(validation["r2"].as_f64().unwrap() > 0.8, "{validation}");
    // In deviations, though one number is in the thousands.
    assert!(validation["mae"].as_f64().unwrap() < 1.0, "{validation}");
    let header = "phase,epoch,lr,train_loss,gradient_norm,validation_loss,validation_r2,\
        validation_mae,validation_rmse,best\n";
    assert!(metrics(&place, "a").starts_with(header));

    let evaluate = ["evaluate", "runs/a", data, "--run-split", "runs/a"];
    let found = place.rekindle(&[&evaluate[..], &["--json"]].concat());
    let found = found.success().json();
    assert_same_figures(&found, validation, &["r2", "mae", "rmse", "loss"]);
    assert_eq!(found["per_number"][1]["number"], "depth");
    let text = place.rekindle(&evaluate).success();
    assert_has(&text.stdout, &["brightness", "depth", "Spearman"]);
    assert_has(&text.stdout, &errors);
    assert_fits_80_columns(&text);

    let rows = place
        .rekindle(&["predict", "runs/a", data, "--json"])
        .success()
        .json();
    let number = |row: usize, name: &str| rows[row]["numbers"][name].as_f64().unwrap();
    // Image 0 is the darkest, image 47 nearly the brightest.
    assert!(
        number(0, "brightness") < 30.0 && number(0, "depth") > 4300.0,
        "{rows}"
    );
    assert!(
        number(47, "brightness") > 70.0 && number(47, "depth") < 3700.0,
        "{rows}"
    );
    let csv = place
        .rekindle(&["predict", "runs/a", "data/7.png", "--csv"])
        .success()
        .stdout;
    assert!(
        csv.starts_with("path,brightness,depth\ndata/7.png,"),
        "{csv}"
    );
    let text = place
        .rekindle(&["predict", "runs/a", "data/7.png"])
        .success()
        .stdout;
    assert_has(&text, &["path", "brightness", "depth"]);
    let text = place.rekindle(&["inspect", "runs/a"]).success().stdout;
    assert_has(
        &text,
        &[
            "Task        regression",
            "Numbers     2: brightness, depth",
            "Scale ",
            ", MAE / deviation 0.",
        ],
    );
    place
        .rekindle(&["predict", "runs/a", "data/7.png", "--threshold", "0.5"])
        .error(&["--threshold", "regression"]);

    // One column of a manifest with other names, trained and evaluated as the end of the run says.
    let csv = String::from_utf8(place.read(data)).unwrap();
    place.write(
        "data/other.csv",
        csv.replace("number:brightness", "lightness"),
    );
    let column = [
        "--set",
        "data.number_columns=lightness",
        "--set",
        "loss.name=huber",
    ];
    let outcome = train(&place, "data/other.csv", "b", &column).success();
    let line =
        "rekindle evaluate runs/b data/other.csv --set 'data.number_columns=[\"lightness\"]'";
    assert_has(&outcome.stdout, &[line, "1 number, "]);
    assert!(report(&place, "b")["validation"]["r2"].as_f64().unwrap() > 0.8);
    let args = [
        "evaluate",
        "runs/b",
        "data/other.csv",
        "--run-split",
        "runs/b",
        "--json",
    ];
    let found = place.rekindle(&args).success().json();
    assert_same_figures(&found, &report(&place, "b")["validation"], &["r2", "mae"]);
    place.rekindle(&["evaluate", "runs/b", data]).error(&[
        "no column `lightness` for the model's number",
        "number:brightness",
    ]);
}

/// Runs the binary and interrupts it when it has begun phase 2.
#[cfg(unix)]
fn interrupted(place: &Place, args: &[&str]) {
    let mut child = place.command(args).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines {
        if line.unwrap().starts_with("phase 2") {
            let kill = format!("kill -INT {}", child.id());
            let killed = std::process::Command::new("sh")
                .args(["-c", &kill])
                .status();
            assert!(killed.unwrap().success());
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[cfg(unix)]
#[test]
fn runs_on_labels_and_numbers_go_on_as_if_they_were_never_interrupted() {
    for (place, data, mix) in [
        (
            with_labels(),
            "data/labels.csv",
            "augment.mix={mixup_alpha=0.4}",
        ),
        (
            with_numbers(),
            "data/numbers.csv",
            "augment.mix={mixup_alpha=0.4, cutmix_alpha=0}",
        ),
    ] {
        let settings = ["--set", "phase1.epochs=3", "--set", "phase2.epochs=8"];
        let more = [
            "--set",
            "phase2.batch_size=4",
            "--set",
            "phase2.stopping.patience=100",
        ];
        let mixed = ["--set", mix, "--quiet"];
        let whole = [&settings[..], &more, &mixed].concat();
        let loud = [
            &["train", data, "--name", "a"],
            SETTINGS,
            &whole[..whole.len() - 1],
        ]
        .concat();
        interrupted(&place, &loud);
        place.rekindle(&["train", "--resume", "runs/a"]).success();
        train(&place, data, "b", &whole).success();
        assert_same_metrics(&metrics(&place, "a"), &metrics(&place, "b"));
        let model = |run: &str| place.read(&format!("runs/{run}/model.safetensors"));
        assert!(
            !gives_the_same_bytes() || model("a") == model("b"),
            "the models differ"
        );
    }
}

#[test]
fn settings_that_do_not_fit_the_task_are_errors_that_name_those_that_do() {
    let (labels, numbers) = (with_labels(), with_numbers());
    let train =
        |place: &Place, data: &str, setting: &str| train(place, data, "x", &["--set", setting]);
    let data = "data/labels.csv";
    train(&labels, data, "loss.name=cross_entropy").error(&["`loss.name`", "`binary_focal`"]);
    train(&labels, data, "loss.positive_weights=[1.0]")
        .error(&["loss.positive_weights", "1 for 2"]);
    train(&labels, data, "data.sampling=balanced")
        .error(&["data.sampling", "loss.positive_weights"]);
    train(&labels, data, "phase1.stopping.monitor=validation_accuracy")
        .error(&["phase1.stopping.monitor", "`validation_map`"]);
    let data = "data/numbers.csv";
    train(&numbers, data, "loss.name=focal").error(&["`loss.name`", "`huber`"]);
    train(&numbers, data, "data.sampling=balanced").error(&["data.sampling", "numbers"]);
    train(&numbers, data, "augment.mix={}").error(&["augment.mix.cutmix_alpha", "mixup alone"]);
    train(&numbers, data, "data.number_columns=hight").error(&["`hight`", "data.number_columns"]);
    for place in [&labels, &numbers] {
        assert!(!place.path("runs").exists());
        place
            .rekindle(&[&["train", "data", "--name", "x"], TINY].concat())
            .error(&["no class folders"]);
    }
    let photos = Place::with_photos();
    photos
        .train("x", &["--set", "loss.name=binary_cross_entropy"])
        .error(&["`loss.name`", "`cross_entropy`"]);
    photos
        .train("x", &["--set", "data.labels_column=tags"])
        .error(&["`data.labels_column` is set, but `photos` has no use for it"]);
}

#[test]
fn wrong_cells_are_named_by_file_line_and_column() {
    let place = with_numbers();
    let wrong = |text: &str| {
        place.write("data/wrong.csv", text);
        place.rekindle(&["train", "data/wrong.csv"])
    };
    wrong("path,number\n0.png,1\n1.png,\n").error(&["data/wrong.csv`, line 3: `number` is empty"]);
    wrong("path,number\n0.png,1\n1.png,NaN\n").error(&["line 3: `number` is NaN", "finite"]);
    wrong("path,number\n0.png,\"1,5\"\n").error(&["line 2: `number` is `1,5`", "not a comma"]);
    wrong("path,labels\n0.png,a|a\n").error(&["line 2: `labels` names `a` twice"]);
    wrong("path,labels,number\n0.png,a,1\n")
        .error(&["`labels`, `number`", "data.labels_column=NAME"]);
    wrong("path,number\n0.png,1\n1.png,1\n2.png,1\n3.png,1\n4.png,1\n5.png,1\n")
        .error(&["every training image has 1 as `number`"]);
}

#[test]
fn check_and_preview_show_labels_and_numbers() {
    let place = with_labels();
    let data = "data/labels.csv";
    let json = place.rekindle(&["check", data, "--json"]).calm().json();
    assert_eq!(json["task"], "multilabel");
    assert_eq!(json["classes"][1]["class"], "red");
    let count = |part: &str| json["classes"][1][part].as_u64().unwrap();
    assert_eq!(count("train") + count("validation"), 24);
    assert_eq!(json["images_without_labels"], 12);
    let text = place
        .rekindle(&["check", data, "--sheet", "sheet.png"])
        .calm()
        .stdout;
    assert_has(
        &text,
        &[
            "48 images with 2 labels",
            "12 images have no label",
            "label ",
        ],
    );
    assert!(image::open(place.path("sheet.png")).unwrap().height() > 300);
    place
        .rekindle(&["preview", data, "--count", "2", "--out", "p.png"])
        .success();

    let place = with_numbers();
    let data = "data/numbers.csv";
    let json = place.rekindle(&["check", data, "--json"]).calm().json();
    assert_eq!(json["task"], "regression");
    assert_eq!(json["numbers"][0]["name"], "brightness");
    assert_eq!(json["numbers"][0]["min"], 3.92);
    let text = place
        .rekindle(&["check", data, "--sheet", "sheet.png"])
        .calm()
        .stdout;
    assert_has(
        &text,
        &[
            "60 images with 2 numbers",
            "Numbers of usable images",
            "deviation",
        ],
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    place
        .rekindle(&["preview", data, "--count", "2", "--out", "p.png"])
        .success();
}

#[test]
fn images_of_tar_shards_and_manifests_are_predicted() {
    let place = with_labels();
    let model = crate::support::trained()
        .path("runs/done")
        .display()
        .to_string();
    let mut tar = tar::Builder::new(fs::File::create(place.path("set.tar")).unwrap());
    for number in [2, 0, 1] {
        let name = format!("{number}.png");
        tar.append_path_with_name(place.path(&format!("data/{name}")), &name)
            .unwrap();
    }
    tar.into_inner().unwrap();
    place.write("list.csv", "path\n0.png\n1.png\n");
    let predict = |more: &[&str]| {
        let all = [&["predict", &model], more, &["--json", "--top", "1"]].concat();
        place.rekindle(&all).success().json()
    };
    let shards = predict(&["set.tar"]);
    let paths = |rows: &Value| -> Vec<String> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["path"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        paths(&shards),
        ["set.tar/2.png", "set.tar/0.png", "set.tar/1.png"]
    );
    let listed = predict(&["list.csv", "data/2.png", "--set", "data.root=data"]);
    assert_eq!(paths(&listed), ["data/0.png", "data/1.png", "data/2.png"]);
    assert_eq!(listed[0]["class"], shards[1]["class"]);
    assert_eq!(listed[2]["probability"], shards[0]["probability"]);
    // Without `data.root` they are looked for in the folders beside the list, and that is said.
    let found = place.rekindle(&["predict", &model, "list.csv"]).success();
    assert!(found.stderr.contains("data"), "{found:?}");
}
