//! The same seed gives the same bytes, whatever the number of threads; on a GPU, nearly the same figures.

use crate::support::{Place, TINY, assert_same_metrics, gives_the_same_bytes};

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
            String::from_utf8(read("metrics.csv")).unwrap(),
            read("split.json"),
            read("model.safetensors"),
        )
    };
    let first = train("a", "3", "2");
    for (name, threads) in [("b", "2"), ("c", "1")] {
        let again = train(name, "3", threads);
        assert_same_metrics(&again.0, &first.0);
        assert!(again.1 == first.1, "{threads} threads: another split");
        assert!(
            !gives_the_same_bytes() || again.2 == first.2,
            "{threads} threads: another model"
        );
    }
    let other = train("d", "4", "2");
    assert!(first.0 != other.0, "another seed must differ");
}
