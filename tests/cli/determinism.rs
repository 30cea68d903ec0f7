//! The same seed gives the same bytes, whatever the number of threads.

use crate::support::{Place, TINY};

#[test]
fn the_same_seed_gives_the_same_files_with_any_number_of_threads() {
    let place = Place::with_photos();
    let train = |name: &str, seed: &str, threads: &str| {
        let start = ["train", "photos", "--name", name, "--seed", seed];
        let mut command = place.command(&[&start, TINY].concat());
        let outcome = command.env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(outcome.status.success(), "{outcome:?}");
        let read = |file: &str| place.read(&format!("runs/{name}/{file}"));
        (
            read("metrics.csv"),
            read("model.safetensors"),
            read("split.json"),
        )
    };
    let first = train("a", "3", "2");
    let second = train("b", "3", "2");
    assert_eq!(
        String::from_utf8(first.0.clone()),
        String::from_utf8(second.0.clone())
    );
    assert!(first == second, "a second run differs");
    let alone = train("c", "3", "1");
    assert_eq!(
        String::from_utf8(first.0.clone()),
        String::from_utf8(alone.0.clone())
    );
    assert!(first == alone, "one thread differs from two");
    let other = train("d", "4", "2");
    assert!(first.0 != other.0, "another seed must differ");
}
