//! `config.json` of a timm repository: which architecture its weights are for, and what their input looked like.

use serde::Deserialize;

use crate::HubError;

/// What `config.json` says, as far as it is needed. Where timm has more than one place for a value, the inner one counts.
#[derive(Debug, Clone, PartialEq)]
pub struct TimmConfig {
    /// timm's name of the architecture, without a tag.
    pub architecture: String,
    /// The tag of the weights, `a1_in1k`, where it says one.
    pub tag: Option<String>,
    /// Channels of the input.
    pub channels: usize,
    /// Height and width in pixels.
    pub input_size: [usize; 2],
    /// Mean per channel, of pixels in [0, 1]. A single value in the file stands for all three.
    pub mean: [f32; 3],
    /// Standard deviation per channel.
    pub std: [f32; 3],
    /// Resize filter, `bilinear` or `bicubic`.
    pub interpolation: String,
    /// Share of the resized image's side that the centre crop keeps.
    pub crop_ratio: f32,
    /// Licence, where it says one.
    pub licence: Option<String>,
}

#[derive(Deserialize)]
struct File {
    architecture: Option<String>,
    #[serde(default)]
    pretrained_cfg: Pretrained,
    /// Old files have the values outside.
    #[serde(flatten)]
    outside: Pretrained,
}

#[derive(Deserialize, Default)]
struct Pretrained {
    architecture: Option<String>,
    tag: Option<String>,
    input_size: Option<Vec<usize>>,
    mean: Option<Vec<f32>>,
    std: Option<Vec<f32>>,
    interpolation: Option<String>,
    crop_pct: Option<f32>,
    license: Option<String>,
}

impl TimmConfig {
    /// Reads the text of a file; `origin` names it in errors. Defaults are timm's: 3x224x224, ImageNet's mean and deviation, bicubic,
    /// 0.875.
    ///
    /// # Errors
    ///
    /// It is not JSON, names no architecture (so it is not timm's), or has a value out of range.
    pub fn parse(text: &str, origin: &str) -> Result<Self, HubError> {
        let bad = |reason: String| HubError::BadConfig {
            origin: origin.to_owned(),
            reason,
        };
        let file: File = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let (inner, outer) = (file.pretrained_cfg, file.outside);
        let architecture = file
            .architecture
            .or(outer.architecture)
            .or(inner.architecture);
        let architecture = architecture.ok_or_else(|| bad("it names no `architecture`".into()))?;
        // Names as `resnet50.a1_in1k` are the architecture and the tag.
        let (architecture, tag) = match architecture.split_once('.') {
            Some((name, tag)) => (name.to_owned(), Some(tag.to_owned())),
            None => (architecture, None),
        };
        if architecture.is_empty() {
            return Err(bad("its `architecture` is empty".into()));
        }
        let size = inner
            .input_size
            .or(outer.input_size)
            .unwrap_or_else(|| vec![3, 224, 224]);
        let [channels, height, width] = size[..] else {
            return Err(bad(format!(
                "`input_size` is {size:?}; expected channels, height and width"
            )));
        };
        if !(1..=1024).contains(&channels)
            || !(1..=8192).contains(&height)
            || !(1..=8192).contains(&width)
        {
            return Err(bad(format!("`input_size` is {size:?}")));
        }
        let mean = inner.mean.or(outer.mean);
        let std = inner.std.or(outer.std);
        let mean = three(mean, [0.485, 0.456, 0.406], "mean").map_err(bad)?;
        let std = three(std, [0.229, 0.224, 0.225], "std").map_err(bad)?;
        if std.iter().any(|value| *value <= 0.0) {
            return Err(bad(format!("`std` is {std:?}; expected numbers above 0")));
        }
        let crop_ratio = inner.crop_pct.or(outer.crop_pct).unwrap_or(0.875);
        if !(crop_ratio > 0.0 && crop_ratio <= 1.0) {
            return Err(bad(format!(
                "`crop_pct` is {crop_ratio}; expected above 0, at most 1"
            )));
        }
        let interpolation = inner.interpolation.or(outer.interpolation);
        Ok(Self {
            architecture,
            tag: inner
                .tag
                .or(outer.tag)
                .or(tag)
                .filter(|tag| !tag.is_empty()),
            channels,
            input_size: [height, width],
            mean,
            std,
            interpolation: interpolation.unwrap_or_else(|| "bicubic".into()),
            crop_ratio,
            licence: inner.license.or(outer.license),
        })
    }
}

/// Three values, of which the file may have one for all.
fn three(values: Option<Vec<f32>>, default: [f32; 3], key: &str) -> Result<[f32; 3], String> {
    let values = match values.as_deref() {
        None => default,
        Some([one]) => [*one; 3],
        Some([red, green, blue]) => [*red, *green, *blue],
        // A fourth channel has timm's adapted stem; the first three are the colours.
        Some([red, green, blue, _]) => [*red, *green, *blue],
        Some(other) => {
            return Err(format!(
                "`{key}` has {} values; expected 1 or 3",
                other.len()
            ));
        }
    };
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err(format!("`{key}` is {values:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_of_timm_gives_architecture_and_preprocessing() {
        let text = r#"{"architecture": "resnet50", "num_classes": 1000, "num_features": 2048, "pretrained_cfg": {"tag": "a1_in1k",
            "custom_load": false, "input_size": [3, 224, 224], "test_input_size": [3, 288, 288], "fixed_input_size": false,
            "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center", "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225], "num_classes": 1000, "pool_size": [7, 7], "first_conv": "conv1", "classifier": "fc",
            "license": "apache-2.0"}}"#;
        let config = TimmConfig::parse(text, "it").unwrap();
        assert_eq!(config.architecture, "resnet50");
        assert_eq!(config.tag.as_deref(), Some("a1_in1k"));
        assert_eq!((config.channels, config.input_size), (3, [224, 224]));
        assert_eq!(
            (config.crop_ratio, config.interpolation.as_str()),
            (0.95, "bicubic")
        );
        assert_eq!(config.licence.as_deref(), Some("apache-2.0"));
    }

    #[test]
    fn one_mean_stands_for_all_channels_and_old_files_have_the_values_outside() {
        let text = r#"{"architecture": "resnet18.x", "pretrained_cfg": {"input_size": [1, 64, 64], "mean": [0.449], "std": [0.226]}}"#;
        let config = TimmConfig::parse(text, "it").unwrap();
        assert_eq!((config.mean, config.std), ([0.449; 3], [0.226; 3]));
        assert_eq!(
            (config.architecture.as_str(), config.tag.as_deref()),
            ("resnet18", Some("x"))
        );
        let text = r#"{"architecture": "resnet18", "input_size": [3, 96, 80], "crop_pct": 1.0, "mean": [0.5, 0.5, 0.5]}"#;
        let config = TimmConfig::parse(text, "it").unwrap();
        assert_eq!(
            (config.input_size, config.crop_ratio, config.mean),
            ([96, 80], 1.0, [0.5; 3])
        );
    }

    #[test]
    fn what_is_not_timms_or_out_of_range_is_an_error() {
        for (text, word) in [
            ("[]", "invalid type"),
            (r#"{"model_type": "bert"}"#, "no `architecture`"),
            (
                r#"{"architecture": "a", "input_size": [3, 0, 9]}"#,
                "input_size",
            ),
            (
                r#"{"architecture": "a", "input_size": [3]}"#,
                "channels, height and width",
            ),
            (r#"{"architecture": "a", "std": [0, 1, 1]}"#, "std"),
            (r#"{"architecture": "a", "mean": [1, 2]}"#, "2 values"),
            (r#"{"architecture": "a", "crop_pct": 1.5}"#, "crop_pct"),
        ] {
            let error = TimmConfig::parse(text, "it").unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
