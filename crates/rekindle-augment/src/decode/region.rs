//! A part of a picture, without decoding what is not needed of the rest.
//!
//! Owns: nothing itself. `request` has what is wanted and at which reduced size, `stored` the way between the upright and the stored
//! picture, `partial` the decoding, `means` the reduced size of what comes row by row, `reduced` a picture that is kept for it.

mod means;
mod partial;
mod reduced;
mod request;
mod stored;

pub use self::partial::decode_region;
pub use self::reduced::{ReducedPicture, UprightSize, reducible_size};
pub use self::request::{DecodedRegion, JpegScaling, RegionRequest};
