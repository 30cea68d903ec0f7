//! Bytes to an upright 8-bit RGB picture.
//!
//! Owns: recognition of the format by content, limits, orientation, and the conversion of every kind of pixel to RGB. It
//! does not read files and does not resize.

mod bands;
mod container;
mod ending;
mod guard;
mod in_turn;
mod jpeg;
mod limits;
mod npy;
mod orientation;
mod pixels;
mod planes;
mod raster;
mod reading;
mod region;
mod rows;
mod signature;
mod significant;
#[cfg(test)]
mod testing;
mod tiff;
mod upright;
mod webp;
mod whole;
mod wide;

pub use self::in_turn::LargeInTurn;
pub(crate) use self::jpeg::round_trip;
pub use self::limits::{DecodeLimits, SampleRange};
pub use self::reading::{AlphaUse, Reading, TiffPlanes};
pub use self::region::{
    DecodedRegion, JpegScaling, ReducedPicture, RegionRequest, UprightSize, decode_region,
    reducible_size,
};
pub(crate) use self::rows::RowFile;
pub use self::tiff::Stack;
pub use self::upright::SourceMode;
pub use self::whole::{Decoded, ImageHeader, decode, read_header, verify_pixels};
pub use self::wide::wide_numbers;
