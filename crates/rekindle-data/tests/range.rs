//! Ranges fitted on images, against NumPy's percentiles of the numbers that Pillow and tifffile read (`make_range.py`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use rekindle_augment::{DecodeLimits, RangeSpec, SampleRange};
use rekindle_data::{BadImages, ImageFolder, fit_range};

#[derive(serde::Deserialize)]
struct Fixture {
    places: Vec<f64>,
    sets: BTreeMap<String, Set>,
}

#[derive(serde::Deserialize)]
struct Set {
    files: Vec<String>,
    count: usize,
    min: f64,
    max: f64,
    percentiles: Vec<f64>,
}

fn fit(spec: RangeSpec, files: &[String]) -> Result<SampleRange, String> {
    let place = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data_range"));
    let folder = ImageFolder::unlabelled(files.iter().map(|file| place.join(file)).collect());
    let all: Vec<usize> = (0..files.len()).collect();
    let limits = DecodeLimits::default();
    fit_range(&spec, &folder, &limits, &all, BadImages::Fail).map_err(|error| error.to_string())
}

#[test]
fn fitted_ranges_are_numpys_percentiles_and_maxima() {
    let fixture: Fixture = serde_json::from_str(include_str!("range.json")).unwrap();
    assert_eq!(fixture.sets.len(), 6);
    for (name, set) in &fixture.sets {
        for (low, pair) in fixture.places.windows(2).enumerate().step_by(2) {
            let found = fit(RangeSpec::Percentiles([pair[0], pair[1]]), &set.files);
            let SampleRange::Span {
                low: black,
                high: white,
            } = found.unwrap()
            else {
                panic!("{name}: no span");
            };
            for (found, expected) in [black, white].iter().zip(&set.percentiles[low..]) {
                let error = (found - expected).abs();
                assert!(
                    error <= 1e-12 * expected.abs(),
                    "{name}: {found}, not {expected}"
                );
            }
        }
        let max = fit(RangeSpec::Max, &set.files);
        match set.min < 0.0 {
            true => assert!(max.unwrap_err().contains(&format!("down to {}", set.min))),
            false => assert_eq!(
                max,
                Ok(SampleRange::Span {
                    low: 0.0,
                    high: set.max
                })
            ),
        }
        assert!(set.count > 30);
    }
    let error = fit(RangeSpec::Max, &["bytes.png".to_owned()]).unwrap_err();
    assert!(
        error.contains("none of 1 has samples of more than 8 bits"),
        "{error}"
    );
}
