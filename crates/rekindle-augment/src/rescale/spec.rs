//! The scale that a recipe asks for: written out, or fitted on the training images.
//!
//! Owns: the names and settings, and what is made of the training pixels. Reading those is the caller's.

use rekindle_settings::SettingError;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::moments::ChannelMoments;
use super::scale::{Rescale, check_mean, check_std};
use super::whitening::{pca_whitening, zca_whitening};
use crate::error::AugmentError;

/// How a recipe says which scale the input has.
///
/// Names that need no settings stand alone, and so do those whose settings all have defaults: `"zca"` is
/// `{ zca = { epsilon = 1e-5 } }`.
///
/// ```
/// use rekindle_augment::{ChannelMoments, Rescale, RescaleSpec};
///
/// let spec: RescaleSpec = serde_json::from_str(r#""dataset""#)?;
/// let mut moments = ChannelMoments::new();
/// moments.add(&[[0, 51, 0], [255, 51, 255], [0, 102, 0], [255, 102, 255]]);
/// let Rescale::Standardise { mean, std } = spec.fit(&moments)? else { unreachable!() };
/// assert_eq!((mean, std), ([0.5, 0.3, 0.5], [0.5, 0.1, 0.5]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(
    rename_all = "snake_case",
    bound = "[f32; CHANNELS]: Serialize, [[f32; CHANNELS]; CHANNELS]: Serialize"
)]
pub enum RescaleSpec<const CHANNELS: usize = 3> {
    /// [`Rescale::Unit`]: from 0 to 1.
    Unit,
    /// [`Rescale::Symmetric`]: from -1 to 1.
    Symmetric,
    /// [`Rescale::Standardise`] with these numbers.
    Standardise {
        /// Mean of each channel, on the scale from 0 to 1.
        mean: [f32; CHANNELS],
        /// Standard deviation of each channel, on the same scale.
        std: [f32; CHANNELS],
    },
    /// [`Rescale::Standardise`] with mean and standard deviation of the training images, over all their pixels.
    Dataset,
    /// [`Rescale::Centre`] with the mean of each channel of the training images. The mean image of the data set, which some
    /// networks of 2012 subtracted, is not used: it says where the objects of that data set are.
    Centre,
    /// [`Rescale::PerImage`].
    PerImage {
        /// Each channel by its own mean and standard deviation. Default false, all values of the image by one of each.
        per_channel: bool,
    },
    /// [`Rescale::Whiten`] by PCA: see [`pca_whitening`]. Its channels are no longer red, green and blue, which pretrained
    /// weights expect; `zca` is the one for those.
    Pca {
        /// Added to the variances, of values from 0 to 1. Default 1e-5.
        epsilon: f64,
    },
    /// [`Rescale::Whiten`] by ZCA: see [`zca_whitening`].
    Zca {
        /// Added to the variances, of values from 0 to 1. Default 1e-5.
        epsilon: f64,
    },
    /// [`Rescale::None`]: the bytes as they are.
    None,
}

/// A standard deviation of 0.8 grey levels: small beside that of any photograph, and enough for images without colour.
const EPSILON: f64 = 1e-5;

impl<const CHANNELS: usize> RescaleSpec<CHANNELS> {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] with the key, such as `zca.epsilon`.
    pub fn check(&self) -> Result<(), SettingError> {
        match self {
            Self::Standardise { mean, std } => {
                check_mean("standardise.mean", mean)?;
                check_std("standardise.std", std)
            }
            Self::Pca { epsilon } => check_epsilon("pca.epsilon", *epsilon),
            Self::Zca { epsilon } => check_epsilon("zca.epsilon", *epsilon),
            _ => Ok(()),
        }
    }

    /// The scale, where it does not depend on the training images.
    pub fn fixed(&self) -> Option<Rescale<CHANNELS>> {
        Some(match *self {
            Self::Unit => Rescale::Unit,
            Self::Symmetric => Rescale::Symmetric,
            Self::Standardise { mean, std } => Rescale::Standardise { mean, std },
            Self::PerImage { per_channel } => Rescale::PerImage { per_channel },
            Self::None => Rescale::None,
            Self::Dataset | Self::Centre | Self::Pca { .. } | Self::Zca { .. } => return None,
        })
    }

    /// The scale for training images with these pixels.
    ///
    /// # Errors
    ///
    /// [`AugmentError::Setting`] as [`Self::check`]; [`AugmentError::RescaleFit`] where there are too few pixels, or a
    /// channel that has the same value everywhere would be divided by its standard deviation.
    pub fn fit(
        &self,
        training: &ChannelMoments<CHANNELS>,
    ) -> Result<Rescale<CHANNELS>, AugmentError> {
        self.check()?;
        if let Some(fixed) = self.fixed() {
            return Ok(fixed);
        }
        let failed = |reason| AugmentError::RescaleFit {
            rescale: self.name(),
            reason,
        };
        let (Some(mean), Some(std), Some(covariance)) =
            (training.mean(), training.std(), training.covariance())
        else {
            return Err(failed(
                "they have fewer than two pixels; take another scale, such as `per_image`",
            ));
        };
        let mean = mean.map(|value| value as f32);
        let whiten = |matrix: [[f64; CHANNELS]; CHANNELS]| Rescale::Whiten {
            mean,
            matrix: matrix.map(|row| row.map(|entry| entry as f32)),
        };
        Ok(match self {
            Self::Pca { epsilon } => whiten(pca_whitening(&covariance, *epsilon)),
            Self::Zca { epsilon } => whiten(zca_whitening(&covariance, *epsilon)),
            Self::Dataset if std.contains(&0.0) => {
                return Err(failed(
                    "a colour channel has the same value in every pixel, and its standard deviation of 0 cannot be \
                     divided by; take `centre`",
                ));
            }
            Self::Dataset => Rescale::Standardise {
                mean,
                std: std.map(|value| value as f32),
            },
            _ => Rescale::Centre { mean },
        })
    }

    /// The name in a recipe.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Symmetric => "symmetric",
            Self::Standardise { .. } => "standardise",
            Self::Dataset => "dataset",
            Self::Centre => "centre",
            Self::PerImage { .. } => "per_image",
            Self::Pca { .. } => "pca",
            Self::Zca { .. } => "zca",
            Self::None => "none",
        }
    }
}

fn check_epsilon(key: &'static str, epsilon: f64) -> Result<(), SettingError> {
    // Below this, an image without colour is noise times a million.
    if (1e-12..=1.0).contains(&epsilon) {
        return Ok(());
    }
    Err(SettingError::new(
        key,
        epsilon,
        "a variance from 1e-12 to 1, of values from 0 to 1",
    ))
}

/// The form that serde writes and, but for defaults, reads.
#[derive(Deserialize)]
#[serde(
    rename_all = "snake_case",
    deny_unknown_fields,
    bound = "[f32; CHANNELS]: Deserialize<'de>"
)]
enum Written<const CHANNELS: usize> {
    Unit,
    Symmetric,
    #[serde(alias = "standardize")]
    Standardise {
        mean: [f32; CHANNELS],
        std: [f32; CHANNELS],
    },
    Dataset,
    #[serde(alias = "center")]
    Centre,
    PerImage {
        #[serde(default)]
        per_channel: bool,
    },
    Pca {
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
    Zca {
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
    None,
}

fn epsilon() -> f64 {
    EPSILON
}

impl<const CHANNELS: usize> From<Written<CHANNELS>> for RescaleSpec<CHANNELS> {
    fn from(written: Written<CHANNELS>) -> Self {
        match written {
            Written::Unit => Self::Unit,
            Written::Symmetric => Self::Symmetric,
            Written::Standardise { mean, std } => Self::Standardise { mean, std },
            Written::Dataset => Self::Dataset,
            Written::Centre => Self::Centre,
            Written::PerImage { per_channel } => Self::PerImage { per_channel },
            Written::Pca { epsilon } => Self::Pca { epsilon },
            Written::Zca { epsilon } => Self::Zca { epsilon },
            Written::None => Self::None,
        }
    }
}

impl<'de, const CHANNELS: usize> Deserialize<'de> for RescaleSpec<CHANNELS>
where
    [f32; CHANNELS]: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable<const CHANNELS: usize>;

        impl<'de, const CHANNELS: usize> Visitor<'de> for NameOrTable<CHANNELS>
        where
            [f32; CHANNELS]: Deserialize<'de>,
        {
            type Value = RescaleSpec<CHANNELS>;

            fn expecting(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                text.write_str(
                    "the name of a scale, or a table such as { zca = { epsilon = 1e-5 } }",
                )
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(match name {
                    "per_image" => RescaleSpec::PerImage { per_channel: false },
                    "pca" => RescaleSpec::Pca { epsilon: EPSILON },
                    "zca" => RescaleSpec::Zca { epsilon: EPSILON },
                    name => Written::<CHANNELS>::deserialize(name.into_deserializer())?.into(),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Self::Value, A::Error> {
                Written::<CHANNELS>::deserialize(MapAccessDeserializer::new(table)).map(Into::into)
            }
        }

        deserializer.deserialize_any(NameOrTable::<CHANNELS>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<RescaleSpec, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn names_stand_for_their_defaults() {
        for (short, long) in [
            (r#""zca""#, r#"{"zca":{"epsilon":1e-5}}"#),
            (r#"{"pca":{}}"#, r#"{"pca":{"epsilon":1e-5}}"#),
            (r#""per_image""#, r#"{"per_image":{"per_channel":false}}"#),
        ] {
            assert_eq!(parsed(short).unwrap(), parsed(long).unwrap());
        }
    }

    #[test]
    fn every_scale_survives_being_written_and_read() {
        for spec in [
            RescaleSpec::<3>::Unit,
            RescaleSpec::Symmetric,
            RescaleSpec::Standardise {
                mean: [0.1; 3],
                std: [0.3; 3],
            },
            RescaleSpec::Dataset,
            RescaleSpec::Centre,
            RescaleSpec::PerImage { per_channel: true },
            RescaleSpec::Pca { epsilon: 0.1 },
            RescaleSpec::Zca { epsilon: 1e-3 },
            RescaleSpec::None,
        ] {
            let text = serde_json::to_string(&spec).unwrap();
            assert!(text.contains(spec.name()), "{text}");
            assert_eq!(parsed(&text).unwrap(), spec);
        }
    }

    #[test]
    fn american_spelling_is_read_and_ours_is_written() {
        let text = r#"{"standardize":{"mean":[0.5,0.5,0.5],"std":[0.25,0.25,0.25]}}"#;
        let spec = parsed(text).unwrap();
        assert_eq!(
            serde_json::to_string(&spec).unwrap(),
            text.replace("standardize", "standardise")
        );
        assert_eq!(parsed(r#""center""#).unwrap(), RescaleSpec::Centre);
        let fixed: Rescale = serde_json::from_str(text).unwrap();
        assert_eq!(Some(fixed), spec.fixed());
    }

    #[test]
    fn unknown_names_and_keys_are_refused_with_those_there_are() {
        let error = parsed(r#""zcaa""#).unwrap_err().to_string();
        assert!(
            error.contains("unknown variant `zcaa`") && error.contains("`zca`"),
            "{error}"
        );
        let error = parsed(r#"{"zca":{"eps":1}}"#).unwrap_err().to_string();
        assert!(
            error.contains("unknown field `eps`") && error.contains("`epsilon`"),
            "{error}"
        );
        assert!(
            parsed("3")
                .unwrap_err()
                .to_string()
                .contains("the name of a scale")
        );
        assert!(parsed(r#"{"pca":{},"zca":{}}"#).is_err());
    }

    #[test]
    fn an_epsilon_out_of_range_names_its_key() {
        for epsilon in [0.0, -1.0, 2.0, f64::NAN] {
            let error = RescaleSpec::<3>::Zca { epsilon }
                .check()
                .unwrap_err()
                .to_string();
            assert!(error.contains("`zca.epsilon`"), "{error}");
        }
    }

    #[test]
    fn a_channel_without_variation_cannot_be_standardised_but_can_be_centred_and_whitened() {
        let mut moments = ChannelMoments::new();
        moments.add(&[[0, 9, 9], [255, 80, 9]]);
        let error = RescaleSpec::Dataset.fit(&moments).unwrap_err().to_string();
        assert!(
            error.contains("`dataset`") && error.contains("`centre`"),
            "{error}"
        );
        for spec in [
            RescaleSpec::Centre,
            RescaleSpec::Zca { epsilon: 1e-5 },
            RescaleSpec::Pca { epsilon: 1e-5 },
        ] {
            spec.fit(&moments).unwrap().check().unwrap();
        }
        assert!(
            RescaleSpec::Centre
                .fit(&ChannelMoments::<3>::new())
                .is_err()
        );
    }
}
