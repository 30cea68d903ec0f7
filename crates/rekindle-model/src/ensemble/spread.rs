//! How far the errors of models go together, and so how much of them a mean can take away. Owns the figures and the formula.
//!
//! The error of a model on an image is what it says less what is right: of probabilities for each class or label, of numbers on their
//! standardised scale. Of `n` models whose errors have the variance `sigma^2` each and correlate by `rho`, the mean has
//! `rho sigma^2 + (1 - rho) sigma^2 / n` (T. Hastie and others, "The Elements of Statistical Learning", 2009, equation 15.1), where models
//! that err independently would have `sigma^2 / n`. With the mean variance and the mean covariance of the pairs it holds exactly.

/// Variances of errors of several models and of their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// How many models.
    pub models: usize,
    /// The mean of their variances, `sigma^2`.
    pub variance: f64,
    /// The mean covariance of two of them by that, `rho`; 1 for models that err alike, and for one model.
    pub correlation: f64,
    /// The variance of the error of their mean, as measured.
    pub of_mean: f64,
}

impl Spread {
    /// Measures it; none without models or errors.
    ///
    /// # Shapes
    ///
    /// `says`: of each model, what it says of every output of every image; `right`: what is right.
    pub fn of(says: &[Vec<f32>], right: &[f32]) -> Option<Self> {
        if says.is_empty() || right.is_empty() {
            return None;
        }
        let centred = |says: &Vec<f32>| -> Vec<f64> {
            let errors: Vec<f64> = says
                .iter()
                .zip(right)
                .map(|(a, b)| f64::from(*a) - f64::from(*b))
                .collect();
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            errors.into_iter().map(|error| error - mean).collect()
        };
        let errors: Vec<Vec<f64>> = says.iter().map(centred).collect();
        let covariance = |a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
        };
        let models = errors.len();
        let variances = errors.iter().map(|errors| covariance(errors, errors));
        let variance = variances.sum::<f64>() / models as f64;
        let mut together = 0.0;
        for (place, a) in errors.iter().enumerate() {
            together += errors[..place]
                .iter()
                .map(|b| covariance(a, b))
                .sum::<f64>();
        }
        let pairs = (models * (models - 1) / 2) as f64;
        let mean: Vec<f64> = (0..right.len())
            .map(|at| errors.iter().map(|errors| errors[at]).sum::<f64>() / models as f64)
            .collect();
        Some(Self {
            models,
            variance,
            correlation: match pairs > 0.0 && variance > 0.0 {
                true => together / pairs / variance,
                false => 1.0,
            },
            of_mean: covariance(&mean, &mean),
        })
    }

    /// `rho sigma^2 + (1 - rho) sigma^2 / n`.
    pub fn by_formula(&self) -> f64 {
        let (variance, shared) = (self.variance, self.correlation * self.variance);
        shared + (variance - shared) / self.models as f64
    }

    /// `sigma^2 / n`, what errors that have nothing to do with each other would leave.
    pub fn if_independent(&self) -> f64 {
        self.variance / self.models as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_gives_the_measured_variance() {
        let says = vec![
            vec![0.9, 0.2, 0.4, 0.7],
            vec![0.7, 0.1, 0.6, 0.2],
            vec![0.8, 0.5, 0.1, 0.9],
        ];
        let spread = Spread::of(&says, &[1.0, 0.0, 0.0, 1.0]).unwrap();
        assert!(
            (spread.by_formula() - spread.of_mean).abs() < 1e-12,
            "{spread:?}"
        );
        assert!(spread.correlation < 1.0 && spread.of_mean > spread.if_independent() - 1e-12);
    }

    #[test]
    fn twins_gain_nothing_and_opposites_all() {
        let one = vec![0.5, -0.5, 0.5, -0.5];
        let other: Vec<f32> = one.iter().map(|value| -value).collect();
        let twins = Spread::of(&[one.clone(), one.clone()], &[0.0; 4]).unwrap();
        assert!((twins.correlation - 1.0).abs() < 1e-12);
        assert!((twins.by_formula() - 0.25).abs() < 1e-12);
        let opposites = Spread::of(&[one.clone(), other], &[0.0; 4]).unwrap();
        assert!((opposites.correlation + 1.0).abs() < 1e-12);
        assert!(opposites.by_formula().abs() < 1e-12 && opposites.of_mean.abs() < 1e-12);
        assert_eq!(Spread::of(&[one], &[0.0; 4]).unwrap().correlation, 1.0);
        assert_eq!(Spread::of(&[], &[]), None);
    }
}
