//! A frozen trunk with a head, and stages that are trained, on the device of the tests and on Burn's CPU backend.

use crate::support::{Place, TINY, device};

/// Gradients that only parameters need, as those of a head on frozen stages, were not a number on a GPU backend once (Burn 0.21, wgpu).
#[test]
fn losses_of_each_phase_are_those_of_the_cpu() {
    let place = Place::with_photos();
    // No augmentation draws on the device, and two stages are few enough for a software driver.
    let losses = |name: &str, device: &str| -> Vec<(String, f64)> {
        let more = [
            "--name",
            name,
            "--seed",
            "3",
            "--device",
            device,
            "--set",
            "phase2.unfreeze=2",
        ];
        let args = [&["train", "photos"], TINY, &more[..]].concat();
        place.rekindle(&args).success();
        let csv = String::from_utf8(place.read(&format!("runs/{name}/metrics.csv"))).unwrap();
        let mut lines = csv.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let mut losses = Vec::new();
        for line in lines {
            let row: Vec<&str> = line.split(',').collect();
            for (name, figure) in names.iter().zip(&row) {
                if name.ends_with("_loss") {
                    let which = format!("{} {} {name}", row[0], row[1]);
                    losses.push((which, figure.parse().unwrap()));
                }
            }
        }
        losses
    };
    let (found, expected) = (losses("here", &device()), losses("flex", "flex"));
    assert_eq!(found.len(), 2 * 5, "{found:?}");
    for ((which, found), (_, expected)) in found.iter().zip(&expected) {
        // Rounding grows from step to step; what these bugs did was of another size.
        assert!(
            (found - expected).abs() <= 0.02 * expected.abs().max(0.05),
            "{which}: {found} on {}, {expected} on flex",
            device()
        );
    }
}
