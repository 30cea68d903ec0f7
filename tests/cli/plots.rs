//! The pictures that a run leaves beside its model.

use crate::support::Place;

#[test]
fn a_finished_run_has_its_curves_and_what_it_takes_for_what() {
    let place = Place::with_photos();
    place.train("a", &[]).success();
    for name in ["curves.png", "confusion.png"] {
        let image = image::open(place.path(&format!("runs/a/{name}"))).unwrap();
        assert!(image.width() > 300, "{name}: {}", image.width());
    }
}
