//! Products in bf16: offered where the processor has them, and the same in training and in evaluation.

use serde_json::Value;

use crate::support::{Place, device};

/// Whether this machine's CPU backend multiplies in bf16, as the program itself says.
fn is_offered(place: &Place) -> bool {
    let outcome = place.rekindle(&["train", "photos", "--set", "precision=bf16", "--dry-run"]);
    if outcome.code == Some(0) {
        return true;
    }
    outcome.error(&[
        "`precision` is bf16 on ",
        "expected `f32`, or `bf16` on the device cpu",
    ]);
    false
}

#[test]
fn bf16_is_offered_where_the_processor_has_it() {
    let place = Place::with_photos();
    #[cfg(target_arch = "x86_64")]
    let has = is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512bw");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    let flex = cfg!(feature = "flex") && device() == "cpu";
    assert_eq!(is_offered(&place), has && flex);
}

#[test]
fn a_run_in_bf16_is_evaluated_in_bf16() {
    let place = Place::with_photos();
    if !is_offered(&place) {
        return;
    }
    let train = |name: &str, precision: &str| {
        let setting = format!("precision={precision}");
        let outcome = place.train(name, &["--set", &setting]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let run: Value =
            serde_json::from_slice(&place.read(&format!("runs/{name}/run.json"))).unwrap();
        run
    };
    let (whole, half) = (train("whole", "f32"), train("half", "bf16"));
    let loss = |value: &Value| value["loss"].as_f64().unwrap();
    let [expected, other] = [&half, &whole].map(|run| loss(&run["validation"]));
    assert!(expected != other, "the precision changes no figure");
    assert!((expected - other).abs() < 0.05, "{expected} {other}");
    let split = ["--run-split", "runs/half", "--json"];
    let found = place
        .rekindle(&[&["evaluate", "runs/half", "photos"][..], &split].concat())
        .success()
        .json();
    assert!((loss(&found) - expected).abs() < 1e-4, "{found} {half}");
    assert!((loss(&found) - other).abs() > 1e-4, "{found} {whole}");
    let inspected = place
        .rekindle(&["inspect", "runs/half", "--json"])
        .success()
        .json();
    assert_eq!(inspected["precision"], "bf16", "{inspected}");
}
