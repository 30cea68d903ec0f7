//! The image formats that are read.
//!
//! Owns: their names. How a format is recognised is `decode/signature.rs`'s.

/// A supported image format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG; of an animation, the default image.
    Png,
    /// WebP, lossy or lossless; of an animation, the first frame.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// GIF; of an animation, the first frame.
    Gif,
    /// TIFF; of several pages, the first that is no thumbnail.
    Tiff,
    /// PBM, PGM or PPM, as text or as bytes.
    Pnm,
    /// An array that NumPy saved, of a grey picture or of one with three colours.
    Npy,
}

impl Format {
    /// The supported formats, for messages.
    pub(crate) const SUPPORTED: &str = "JPEG, PNG, WebP, BMP, GIF, TIFF, PPM or NumPy's .npy";
}

impl std::fmt::Display for Format {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Gif => "GIF",
            Self::Tiff => "TIFF",
            Self::Pnm => "PNM",
            Self::Npy => "NumPy (.npy)",
        })
    }
}
