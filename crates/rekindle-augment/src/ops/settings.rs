//! Settings of transforms.
//!
//! Owns: the checks of numbers that several transforms share, and the factor that some draw.

use rekindle_settings::SettingError;

use crate::bands::Bands;
use crate::preprocessing::Preprocessing;
use crate::rng::SampleRng;

/// The number of the first of the channels that a transform is built for: 0 but for further bands.
pub(super) fn first_channel(preprocessing: &Preprocessing) -> usize {
    preprocessing.bands.as_ref().map_or(0, Bands::first)
}

/// The next random bits, from the channels' own generator where they have one ([`SampleRng::of_channels`]); the other one goes on as well.
pub(super) fn next_bits(rng: &mut SampleRng, own: &mut Option<SampleRng>) -> u64 {
    let bits = rng.next_u64();
    own.as_mut().map_or(bits, SampleRng::next_u64)
}

/// Checks a `probability`.
pub(super) fn check_probability(probability: f32) -> Result<(), SettingError> {
    check_range(
        "probability",
        probability,
        0.0,
        1.0,
        "a probability from 0 to 1",
    )
}

/// Checks that a number lies in `low..=high`; what is not a number does not.
pub(super) fn check_range(
    key: &'static str,
    value: f32,
    low: f32,
    high: f32,
    expected: &'static str,
) -> Result<(), SettingError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(SettingError::new(key, value, expected))
}

/// Checks that a pair is a range, lowest first, inside `low..=high`.
pub(super) fn check_pair(
    key: &'static str,
    pair: [f32; 2],
    low: f32,
    high: f32,
    expected: &'static str,
) -> Result<(), SettingError> {
    if low <= pair[0] && pair[0] <= pair[1] && pair[1] <= high {
        return Ok(());
    }
    Err(SettingError::new(key, format!("{pair:?}"), expected))
}

/// A factor around 1: evenly from `1 - strength`, at least 0, to `1 + strength`, as torchvision's `ColorJitter` draws it.
pub(super) fn factor_around_one(strength: f32, rng: &mut SampleRng) -> f32 {
    rng.uniform((1.0 - strength).max(0.0), 1.0 + strength)
}
