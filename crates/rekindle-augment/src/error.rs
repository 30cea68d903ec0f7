//! What can go wrong between the bytes of an image and a tensor.
//!
//! Owns: the error type of the crate. An error never carries a path, since this crate sees bytes; the caller adds it.

use rekindle_settings::{SettingError, did_you_mean, first_ten};

use crate::format::Format;

/// An image that cannot be decoded, or a transform that cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AugmentError {
    /// There are no bytes at all.
    #[error("the file is empty (0 bytes); remove it or copy it again")]
    Empty,

    /// The content is not an image of any known format.
    #[error(
        "the content is not a known image format (it starts with {start}); expected {}",
        Format::SUPPORTED
    )]
    UnknownFormat {
        /// The first bytes, as text where they are text and in hexadecimal where they are not.
        start: String,
    },

    /// The content is a known image format that this crate does not decode.
    #[error(
        "the content is {format}, which is not supported; convert the image to {}{}",
        Format::SUPPORTED,
        converter(format)
    )]
    UnsupportedFormat {
        /// Name of the format.
        format: &'static str,
    },

    /// The format is supported, this kind of it is not.
    #[error(
        "{format} of this kind is not supported: {reason}; save the image again as an 8-bit RGB PNG or JPEG{}",
        with_one_range(*format)
    )]
    UnsupportedFeature {
        /// The format.
        format: Format,
        /// What the decoder said.
        reason: String,
    },

    /// The image has other channels than the network takes.
    #[error(
        "the {format} image has {found}, and the network takes {wanted} (`input.channels`); give images of {wanted}, which TIFF, \
         PNG (2 or 4) and .npy files hold, or train with another `input.channels`"
    )]
    OtherChannels {
        /// The format.
        format: Format,
        /// What it has, such as `3 channels`.
        found: String,
        /// How many are asked for.
        wanted: usize,
    },

    /// The image ends before its last pixel.
    #[error("the {format} image is cut short after {bytes} bytes: {reason}; copy the file again")]
    Truncated {
        /// The format.
        format: Format,
        /// Number of bytes there were.
        bytes: usize,
        /// What was missing.
        reason: String,
    },

    /// The content contradicts its format.
    #[error("the {format} image is damaged: {reason}; copy the file again or remove it")]
    Corrupt {
        /// The format.
        format: Format,
        /// What the decoder said.
        reason: String,
    },

    /// The decoder stopped with a panic, which is its own error: the file may be sound.
    #[error(
        "the decoder of {format} stopped at this image with an error of its own ({reason}); save the image again as an 8-bit RGB PNG{}",
        with_one_range(*format)
    )]
    DecoderPanicked {
        /// The format.
        format: Format,
        /// What it said.
        reason: String,
    },

    /// The header announces no pixels.
    #[error("the {format} image has no pixels: {width} by {height}")]
    NoPixels {
        /// The format.
        format: Format,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },

    /// The image has more pixels than the caller allows; nothing was allocated for them.
    #[error(
        "the {format} image is {width} by {height} pixels, more than the limit of {max_pixels} pixels; \
         make it smaller or raise the limit"
    )]
    TooManyPixels {
        /// The format.
        format: Format,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit.
        max_pixels: u64,
    },

    /// Decoding would take more memory than the caller allows; nothing was allocated.
    #[error(
        "decoding the {format} image of {width} by {height} pixels needs {needed_bytes} bytes, more than the limit of \
         {max_alloc_bytes}; make it smaller or raise the limit"
    )]
    TooMuchMemory {
        /// The format.
        format: Format,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes that the decoder would have needed.
        needed_bytes: u64,
        /// The limit.
        max_alloc_bytes: u64,
    },

    /// A setting of a transform or of the preprocessing is outside its range.
    #[error(transparent)]
    Setting(#[from] SettingError),

    /// A scale that cannot be fitted on the training images.
    #[error(
        "`input.rescale` is `{rescale}`, which cannot be fitted on the training images: {reason}"
    )]
    RescaleFit {
        /// Name of the scale in a recipe.
        rescale: &'static str,
        /// What is wrong with the images, and what to do.
        reason: &'static str,
    },

    /// A range of samples that cannot be fitted on the training images.
    #[error("`input.range` is `{range}`, which cannot be fitted on the training images: {reason}")]
    RangeFit {
        /// Name of the range in a recipe.
        range: &'static str,
        /// What is wrong with the images, and what to do.
        reason: String,
    },

    /// A recipe names a transform that nobody has registered.
    #[error(
        "`{key}`: no custom transform is named `{name}`; {}; a program registers one with `TransformRegistry::register`",
        registered_names(name, registered)
    )]
    UnknownCustomTransform {
        /// The key of the name, as far as it is known, such as `transforms[2].name`.
        key: String,
        /// The name that was found.
        name: String,
        /// The names there are, in alphabetical order.
        registered: Vec<String>,
    },

    /// A transform of the user's own cannot be made from its settings.
    #[error("`{key}` of `{name}`: {reason}")]
    CustomTransform {
        /// The key of the settings, as far as it is known, such as `transforms[2].settings`.
        key: String,
        /// Name of the transform.
        name: String,
        /// What its maker said.
        reason: String,
    },

    /// A batch of pixels whose length contradicts its shape.
    #[error(
        "a batch of shape {shape:?} needs {} bytes, found {found}",
        byte_count(shape)
    )]
    BatchLength {
        /// The shape, `[batch, height, width, 3]`.
        shape: [usize; 4],
        /// The number of bytes there were.
        found: usize,
    },
}

/// What matters where an image is saved again as 8 bits: numbers of instruments mean something.
fn with_one_range(format: Format) -> &'static str {
    match format {
        Format::Tiff | Format::Npy => ", scaled to 0..255 with one range for the whole set",
        _ => "",
    }
}

/// How to convert the formats that cameras and web pages give, in words behind a sentence; nothing for the others.
fn converter(format: &str) -> &'static str {
    match format {
        "HEIC" => ", such as with libheif's `heif-convert IMAGE.heic IMAGE.jpg`",
        // libavif's own `avifdec` 0.11 loses the way up of portraits.
        "AVIF" => {
            ", such as with libheif's `heif-convert IMAGE.avif IMAGE.png`, or Pillow with `ImageOps.exif_transpose`"
        }
        "JPEG XL" => ", such as with libjxl's `djxl IMAGE.jxl IMAGE.png`",
        "JPEG 2000" => {
            ", such as with OpenJPEG's `opj_decompress -i IMAGE.jp2 -o IMAGE.png`, numbers of more than 8 bits with one range for the whole \
             set"
        }
        "DICOM" => {
            " scaled with one window for the whole set and MONOCHROME1 turned over, such as with dcmtk's `dcm2pnm +Wm` or pydicom's \
             `apply_voi_lut`"
        }
        "FITS" => " with one range for the whole set, such as with astropy and Pillow",
        "NIfTI" => {
            ", a slice an image and one range for the whole set, such as with nibabel and Pillow"
        }
        "HDF5" => ", an array an image, such as with h5py and Pillow",
        "Parquet" | "Arrow" => {
            "; as a table it may hold images, which are to be written out as files"
        }
        _ => "",
    }
}

impl AugmentError {
    /// The same error, with what stands before the key of the setting that it names, as [`SettingError::within`] has it; errors that name no
    /// setting stay as they are.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        let longer = |key: String| {
            SettingError::new(key, "", "")
                .within(place)
                .key()
                .to_owned()
        };
        match self {
            Self::Setting(error) => Self::Setting(error.within(place)),
            Self::UnknownCustomTransform {
                key,
                name,
                registered,
            } => Self::UnknownCustomTransform {
                key: longer(key),
                name,
                registered,
            },
            Self::CustomTransform { key, name, reason } => Self::CustomTransform {
                key: longer(key),
                name,
                reason,
            },
            other => other,
        }
    }
}

/// The names there are, and the nearest to the one that was found.
fn registered_names(found: &str, names: &[String]) -> String {
    if names.is_empty() {
        return "none is registered".to_owned();
    }
    let quoted = names.iter().map(|name| format!("`{name}`"));
    format!(
        "registered are {}{}",
        first_ten(quoted),
        did_you_mean(found, names)
    )
}

/// Number of bytes of a shape; the largest number there is where it does not fit.
fn byte_count(shape: &[usize; 4]) -> usize {
    shape
        .iter()
        .fold(1, |product, side| product.saturating_mul(*side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_keep_what_an_image_means() {
        // `avifdec` of libavif 0.11 loses the way up.
        let told = |format| AugmentError::UnsupportedFormat { format }.to_string();
        for (format, words) in [
            ("AVIF", "heif-convert IMAGE.avif IMAGE.png"),
            ("AVIF", "ImageOps.exif_transpose"),
            ("JPEG 2000", "opj_decompress -i IMAGE.jp2"),
            (
                "DICOM",
                "one window for the whole set and MONOCHROME1 turned over",
            ),
        ] {
            assert!(told(format).contains(words), "{}", told(format));
        }
        assert!(!told("AVIF").contains("avifdec"));
        let refused = |format| {
            let reason = "signed numbers".to_owned();
            AugmentError::UnsupportedFeature { format, reason }.to_string()
        };
        let words = "scaled to 0..255 with one range for the whole set";
        assert!(refused(Format::Tiff).contains(words));
        assert!(!refused(Format::Jpeg).contains(words));
    }

    #[test]
    fn the_keys_of_settings_grow_from_their_ends_and_damage_has_none() {
        let setting: AugmentError = SettingError::new("bits", 9, "1 to 8").into();
        let unknown = AugmentError::UnknownCustomTransform {
            key: "name".to_owned(),
            name: "grain".to_owned(),
            registered: Vec::new(),
        };
        let custom = AugmentError::CustomTransform {
            key: "settings".to_owned(),
            name: "grain".to_owned(),
            reason: "too coarse".to_owned(),
        };
        for (error, expected) in [
            (setting, "`augment.transforms[2].bits` is 9"),
            (unknown, "`augment.transforms[2].name`: no custom"),
            (custom, "`augment.transforms[2].settings` of `grain`: too"),
        ] {
            let whole = error.within("[2]").within("augment.transforms");
            let message = whole.to_string();
            assert!(message.starts_with(expected), "{message}");
        }
        assert_eq!(AugmentError::Empty.within("input"), AugmentError::Empty);
    }
}
