//! The speed of backbones: which figures there are, not how large they are.

use serde_json::Value;

use crate::support::{Outcome, Place};

/// Settings under which a backbone is measured in a second.
const SMALL: &[&str] = &["--size", "32", "--batch", "2", "--runs", "1"];

fn bench(args: &[&str]) -> Outcome {
    Place::new().rekindle(&[&["bench"], args, SMALL].concat())
}

#[test]
fn figures_come_as_json() {
    let json = bench(&["resnet18", "--threads", "1", "--json"])
        .success()
        .json();
    let [report] = json.as_array().unwrap().as_slice() else {
        panic!("{json}");
    };
    assert_eq!(report["backbone"], "resnet18");
    assert_eq!(report["architecture"], "resnet18");
    assert_eq!(report["batch_images"], 2);
    assert_eq!(report["size_pixels"], 32);
    assert_eq!(report["warm_ups"], 2);
    assert_eq!(report["runs"], 1);
    assert_eq!(report["threads"], 1);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    for text in ["device", "processor", "simd"] {
        assert!(!report[text].as_str().unwrap().is_empty(), "{report}");
    }
    for part in ["inference", "training"] {
        let speed = &report[part];
        let median = speed["images_per_second_median"].as_f64().unwrap();
        let seconds = numbers(&speed["seconds_per_batch"]);
        assert_eq!(seconds.len(), 1, "{report}");
        assert!(
            (median - 2.0 / seconds[0]).abs() < 1e-6 * median,
            "{report}"
        );
        assert_eq!(
            numbers(&speed["images_per_second_quartiles"]),
            [median, median]
        );
    }
    let memory = &report["training_peak_memory_bytes"];
    match cfg!(target_os = "linux") {
        // More than the weights of resnet18 with their gradients.
        true => assert!(memory.as_u64().unwrap() > 80_000_000, "{report}"),
        false => assert!(memory.is_null() || memory.is_u64(), "{report}"),
    }
}

fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn figures_come_as_a_table_that_fits_80_columns() {
    let text = bench(&[
        "resnet18.a1_in1k",
        "tf_efficientnet_lite0",
        "--only",
        "infer",
    ])
    .success()
    .stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(
        lines[0].contains(" thread") && lines[0].contains("device "),
        "{text}"
    );
    assert!(lines[1].contains("2 images of 32x32"), "{text}");
    assert!(lines[4].starts_with("resnet18  "), "{text}");
    assert!(lines[5].starts_with("tf_efficientnet_lite0  "), "{text}");
    assert!(
        lines[4].ends_with('-'),
        "training was not asked for: {text}"
    );
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

#[test]
fn names_and_values_that_make_no_sense_are_errors_before_anything_is_measured() {
    let outcome =
        bench(&["resnet18", "resnet81"]).error(&["`resnet81`", "did you mean `resnet18`"]);
    assert_eq!(outcome.stdout, "");
    bench(&["resnet18", "--device", "cpuu"]).error(&["`cpuu`", "did you mean `cpu`"]);
    for (flag, expected) in [
        ("--batch", "expected at least 1"),
        ("--runs", "expected at least 1"),
        ("--threads", "expected at least 1"),
        ("--size", "expected 32 to 4096"),
    ] {
        let outcome = Place::new()
            .rekindle(&["bench", "resnet18", flag, "0"])
            .error(&[flag, expected]);
        assert_eq!(outcome.stdout, "");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_measurement_that_memory_is_too_short_for_says_so() {
    // Images of a thousand terabytes: more than the addresses of a process reach.
    let outcome = Place::new()
        .rekindle(&[
            "bench", "resnet18", "--size", "4096", "--batch", "5000000", "--json",
        ])
        .error(&["resnet18 could not be measured", "--batch"]);
    assert_eq!(outcome.json(), Value::Array(Vec::new()));
}
