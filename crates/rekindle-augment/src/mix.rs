//! Mixup and CutMix: new images between those of a batch, with targets between theirs.
//!
//! Owns: the settings, the draw for a batch, and ([`Mix`]) what it gives. It does not own which batches are mixed. The arithmetic on
//! tensors is in `batch`, with the feature `burn`.

#[cfg(feature = "burn")]
mod batch;
mod drawn;

use rekindle_settings::{SettingError, non_negative, ratio};
use serde::{Deserialize, Serialize};

pub use self::drawn::Mix;
use crate::rng::SampleRng;

/// What is mixed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MixAt {
    /// The images, after rescaling, in phases that train more than the head.
    #[default]
    Images,
    /// What a phase starts from, cached features or else images: manifold mixup.
    Features,
}

/// How batches are mixed; the `augment.mix` of a recipe.
///
/// In a batch each sample is mixed with the one before it, the first with the last, so a batch of any size can be mixed; one of
/// a single sample stays as it is. All samples of a batch share one draw:
///
/// - mixup: `share x + (1 - share) x'` with `share` from Beta(alpha, alpha);
/// - CutMix: a box of `x` is replaced by the same box of `x'`. Its sides are `sqrt(1 - share)` of the image's, its centre lies
///   anywhere, what reaches beyond the border is cut off, and `share` becomes the share of pixels that are left of `x`.
///
/// Targets are `share y + (1 - share) y'` in both. Label smoothing of the loss is applied to the mixed targets, which gives the
/// same as mixing smoothed ones.
///
/// Two images and mixes of them by mixup, then by CutMix, with an alpha of 1:
///
/// ![mixup](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/mix/mixup.png)
/// ![CutMix](https://raw.githubusercontent.com/rekindle-rs/rekindle/main/crates/rekindle-augment/docs/mix/cutmix.png)
///
/// Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2017); Yun et al., "CutMix" (2019); Verma et al.,
/// "Manifold Mixup" (2018). Probabilities are those of timm's `Mixup` with `mode="batch"`; numbers were checked against timm
/// and torchvision. The pairs are torchvision's; timm pairs the first with the last and so on, and needs an even number. The
/// box is timm's, `floor(sqrt(1 - share) side)` pixels long; torchvision's is one pixel shorter where that is odd.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixSpec {
    /// Parameter of mixup's Beta distribution: near 0 one of two images is hardly seen, 1 is even, more is near one half.
    /// Default 0.2; 0 leaves mixup out.
    pub mixup_alpha: f64,
    /// Parameter of CutMix's. Default 1, as its paper; 0 leaves CutMix out.
    pub cutmix_alpha: f64,
    /// Share of the batches that are mixed. Default 1.
    pub probability: f64,
    /// Where both are on, the share of the mixed batches that get CutMix. Default 0.5.
    pub switch_probability: f64,
    /// In so many last epochs of a phase nothing is mixed. Default 0.
    pub off_last_epochs: usize,
    /// What is mixed. Default images.
    pub at: MixAt,
}

impl Default for MixSpec {
    fn default() -> Self {
        Self {
            mixup_alpha: 0.2,
            cutmix_alpha: 1.0,
            probability: 1.0,
            switch_probability: 0.5,
            off_last_epochs: 0,
            at: MixAt::Images,
        }
    }
}

impl MixSpec {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] with the key, such as `cutmix_alpha`.
    pub fn check(&self) -> Result<(), SettingError> {
        non_negative("mixup_alpha", self.mixup_alpha)?;
        non_negative("cutmix_alpha", self.cutmix_alpha)?;
        ratio("probability", self.probability)?;
        ratio("switch_probability", self.switch_probability)?;
        if self.mixup_alpha == 0.0 && self.cutmix_alpha == 0.0 {
            return Err(SettingError::new(
                "mixup_alpha",
                self.mixup_alpha,
                "a number above 0 for it or `cutmix_alpha`; leave `augment.mix` out to mix nothing",
            ));
        }
        if self.at == MixAt::Features && self.cutmix_alpha > 0.0 {
            return Err(SettingError::new(
                "cutmix_alpha",
                self.cutmix_alpha,
                "0 with `at = \"features\"`: pooled features have no box to cut",
            ));
        }
        Ok(())
    }

    /// The mix of a batch, if it is mixed at all; `epoch` counts from 0 and `epochs` is the phase's most.
    ///
    /// `size` is the height and width of the images. The draw depends on the generator alone, which the caller makes from seed,
    /// epoch and batch.
    pub fn draw(
        &self,
        epoch: usize,
        epochs: usize,
        size: [usize; 2],
        rng: &mut SampleRng,
    ) -> Option<Mix> {
        if epoch + self.off_last_epochs >= epochs || uniform(rng) >= self.probability {
            return None;
        }
        let cuts = match (self.mixup_alpha > 0.0, self.cutmix_alpha > 0.0) {
            (true, true) => uniform(rng) < self.switch_probability,
            (_, cutmix) => cutmix,
        };
        Some(match cuts {
            false => Mix::mixup(beta(self.mixup_alpha, rng)),
            true => {
                let share = beta(self.cutmix_alpha, rng);
                let centre = size.map(|side| (uniform(rng) * side as f64) as usize);
                Mix::cutmix(share, centre, size)
            }
        })
    }
}

/// From 0 to below 1, with 53 random bits.
fn uniform(rng: &mut SampleRng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A number from Beta(alpha, alpha), by way of Student's distribution with `2 alpha` degrees of freedom; two draws, whatever
/// alpha.
///
/// Source: Devroye, "Random variate generation in one line of code" (1996), which follows Bailey's polar method.
fn beta(alpha: f64, rng: &mut SampleRng) -> f64 {
    // From above 0 to 1.
    let radius = (1.0 - uniform(rng)).powf(-1.0 / alpha) - 1.0;
    let cosine = (std::f64::consts::TAU * uniform(rng)).cos();
    let square = radius * cosine * cosine;
    0.5 * (1.0 + cosine.signum() / (1.0 + 1.0 / square).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_beta_distribution() {
        // scipy 1.17.1: beta(a, a).ppf([0.1, 0.25, 0.4]); by symmetry the rest.
        for (alpha, expected) in [
            (0.2, [0.000_247_765, 0.023_814_7, 0.216_342]),
            (1.0, [0.1, 0.25, 0.4]),
            (3.0, [0.246_636, 0.359_436, 0.446_254]),
        ] {
            let mut draws: Vec<f64> = (0..40_000)
                .map(|sample| beta(alpha, &mut SampleRng::new(5, 0, sample)))
                .collect();
            draws.sort_by(f64::total_cmp);
            assert!(draws[0] >= 0.0 && draws[draws.len() - 1] <= 1.0);
            for (level, value) in [0.1, 0.25, 0.4].into_iter().zip(expected) {
                for (below, bound) in [(level, value), (1.0 - level, 1.0 - value)] {
                    let found = draws.iter().filter(|draw| **draw <= bound).count() as f64 / 4e4;
                    // Four standard deviations of a count of 40000.
                    assert!(
                        (found - below).abs() < 0.01,
                        "alpha {alpha}: {found} below {bound}"
                    );
                }
            }
        }
    }

    #[test]
    fn extreme_parameters_stay_between_0_and_1() {
        for alpha in [1e-9, 1e-3, 1e3, 1e12] {
            for sample in 0..200 {
                let share = beta(alpha, &mut SampleRng::new(1, 2, sample));
                assert!((0.0..=1.0).contains(&share), "{alpha}: {share}");
            }
        }
    }

    #[test]
    fn probabilities_choose_between_nothing_mixup_and_cutmix() {
        let spec = MixSpec {
            probability: 0.5,
            switch_probability: 0.25,
            ..MixSpec::default()
        };
        let mut counts = [0usize; 3];
        for batch in 0..4000 {
            let mix = spec.draw(0, 1, [32, 32], &mut SampleRng::new(0, 0, batch));
            counts[mix.map_or(0, |mix| 1 + usize::from(mix.cut().is_some()))] += 1;
        }
        for (count, expected) in counts.into_iter().zip([2000, 1500, 500]) {
            assert!(count.abs_diff(expected) < 130, "{counts:?}");
        }
        let only = |mixup_alpha, cutmix_alpha| MixSpec {
            mixup_alpha,
            cutmix_alpha,
            ..MixSpec::default()
        };
        for batch in 0..50 {
            let cut = |spec: MixSpec| {
                let mix = spec.draw(0, 1, [32, 32], &mut SampleRng::new(0, 0, batch));
                mix.unwrap().cut().is_some()
            };
            assert!(!cut(only(0.2, 0.0)) && cut(only(0.0, 1.0)));
        }
    }

    #[test]
    fn the_last_epochs_are_left_alone() {
        let spec = MixSpec {
            off_last_epochs: 2,
            ..MixSpec::default()
        };
        let mixed = |epoch| {
            spec.draw(epoch, 5, [8, 8], &mut SampleRng::new(0, 0, 0))
                .is_some()
        };
        assert_eq!([0, 1, 2, 3, 4].map(mixed), [true, true, true, false, false]);
        assert!(
            spec.draw(0, 1, [8, 8], &mut SampleRng::new(0, 0, 0))
                .is_none()
        );
    }

    #[test]
    fn settings_that_mix_nothing_or_cannot_be_mixed_are_refused_by_name() {
        let default = MixSpec::default();
        for (spec, key) in [
            (
                MixSpec {
                    mixup_alpha: -1.0,
                    ..default
                },
                "mixup_alpha",
            ),
            (
                MixSpec {
                    cutmix_alpha: f64::NAN,
                    ..default
                },
                "cutmix_alpha",
            ),
            (
                MixSpec {
                    probability: 1.1,
                    ..default
                },
                "`probability`",
            ),
            (
                MixSpec {
                    switch_probability: -0.1,
                    ..default
                },
                "switch_probability",
            ),
            (
                MixSpec {
                    mixup_alpha: 0.0,
                    cutmix_alpha: 0.0,
                    ..default
                },
                "leave `augment.mix` out",
            ),
            (
                MixSpec {
                    at: MixAt::Features,
                    ..default
                },
                "no box to cut",
            ),
        ] {
            let error = spec.check().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        default.check().unwrap();
    }
}
