//! Further views of each image at prediction, whose probabilities are averaged. Owns which there are and how they are written; the
//! computing is `tree.rs`'s.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use rekindle_augment::{Preprocessing, RgbBatch};
use serde::{Deserialize, Serialize};

/// Most scales beside the model's own.
const MOST_SCALES: usize = 8;
/// Sides of scaled inputs are multiples of this, so that most strides divide them.
const STEP: f64 = 16.0;

/// Views beside the evaluation view: mirrored ones, and ones of other sizes. Written as words: `flip`, `flip,1.15`, `0.85,1.15`.
///
/// A scale multiplies height and width of the input, rounded to the nearest multiple of 16; the share of the picture that is seen stays
/// the same. With `flip`, each of the sizes is computed mirrored, too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TestTime {
    /// Each view also mirrored, left to right.
    #[serde(default)]
    pub flip: bool,
    /// Sizes beside 1, from 0.25 to 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scales: Vec<f64>,
}

impl TestTime {
    /// Whether there is the evaluation view alone.
    pub fn is_empty(&self) -> bool {
        !self.flip && self.scales.is_empty()
    }

    /// How many views an image has.
    pub fn views(&self) -> usize {
        (1 + self.scales.len()) * if self.flip { 2 } else { 1 }
    }

    /// What is wrong with it, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fits = |scale: &f64| (0.25..=4.0).contains(scale);
        match self.scales.len() <= MOST_SCALES && self.scales.iter().all(fits) {
            true => Ok(()),
            false => Err(format!(
                "its views have other scales than {MOST_SCALES} or fewer from 0.25 to 4"
            )),
        }
    }

    /// The preprocessing of each size, the model's own first.
    pub(crate) fn sizes(&self, own: &Preprocessing) -> Vec<Preprocessing> {
        let scaled = |scale: &f64| {
            let side =
                |side: usize| ((side as f64 * scale / STEP).round().max(1.0) * STEP) as usize;
            Preprocessing {
                input_size: own.input_size.map(side),
                ..own.clone()
            }
        };
        let others = self.scales.iter().map(scaled);
        std::iter::once(own.clone()).chain(others).collect()
    }
}

impl FromStr for TestTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        for word in text.split(',').map(str::trim) {
            match (word, word.parse::<f64>()) {
                ("flip", _) => found.flip = true,
                (_, Ok(scale)) if (0.25..=4.0).contains(&scale) => found.scales.push(scale),
                _ => {
                    return Err(format!(
                        "expected `flip`, scales from 0.25 to 4 such as 1.15, or both with commas between them, not `{word}`"
                    ));
                }
            }
        }
        found
            .check()
            .map(|()| found)
            .map_err(|_| format!("expected at most {MOST_SCALES} scales"))
    }
}

impl Display for TestTime {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let flip = self.flip.then(|| "flip".to_owned());
        let scales = self.scales.iter().map(ToString::to_string);
        let words: Vec<String> = flip.into_iter().chain(scales).collect();
        formatter.write_str(&words.join(","))
    }
}

/// The same pictures, left to right.
pub(crate) fn mirrored(images: &RgbBatch) -> RgbBatch {
    let [batch, height, width, channels] = images.shape();
    let mut pixels = Vec::with_capacity(images.pixels().len());
    for row in images.pixels().chunks((width * channels).max(1)) {
        pixels.extend(row.chunks(channels).rev().flatten());
    }
    RgbBatch::new(pixels, batch, height, width).expect("as many bytes as before")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written() {
        let both: TestTime = "flip, 1.15".parse().unwrap();
        assert!(both.flip && both.scales == [1.15]);
        assert_eq!(both.to_string(), "flip,1.15");
        assert_eq!(both.views(), 4);
        for wrong in ["", "flop", "0", "9", "flip,,", "nan"] {
            let error = wrong.parse::<TestTime>().unwrap_err();
            assert!(error.contains("expected `flip`"), "{error}");
        }
    }

    #[test]
    fn sizes_are_multiples_of_sixteen() {
        let views: TestTime = "0.1".parse().unwrap_or(TestTime {
            flip: false,
            scales: vec![0.5, 1.15],
        });
        let sizes = views.sizes(&Preprocessing::default());
        let sizes: Vec<_> = sizes.iter().map(|size| size.input_size).collect();
        assert_eq!(sizes, [[224, 224], [112, 112], [256, 256]]);
    }

    #[test]
    fn a_mirror_turns_pixels_and_not_colours() {
        let images = RgbBatch::new((1..=12).collect(), 1, 2, 2).unwrap();
        let turned = mirrored(&images);
        assert_eq!(turned.pixels(), [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]);
        assert_eq!(mirrored(&turned), images);
    }
}
