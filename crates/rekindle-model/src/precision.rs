//! Where a precision of products may be chosen; what it is, is `rekindle-kernels`'s.

use rekindle_backbone::Precision;
use rekindle_settings::SettingError;

/// Checks that this machine and this build multiply so, on the device of a name.
///
/// # Errors
///
/// [`SettingError`] with the key `precision`.
pub fn check_precision(precision: Precision, device: &str) -> Result<(), SettingError> {
    let on_cpu = cfg!(feature = "flex") && ["cpu", "flex"].contains(&device);
    match precision == Precision::F32 || (on_cpu && precision.is_available()) {
        true => Ok(()),
        false => Err(SettingError::new(
            "precision",
            format!("{} on {device}", precision.name()),
            "`f32`, or `bf16` on the device cpu of a processor with AVX-512 BF16",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_offered_on_the_cpu_alone() {
        assert!(check_precision(Precision::F32, "wgpu:1").is_ok());
        let error = check_precision(Precision::Bf16, "wgpu:1").unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("`precision` is bf16 on wgpu:1"),
            "{message}"
        );
        assert_eq!(
            check_precision(Precision::Bf16, "cpu").is_ok(),
            cfg!(feature = "flex") && Precision::Bf16.is_available()
        );
    }
}
