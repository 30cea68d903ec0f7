//! `train --tui`, where there is no terminal: what it draws on one is `dashboard/draw.rs`'s own test.

use crate::support::{Place, TINY};

#[test]
fn without_a_terminal_it_prints_lines_and_says_so() {
    let place = Place::with_photos();
    let run = place.rekindle(&[&["train", "photos", "--name", "a", "--tui"], TINY].concat());
    let run = run.success();
    assert!(
        run.stderr
            .contains("is no terminal that curves can be drawn on"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.contains("epoch  train loss"), "{}", run.stdout);
    assert!(!run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'));
    place
        .rekindle(&["train", "photos", "--tui", "--quiet"])
        .error(&["--tui", "--quiet"]);
}
