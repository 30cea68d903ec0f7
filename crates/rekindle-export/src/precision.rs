//! In how many bits exported weights are kept.

use half::f16;

use crate::ExportError;

/// In how many bits the weights of convolutions and linear layers are kept in a file. What has one number a channel (biases, norms,
/// running statistics) is kept in 32 either way: it is a thousandth of the file, and small variances would become 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightPrecision {
    /// 32 bits, as they were trained.
    #[default]
    F32,
    /// 16 bits, IEEE 754's half precision: half the size. Programs compute with them in 32 bits or as they like.
    F16,
}

impl WeightPrecision {
    /// The values in 16 bits.
    ///
    /// # Errors
    ///
    /// One of them is beyond 65504, the largest that 16 bits hold; `name` says whose it is.
    pub(crate) fn halves(self, name: &str, values: &[f32]) -> Result<Vec<f16>, ExportError> {
        let halves: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
        match halves.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(ExportError::BeyondHalf {
                tensor: name.to_owned(),
                value: values[place],
            }),
            None => Ok(halves),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_that_16_bits_do_not_hold_is_named() {
        let halves = |values: &[f32]| WeightPrecision::F16.halves("conv1.weight", values);
        assert_eq!(halves(&[1.0, -65504.0]).unwrap()[1].to_f32(), -65504.0);
        let error = halves(&[1.0, 1e6]).unwrap_err().to_string();
        assert!(
            error.contains("conv1.weight") && error.contains("1000000"),
            "{error}"
        );
    }
}
