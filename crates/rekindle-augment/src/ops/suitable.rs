//! Which transforms suit pictures of other channels than red, green and blue.
//!
//! Owns: that list. A transform that is not in it moves pixels, or changes each value by itself or by its own channel's, and so suits any
//! number of channels.

use rekindle_settings::SettingError;

use super::TransformSpec;
use crate::bands::Bands;

/// What a transform is defined for.
enum Needs {
    /// Red, green and blue.
    Colours,
    /// A picture of one channel, which it takes as three equal ones, or red, green and blue.
    Picture,
    /// Any number of channels.
    Nothing,
}

fn needs(op: &str) -> Needs {
    match op {
        "saturation" | "greyscale" | "hue" | "colour_jitter" | "channel_shuffle"
        | "channel_drop" => Needs::Colours,
        // Policies with changes of colour among them; what looks at the grey of three channels; code that is not known.
        "auto_augment" | "rand_augment" | "trivial_augment" | "aug_mix" | "edges"
        | "jpeg_artefacts" | "custom" => Needs::Picture,
        _ => Needs::Nothing,
    }
}

/// Refuses a transform that is not defined for these bands, by its name.
pub(super) fn check(spec: &TransformSpec, bands: &Bands) -> Result<(), SettingError> {
    // Of more bands than three, these are a part.
    let is_grey = bands.is_grey();
    let expected = match needs(spec.op()) {
        Needs::Colours => {
            "a transform that is not of red, green and blue alone where `input.channels` is not 3, such as `brightness`, `contrast`, \
             `gamma`, or any of place and shape"
        }
        Needs::Picture if !is_grey => {
            "a transform that is defined for any number of bands, such as `brightness`, `contrast`, `gamma`, `gaussian_noise`, or any of \
             place and shape; it takes three channels, or one"
        }
        Needs::Picture | Needs::Nothing => return Ok(()),
    };
    Err(SettingError::new(
        "op",
        format!("`{}`", spec.op()),
        expected,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocessing::Preprocessing;

    #[test]
    fn transforms_of_colours_are_refused_by_name_and_all_others_are_built() {
        let mut refused = Vec::new();
        for count in [1, 2, 5] {
            let preprocessing = Preprocessing {
                bands: Some(Bands::adapted(count, [0.5; 3], [0.5; 3])),
                ..Preprocessing::default()
            };
            for spec in TransformSpec::all() {
                if let Err(error) = spec.build(&preprocessing) {
                    let error = error.to_string();
                    assert!(error.contains(&format!("`{}`", spec.op())), "{error}");
                    refused.push((count, spec.op()));
                }
            }
        }
        let of = |count| refused.iter().filter(move |(of, _)| *of == count).count();
        assert_eq!([of(1), of(2), of(5)], [6, 12, 12], "{refused:?}");
    }

    #[test]
    fn one_inside_another_is_found() {
        let text = r#"{"op":"one_of","transforms":[{"op":"invert"},{"op":"hue"}]}"#;
        let spec: TransformSpec = serde_json::from_str(text).unwrap();
        let preprocessing = Preprocessing {
            bands: Some(Bands::adapted(1, [0.5; 3], [0.5; 3])),
            ..Preprocessing::default()
        };
        let error = spec.build(&preprocessing).unwrap_err().to_string();
        assert!(
            error.contains("transforms[1].op") && error.contains("hue"),
            "{error}"
        );
    }
}
