//! The only place that makes a device: names like `cpu` and `wgpu:1` to Burn devices.
//!
//! A backend is compiled in by a Cargo feature of the same name; `--device` picks among those there are at run time.

use burn::tensor::Device;

use crate::ModelError;
use rekindle_settings::nearest;

/// Every backend that a Cargo feature can add, with the feature's name.
const KNOWN: &[(&str, &str, bool)] = &[
    ("flex", "flex", cfg!(feature = "flex")),
    ("ndarray", "ndarray", cfg!(feature = "ndarray")),
    ("wgpu", "wgpu", cfg!(feature = "wgpu")),
    ("vulkan", "vulkan", cfg!(feature = "vulkan")),
    ("metal", "metal", cfg!(feature = "metal")),
    ("cuda", "cuda", cfg!(feature = "cuda")),
    ("rocm", "rocm", cfg!(feature = "rocm")),
    ("cubecl-cpu", "cpu", cfg!(feature = "cpu")),
];

/// The names of the devices this program can use, `cpu` first.
pub fn available_devices() -> Vec<&'static str> {
    let compiled = KNOWN
        .iter()
        .filter(|(_, _, compiled)| *compiled)
        .map(|(name, _, _)| *name);
    std::iter::once("cpu").chain(compiled).collect()
}

/// The device of a name: `cpu` (the fastest CPU backend compiled in), a backend's name, or a GPU backend's with a number,
/// `wgpu:1`.
///
/// # Errors
///
/// The name is unknown (the nearest one is suggested), its backend is not compiled in (the feature is named), or the number is
/// not one, or is given to a CPU backend.
pub fn device_from_name(name: &str) -> Result<Device, ModelError> {
    let (backend, index) = match name.split_once(':') {
        None => (name, None),
        Some((backend, text)) => match text.parse::<usize>() {
            Ok(index) => (backend, Some(index)),
            Err(_) => return Err(unknown(name)),
        },
    };
    let backend = match backend {
        "cpu" => default_cpu(),
        other => other,
    };
    let Some((_, feature, compiled)) = KNOWN.iter().find(|(known, _, _)| *known == backend) else {
        return Err(unknown(name));
    };
    if !compiled {
        return Err(ModelError::BackendNotCompiled {
            name: name.to_owned(),
            feature,
        });
    }
    #[cfg(feature = "persistence")]
    keep_kernels();
    make(backend, index).ok_or_else(|| unknown(name))
}

/// Has CubeCL keep what it chose and compiled for a GPU in rekindle's cache directory. It would else take the `target` folder of whatever
/// Cargo project the working directory lies in. A place that a `cubecl.toml` or `burn.toml` names stays.
#[cfg(feature = "persistence")]
fn keep_kernels() {
    use burn::cubecl::config::cache::CacheConfig;
    use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // Loaded first: as it is loaded it sets the folder itself.
        let config = CubeClRuntimeConfig::get();
        let unset = matches!(config.environment.path, CacheConfig::Target);
        if let (true, Some(cache)) = (unset, rekindle_data::default_cache_directory()) {
            burn::cubecl::environment::set_root(cache.join("gpu"));
        }
    });
}

fn default_cpu() -> &'static str {
    let cpu = ["flex", "ndarray", "cubecl-cpu"];
    let compiled = |name: &str| {
        KNOWN
            .iter()
            .any(|(known, _, compiled)| *known == name && *compiled)
    };
    cpu.into_iter()
        .find(|name| compiled(name))
        .unwrap_or("flex")
}

fn unknown(name: &str) -> ModelError {
    let available = available_devices();
    let stem = name.split(':').next().unwrap_or(name);
    ModelError::UnknownDevice {
        name: name.to_owned(),
        suggestion: nearest(stem, available.iter().copied()).map(str::to_owned),
        available: available.join(", "),
    }
}

/// The device, if the backend exists here; a number makes sense for GPUs alone.
fn make(backend: &str, index: Option<usize>) -> Option<Device> {
    match (backend, index) {
        #[cfg(feature = "flex")]
        ("flex", None) => Some(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[expect(deprecated, reason = "a backend that users may still ask for")]
        ("ndarray", None) => Some(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        ("wgpu", index) => Some(Device::wgpu(gpu(index))),
        #[cfg(feature = "vulkan")]
        ("vulkan", index) => Some(Device::vulkan(gpu(index))),
        #[cfg(feature = "metal")]
        ("metal", index) => Some(Device::metal(gpu(index))),
        #[cfg(feature = "cuda")]
        ("cuda", index) => Some(Device::cuda(index.unwrap_or(0))),
        #[cfg(feature = "rocm")]
        ("rocm", index) => Some(Device::rocm(index.unwrap_or(0))),
        #[cfg(feature = "cpu")]
        ("cubecl-cpu", None) => Some(Device::cpu()),
        _ => None,
    }
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
fn gpu(index: Option<usize>) -> burn::tensor::DeviceKind {
    use burn::tensor::DeviceKind;
    index.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_device_is_an_error_that_suggests_the_nearest() {
        let error = device_from_name("cpuu").unwrap_err().to_string();
        assert!(error.contains("did you mean `cpu`"), "{error}");
    }

    #[test]
    fn a_cpu_has_no_number() {
        assert!(device_from_name("cpu:1").is_err());
        assert!(device_from_name("wgpu:x").is_err());
    }

    #[cfg(not(feature = "rocm"))]
    #[test]
    fn a_backend_that_is_not_compiled_in_names_its_feature() {
        let error = device_from_name("rocm:0").unwrap_err().to_string();
        assert!(error.contains("--features rocm"), "{error}");
    }
}
