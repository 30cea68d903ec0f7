//! What of a file becomes its picture, where it holds more than one answer.
//!
//! Owns: the settings. What each format does by them is its decoder's.

use serde::{Deserialize, Serialize};

/// Which planes of a TIFF that has several become its picture.
///
/// Programs for microscopes write each channel of a picture as a page of its own, and so each slice of a body and each moment. Which of
/// these a page is, only their descriptions say (ImageJ's, OME's).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TiffPlanes {
    /// The first page that is no thumbnail, and no other. The default.
    #[default]
    First,
    /// All that the file calls channels, of one slice and one moment: two or three are red, green and (or none) blue, and where other
    /// [`channels`](super::DecodeLimits::channels) are asked for, each is one of these. A file of one page is what it is without the setting.
    /// One of more, whose description does not say that they are channels and nothing else, is refused.
    Channels,
    /// Every plane is a channel, in the order of the file, whatever it is called there.
    All,
}

/// What becomes of an alpha channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlphaUse {
    /// The picture is put over white by it. The default.
    #[default]
    White,
    /// None: the colours are taken as they are stored.
    Ignore,
    /// It is the picture itself, as grey, of a file that has one. It is no setting, but what a check looks at.
    #[serde(skip)]
    Alone,
}

/// What of a file becomes its picture. Every setting has a default that takes files as most programs do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// Which planes of a TIFF.
    #[serde(skip_serializing_if = "is_usual")]
    pub tiff_planes: TiffPlanes,
    /// What becomes of an alpha channel.
    #[serde(skip_serializing_if = "is_usual")]
    pub alpha: AlphaUse,
}

impl Reading {
    /// Whether every setting is the default.
    pub fn is_usual(&self) -> bool {
        is_usual(self)
    }
}

fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_unusual_is_written_and_the_rest_is_read_as_usual() {
        assert_eq!(serde_json::to_string(&Reading::default()).unwrap(), "{}");
        let text = r#"{"tiff_planes":"channels","alpha":"ignore"}"#;
        let reading: Reading = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&reading).unwrap(), text);
        assert!(!reading.is_usual());
        assert!(serde_json::from_str::<Reading>(r#"{"alpha":"alone"}"#).is_err());
    }
}
