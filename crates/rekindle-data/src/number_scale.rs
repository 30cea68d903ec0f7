//! The scale of numbers that are learned. Fitting it on images is `outputs.rs`'s.

use serde::{Deserialize, Serialize};

/// Mean and standard deviation of each number over the training images. Numbers are learned standardised, `(number - mean) / std`, so
/// that one learning rate suits heights in millimetres and years alike; predictions and figures are in the numbers' own units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberScale {
    /// The means.
    pub mean: Vec<f64>,
    /// The standard deviations over all images (divided by their number), above 0.
    pub std: Vec<f64>,
}

impl NumberScale {
    /// A number of its own unit, standardised.
    pub fn standardise(&self, place: usize, number: f64) -> f64 {
        (number - self.mean[place]) / self.std[place]
    }

    /// A standardised number in its own unit.
    pub fn restore(&self, place: usize, output: f64) -> f64 {
        output * self.std[place] + self.mean[place]
    }
}
