//! What can go wrong between the bytes of an image and a tensor.
//!
//! Owns: the error type of the crate. An error never carries a path, since this crate sees bytes; the caller adds it.

use crate::decode::Format;

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
        "{format} of this kind is not supported: {reason}; save the image again as an 8-bit RGB PNG or JPEG"
    )]
    UnsupportedFeature {
        /// The format.
        format: Format,
        /// What the decoder said.
        reason: String,
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
    #[error("`{key}` is {value}; expected {expected}")]
    InvalidSetting {
        /// Name of the key, as `operation.key` or `preprocessing.key`.
        key: &'static str,
        /// The value that was found.
        value: String,
        /// What the value must be.
        expected: &'static str,
    },

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

    /// A transform inside another one is wrong.
    #[error("in `{path}`: {error}")]
    InTransform {
        /// Where it is in the recipe, from the outermost transform on, such as `one_of.transforms[1].sequence.transforms[0]`.
        path: String,
        /// What is wrong with it.
        error: Box<AugmentError>,
    },

    /// A recipe names a transform that nobody has registered.
    #[error(
        "no custom transform is named `{name}`; {}; a program registers one with `TransformRegistry::register`",
        registered_names(registered)
    )]
    UnknownCustomTransform {
        /// The name that was found.
        name: String,
        /// The names there are, in alphabetical order.
        registered: Vec<String>,
    },

    /// A transform of the user's own cannot be made from its settings.
    #[error("`custom.settings` of `{name}`: {reason}")]
    CustomTransform {
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

/// How to convert the formats that cameras and web pages give, in words behind a sentence; nothing for the others.
fn converter(format: &str) -> &'static str {
    match format {
        "HEIC" => ", such as with libheif's `heif-convert IMAGE.heic IMAGE.jpg`",
        "AVIF" => ", such as with libavif's `avifdec IMAGE.avif IMAGE.png`",
        "JPEG XL" => ", such as with libjxl's `djxl IMAGE.jxl IMAGE.png`",
        _ => "",
    }
}

impl AugmentError {
    /// The error of a transform inside another one, whose place there is `outer`.
    pub(crate) fn inside(self, outer: &str) -> Self {
        match self {
            Self::InTransform { path, error } => Self::InTransform {
                path: format!("{outer}.{path}"),
                error,
            },
            other => Self::InTransform {
                path: outer.to_owned(),
                error: Box::new(other),
            },
        }
    }
}

fn registered_names(names: &[String]) -> String {
    match names {
        [] => "none is registered".to_owned(),
        names => format!("registered are `{}`", names.join("`, `")),
    }
}

/// Number of bytes of a shape; the largest number there is where it does not fit.
fn byte_count(shape: &[usize; 4]) -> usize {
    shape
        .iter()
        .fold(1, |product, side| product.saturating_mul(*side))
}
