//! A learning rate that falls where the validation figure has stopped getting better. Owns the rule alone; what it is computed from is the
//! phase's history, so that a resumed run needs no state of it.

use rekindle_data::Better;

/// The factor on the base rate after epochs with these values of the watched figure: `factor` for each time that it was not better than the
/// best by more than `threshold` of that for more than `patience` epochs in a row, at least `min_ratio`.
///
/// A value that is not a number is not better. Equal to PyTorch's `ReduceLROnPlateau` with `threshold_mode="rel"` and no cooldown.
pub fn plateau_factor(
    values: impl IntoIterator<Item = f64>,
    better: Better,
    factor: f64,
    patience: usize,
    threshold: f64,
    min_ratio: f64,
) -> f64 {
    let (mut best, mut waited, mut ratio) = (None::<f64>, 0, 1.0f64);
    for value in values {
        let improves = match (best, better) {
            _ if value.is_nan() => false,
            (None, _) => true,
            (Some(best), Better::Lower) => value < best * (1.0 - threshold),
            (Some(best), Better::Higher) => value > best * (1.0 + threshold),
        };
        match improves {
            true => (best, waited) = (Some(value), 0),
            false => waited += 1,
        }
        if waited > patience {
            ratio = (ratio * factor).max(min_ratio);
            waited = 0;
        }
    }
    ratio
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_rate_falls_as_pytorch_lets_it() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../tests/data/plateau.json")).unwrap();
        let cases = fixture["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 5);
        for case in cases {
            let number = |key: &str| case[key].as_f64().unwrap();
            let numbers = |key: &str| -> Vec<f64> {
                let values = case[key].as_array().unwrap().iter();
                values.map(|value| value.as_f64().unwrap()).collect()
            };
            let better = match case["mode"].as_str().unwrap() {
                "min" => Better::Lower,
                _ => Better::Higher,
            };
            let values = numbers("values");
            for (epoch, expected) in numbers("factors").into_iter().enumerate() {
                let found = plateau_factor(
                    values[..=epoch].iter().copied(),
                    better,
                    number("factor"),
                    number("patience") as usize,
                    number("threshold"),
                    number("min_ratio"),
                );
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{case} after {epoch}: {found}"
                );
            }
        }
    }
}
