//! Random numbers on the host. Owns the generator; what is drawn is decided by its users.

use std::f64::consts::TAU;

/// A stream of random numbers that depends on its seed alone (SplitMix64).
///
/// First weights and dropout masks are drawn on the host because a device's own generator is one for the whole process
/// and differs between devices: the same seed gives the same head on every backend and with any number of threads.
///
/// Source: Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014.
#[derive(Debug, Clone)]
pub struct HostRng {
    state: u64,
}

impl HostRng {
    /// The stream number `stream` of this `seed`.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self { state: seed };
        let state = rng.next_u64() ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03);
        Self { state }
    }

    /// A number of 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number of at least 0 and below 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal number (Box-Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_a_seed_differ_and_repeat() {
        let draw = |seed, stream| HostRng::new(seed, stream).next_u64();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for state 1234567, from the reference implementation in C.
        let mut rng = HostRng { state: 1_234_567 };
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut rng = HostRng::new(3, 0);
        let values: Vec<f64> = (0..40_000).map(|_| rng.normal()).collect();
        let mean = values.iter().sum::<f64>() / 40_000.0;
        let variance = values.iter().map(|value| value * value).sum::<f64>() / 40_000.0;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02,
            "{mean} {variance}"
        );
    }
}
