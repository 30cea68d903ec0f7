//! Familiarity beside scikit-learn's nearest neighbours and SciPy's percentiles: `data/familiarity.json`, made by `data/familiarity.py`.

use rekindle_model::Familiarity;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    features: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    trained: Vec<f32>,
    held: Vec<f32>,
    new: Vec<f32>,
    /// Of the held-out rows, ascending.
    distances: Vec<f64>,
    /// Of the new rows.
    shares: Vec<f64>,
}

#[test]
fn distances_and_shares_are_those_of_scikit_learn_and_scipy() {
    let golden: Golden = serde_json::from_str(include_str!("data/familiarity.json")).unwrap();
    for case in &golden.cases {
        let found = Familiarity::of(&case.trained, &case.held, golden.features).unwrap();
        let trained = case.trained.len() / golden.features;
        assert_eq!((found.kept, found.chosen_from), (trained.min(256), trained));
        assert_eq!(found.distances.len(), case.distances.len());
        for (ours, theirs) in found.distances.iter().zip(&case.distances) {
            // Of a square root of a small difference of f32.
            let apart = (f64::from(*ours) - theirs).abs();
            assert!(apart < 2e-6 / theirs.max(1e-3), "{ours} {theirs}");
        }
        let shares = found.shares(&case.new).unwrap();
        for (ours, theirs) in shares.iter().zip(&case.shares) {
            assert!((f64::from(*ours) - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
        let strange = shares.iter().filter(|share| **share == 0.0);
        assert!((1..30).contains(&strange.count()), "{shares:?}");
    }
}
