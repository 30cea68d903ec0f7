//! Which numbers of wide samples are black and white, as a recipe asks for it: written out, or fitted on the training images.
//!
//! Owns: the names and settings, and what is made of the training images' numbers. Reading those is the caller's; what a range does to
//! samples is `decode`'s.

mod counts;

use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

pub use self::counts::NumberCounts;
use crate::decode::SampleRange;
use crate::error::AugmentError;

/// How a recipe says which numbers of samples of more than 8 bits are black and white.
///
/// ```
/// use rekindle_augment::{NumberCounts, RangeSpec, SampleRange};
///
/// let spec: RangeSpec = serde_json::from_str(r#"{ "percentiles": [0, 50] }"#)?;
/// let numbers = NumberCounts::default();
/// numbers.add(&[3.0, 1.0, 2.0, 100.0]);
/// let fitted = spec.fit(&numbers, 1)?;
/// assert_eq!(fitted, SampleRange::Span { low: 1.0, high: 2.5 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeSpec {
    /// [`SampleRange::Full`]. The default.
    #[default]
    Full,
    /// [`SampleRange::Bits`].
    Bits(u8),
    /// From `low`, which is black, to the larger number `high`, which is white. What lies outside is one of both.
    Span {
        /// The number of black.
        low: f64,
        /// The number of white.
        high: f64,
    },
    /// From 0, which is black, to the largest number of the training images, which is white.
    Max,
    /// From one percentile of the training images' numbers, which is black, to another, which is white. What lies outside is one of both.
    /// Each number counts the same, so large images weigh more. Between two numbers a percentile is what NumPy's `linear` method makes of
    /// them.
    Percentiles([f64; 2]),
}

impl From<SampleRange> for RangeSpec {
    fn from(range: SampleRange) -> Self {
        match range {
            SampleRange::Full => Self::Full,
            SampleRange::Bits(bits) => Self::Bits(bits),
            SampleRange::Span { low, high } => Self::Span { low, high },
        }
    }
}

impl RangeSpec {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] with the key, such as `percentiles`.
    pub fn check(&self) -> Result<(), SettingError> {
        match self {
            Self::Percentiles([low, high]) if !(0.0 <= *low && low < high && *high <= 100.0) => {
                Err(SettingError::new(
                    "percentiles",
                    format!("[{low}, {high}]"),
                    "two numbers from 0 to 100, the lower one first, such as [0.5, 99.5]",
                ))
            }
            _ => self.fixed().map_or(Ok(()), |range| range.check()),
        }
    }

    /// The range, where it does not depend on the training images.
    pub fn fixed(&self) -> Option<SampleRange> {
        match *self {
            Self::Full => Some(SampleRange::Full),
            Self::Bits(bits) => Some(SampleRange::Bits(bits)),
            Self::Span { low, high } => Some(SampleRange::Span { low, high }),
            Self::Max | Self::Percentiles(_) => None,
        }
    }

    /// The range to look at images with before it is fitted: the fixed one, or one in which every number has a place, so that none is
    /// refused for what the fit will settle.
    pub fn until_fitted(&self) -> SampleRange {
        self.fixed().unwrap_or(SampleRange::Span {
            low: -1e38,
            high: 1e38,
        })
    }

    /// The range for training images with these numbers, of so many images. Where [`NumberCounts::needs_second_pass`] says so, each of
    /// the numbers has to have been counted twice.
    ///
    /// # Errors
    ///
    /// [`AugmentError::Setting`] as [`Self::check`]; [`AugmentError::RangeFit`] where no image has samples of more than 8 bits, `max` finds
    /// negative numbers or nothing above 0, or both percentiles are the same number or no finite one.
    pub fn fit(&self, training: &NumberCounts, images: usize) -> Result<SampleRange, AugmentError> {
        self.check()?;
        if let Some(fixed) = self.fixed() {
            return Ok(fixed);
        }
        let failed = |reason: String| AugmentError::RangeFit {
            range: self.name(),
            reason,
        };
        let Some([least, most]) = training.extremes() else {
            return Err(failed(format!(
                "none of {images} has samples of more than 8 bits, and those of 8 always span all that they can; leave it out"
            )));
        };
        let (low, high) = match *self {
            Self::Percentiles(places) => {
                let [low, high] = places.map(|place| training.percentile(place));
                (low.unwrap_or(least), high.unwrap_or(most))
            }
            _ if least < 0.0 => {
                return Err(failed(format!(
                    "they have negative numbers, down to {least}, which would all be black; take `{{ percentiles = [0, 100] }}`, or \
                     `{{ span = {{ low = {least}, high = {most} }} }}`"
                )));
            }
            _ => (0.0, most),
        };
        if !(low.is_finite() && high.is_finite()) {
            return Err(failed(format!(
                "it would be from {low} to {high}; take percentiles that leave out infinite numbers, or a `span`"
            )));
        }
        if low >= high {
            return Err(failed(format!(
                "black and white would both be {low}; take percentiles further apart, or a `span`"
            )));
        }
        Ok(SampleRange::Span { low, high })
    }

    /// The name in a recipe.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Bits(_) => "bits",
            Self::Span { .. } => "span",
            Self::Max => "max",
            Self::Percentiles(_) => "percentiles",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f64]) -> NumberCounts {
        let counts = NumberCounts::default();
        counts.add(numbers);
        counts
    }

    #[test]
    fn every_range_survives_being_written_and_read() {
        for (spec, text) in [
            (RangeSpec::Full, r#""full""#),
            (RangeSpec::Bits(12), r#"{"bits":12}"#),
            (
                RangeSpec::Span {
                    low: -1.0,
                    high: 2.5,
                },
                r#"{"span":{"low":-1.0,"high":2.5}}"#,
            ),
            (RangeSpec::Max, r#""max""#),
            (
                RangeSpec::Percentiles([0.5, 99.5]),
                r#"{"percentiles":[0.5,99.5]}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&spec).unwrap(), text);
            assert_eq!(serde_json::from_str::<RangeSpec>(text).unwrap(), spec);
            spec.check().unwrap();
        }
    }

    #[test]
    fn the_largest_number_is_white_and_zero_is_black() {
        let span = |low, high| SampleRange::Span { low, high };
        let fitted = RangeSpec::Max.fit(&of(&[7.0, 4011.0, 12.0]), 3);
        assert_eq!(fitted, Ok(span(0.0, 4011.0)));
        let halves = RangeSpec::Max.fit(&of(&[0.25, 0.5]), 1);
        assert_eq!(halves, Ok(span(0.0, 0.5)));
    }

    #[test]
    fn numbers_that_make_no_range_are_refused_with_a_way_on() {
        let fails =
            |spec: RangeSpec, numbers: &[f64]| spec.fit(&of(numbers), 4).unwrap_err().to_string();
        let percentiles = RangeSpec::Percentiles([1.0, 99.0]);
        for (error, words) in [
            (fails(RangeSpec::Max, &[]), "none of 4 has samples of more"),
            (fails(percentiles, &[]), "leave it out"),
            (fails(RangeSpec::Max, &[-1024.0, 9.0]), "down to -1024"),
            (fails(RangeSpec::Max, &[0.0, 0.0]), "both be 0"),
            (fails(percentiles, &[5.0, 5.0, 5.0]), "both be 5"),
            (fails(RangeSpec::Max, &[1.0, f64::INFINITY]), "to inf"),
        ] {
            assert!(
                error.contains(words) && error.contains("input.range"),
                "{error}"
            );
        }
    }

    #[test]
    fn percentiles_out_of_range_name_their_key() {
        for percentiles in [
            [-1.0, 99.0],
            [99.0, 1.0],
            [5.0, 5.0],
            [0.0, 100.1],
            [f64::NAN, 9.0],
        ] {
            let error = RangeSpec::Percentiles(percentiles).check().unwrap_err();
            assert_eq!(error.key(), "percentiles");
        }
        assert_eq!(RangeSpec::Bits(40).check().unwrap_err().key(), "bits");
    }
}
