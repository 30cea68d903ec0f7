//! `runs/latest`: the newest run for every command that takes one.

use crate::support::Place;

const QUICK: &[&str] = &["--set", "phase1.epochs=1", "--set", "phase2.epochs=0"];

#[test]
fn the_newest_run_goes_by_that_name() {
    let place = Place::with_photos();
    for _ in 0..2 {
        let args = [&["train", "photos", "--runs", "runs"], QUICK].concat();
        place.rekindle(&args).success();
    }
    let shown = place.rekindle(&["inspect", "runs/latest"]).success();
    assert!(shown.stdout.contains("photos-2"), "{shown:?}");
    place
        .rekindle(&["predict", "runs/latest", "photos/sky/1.png"])
        .success();
    place
        .rekindle(&["evaluate", "runs/latest", "photos"])
        .success();
    place
        .rekindle(&["train", "--resume", "runs/latest"])
        .error(&["photos-2", "finished"]);
    // The link is no run, and no name that is taken.
    let args = [&["train", "photos", "--name", "latest"], QUICK].concat();
    place.rekindle(&args).success();
    let shown = place.rekindle(&["inspect", "runs/latest"]).success();
    assert!(shown.stdout.contains("runs/latest/model"), "{shown:?}");
    let args = [&["train", "photos"], QUICK].concat();
    place.rekindle(&args).success();
    let shown = place.rekindle(&["inspect", "runs/latest"]).success();
    assert!(
        shown.stdout.contains("runs/latest/model"),
        "it stays: {shown:?}"
    );
}

#[test]
fn a_run_that_comes_to_nothing_leaves_no_name_behind() {
    let place = Place::with_photos();
    let args = [&["train", "photos"], QUICK].concat();
    place.rekindle(&args).success();
    // Its header is whole, so that this is known when features are computed, behind the beginning of the run.
    let whole = place.read("photos/sky/0.png");
    place.write("photos/sky/0.png", &whole[..whole.len() - 20]);
    place
        .rekindle(&[&["train", "photos"], QUICK].concat())
        .error(&["0.png"]);
    let shown = place.rekindle(&["inspect", "runs/latest"]).success();
    assert!(shown.stdout.contains("photos-"), "{shown:?}");
}
