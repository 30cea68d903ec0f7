//! What a finished run says of its validation images and shows of itself: predictions.csv, the report, events for other programs.

use serde_json::Value;

use crate::support::{Place, trained};

fn text(place: &Place, file: &str) -> String {
    String::from_utf8(place.read(file)).unwrap()
}

#[test]
fn predictions_of_the_validation_images_are_those_that_were_measured() {
    let place = trained();
    let run: Value = serde_json::from_slice(&place.read("runs/done/run.json")).unwrap();
    let validation = &run["validation"];
    let csv = text(place, "runs/done/predictions.csv");
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some(
            "path,true,predicted,loss,probability,probability_true,probability:apple,probability:leaf,probability:sky"
        )
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let samples = rows.len() as f64;
    assert_eq!(validation["samples"], rows.len());
    let right = rows.iter().filter(|row| row[1] == row[2]).count() as f64;
    assert_eq!(validation["accuracy"], right / samples);
    let loss: f64 = rows.iter().map(|row| row[3].parse::<f64>().unwrap()).sum();
    let told = validation["loss"].as_f64().unwrap();
    assert!((loss / samples - told).abs() < 1e-5, "{loss} {told}");
    for row in &rows {
        assert!(row[0].starts_with(row[1]), "{row:?}");
        let sum: f64 = row[6..]
            .iter()
            .map(|share| share.parse::<f64>().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-5, "{row:?}");
    }
    let scores = &validation["scores"];
    assert_eq!(scores["top_k"][0], validation["accuracy"]);
    assert_eq!(scores["per_class"].as_array().unwrap().len(), 3);
    assert_eq!(scores["calibration"]["bins"].as_array().unwrap().len(), 15);
}

#[test]
fn a_run_has_a_report_that_can_be_made_again_elsewhere() {
    let place = trained();
    let page = text(place, "runs/done/report.html");
    for words in [
        "<svg",
        "id=\"confusion\"",
        "data:image/jpeg;base64,",
        "rekindle train",
        "Least sure",
    ] {
        assert!(page.contains(words), "no `{words}`");
    }
    assert!(text(place, "runs/done/model.md").starts_with("# done\n"));
    let outcome = place
        .rekindle(&["report", "runs/done", "--out", "shown/there"])
        .success();
    assert_eq!(
        outcome.stdout,
        "shown/there/report.html\nshown/there/model.md\n"
    );
    assert_eq!(text(place, "shown/there/report.html"), page);
    place
        .rekindle(&["report", "photos"])
        .error(&["photos/plan.toml", "runs/photos-1"]);
}

#[test]
fn a_run_tells_its_epochs_to_tensorboard_and_as_json_lines() {
    let place = Place::with_photos();
    place
        .train("a", &["--tensorboard", "--set", "log.json_lines=true"])
        .success();
    let lines = text(&place, "runs/a/events.jsonl");
    let run: Value = serde_json::from_slice(&place.read("runs/a/run.json")).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let history = run["history"].as_array().unwrap();
    assert_eq!(lines.len(), history.len());
    for (step, (line, record)) in (1..).zip(lines.iter().zip(history)) {
        assert_eq!(line["step"], step);
        for (key, value) in record.as_object().unwrap() {
            assert_eq!(&line[key], value, "{key}");
        }
    }
    let files: Vec<_> = place
        .path("runs/a/tensorboard")
        .read_dir()
        .unwrap()
        .collect();
    assert_eq!(files.len(), 1);
    let bytes = std::fs::read(files[0].as_ref().unwrap().path()).unwrap();
    let events = records(&bytes);
    // The version, the beginning, the plan, the settings, the views, the epochs, the end.
    assert_eq!(events.len(), 5 + history.len() + 1);
    let has = |event: &[u8], words: &str| {
        event
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    assert!(has(events[0], "brain.Event:2") && has(events[2], "plan/text_summary"));
    assert!(has(events[3], "_hparams_/session_start_info") && has(events[3], "phase2.lr"));
    // Four images, each as it is and in three views: as large as the picture in the file says.
    assert!(has(events[4], "train/views"));
    let start = events[4].windows(4).position(|part| part == b"\x89PNG");
    let views = image::load_from_memory(&events[4][start.unwrap()..]).unwrap();
    assert_eq!((views.width(), views.height()), (4 * 32, 4 * 32));
    assert!(views.to_rgb8().pixels().any(|pixel| pixel.0 != [0; 3]));
    for (event, record) in events[5..].iter().zip(history) {
        assert!(has(event, "train/loss") && has(event, "validation/macro_f1"));
        // The value stands behind its tag: field 2, four bytes.
        let accuracy = record["validation_accuracy"].as_f64().unwrap() as f32;
        let value = [&b"validation/accuracy\x15"[..], &accuracy.to_le_bytes()].concat();
        assert!(event.windows(value.len()).any(|part| part == value));
    }
    assert!(!trained().path("runs/done/tensorboard").exists());
    assert!(!trained().path("runs/done/events.jsonl").exists());
}

/// The events of a file, as the lengths in it part them.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        all.push(&bytes[12..12 + length]);
        bytes = &bytes[16 + length..];
    }
    all
}
