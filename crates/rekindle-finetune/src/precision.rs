//! In which number format the convolutions of a run multiply.
//!
//! Owns the recipe's key and where it may be chosen; the arithmetic is `rekindle-kernels`'s.

use serde::{Deserialize, Serialize};

use rekindle_settings::SettingError;

/// The factors of a convolution's products. Weights, sums and everything that is stored stay `f32`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats. The default.
    #[default]
    F32,
    /// 16-bit brain floats with sums in `f32`, as PyTorch's `torch.set_float32_matmul_precision("medium")`: up to twice as fast where
    /// convolutions bound the time, on a CPU with AVX-512 BF16.
    Bf16,
}

impl Precision {
    /// The word of recipes and of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether this machine and this build multiply so, on the device of a name.
    pub fn is_available(self, device: &str) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 => {
                cfg!(feature = "flex")
                    && ["cpu", "flex"].contains(&device)
                    && rekindle_kernels::Precision::Bf16.is_available()
            }
        }
    }

    /// Checks that it is available.
    ///
    /// # Errors
    ///
    /// [`SettingError`] with the key `precision`.
    pub fn check(self, device: &str) -> Result<(), SettingError> {
        match self.is_available(device) {
            true => Ok(()),
            false => Err(SettingError::new(
                "precision",
                format!("{} on {device}", self.name()),
                "`f32`, or `bf16` on the device cpu of a processor with AVX-512 BF16",
            )),
        }
    }

    /// Makes it the precision of this process from now on; where the processor lacks it, products stay `f32`.
    pub fn enter(self) {
        rekindle_kernels::Precision::set_current(match self {
            Self::F32 => rekindle_kernels::Precision::F32,
            Self::Bf16 => rekindle_kernels::Precision::Bf16,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_offered_on_the_cpu_alone() {
        assert!(Precision::F32.check("wgpu:1").is_ok());
        let message = Precision::Bf16.check("wgpu:1").unwrap_err().to_string();
        assert!(
            message.starts_with("`precision` is bf16 on wgpu:1"),
            "{message}"
        );
        assert_eq!(
            Precision::Bf16.check("cpu").is_ok(),
            Precision::Bf16.is_available("cpu")
        );
    }

    #[test]
    fn its_names_are_those_of_a_recipe() {
        for precision in [Precision::F32, Precision::Bf16] {
            let text = serde_json::to_string(&precision).unwrap();
            assert_eq!(text, format!("\"{}\"", precision.name()));
        }
    }
}
