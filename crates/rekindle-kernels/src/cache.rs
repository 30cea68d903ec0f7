//! The size of the processor's second-level cache, after which the products' blocks are cut.

/// What is taken where the processor does not say: the size that the fractions were chosen at.
const USUAL: usize = 1 << 20;

/// Bytes of one core's second-level cache.
pub(crate) fn second_level() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        static SIZE: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        *SIZE.get_or_init(|| reported().map_or(USUAL, |size| size.clamp(256 << 10, 4 << 20)))
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        USUAL
    }
}

/// What the processor itself says (AMD64 Architecture Programmer's Manual, volume 3, appendix E: function 8000_0006h; Intel's has the
/// same field).
#[cfg(target_arch = "x86_64")]
fn reported() -> Option<usize> {
    use std::arch::x86_64::__cpuid;

    const CACHES: u32 = 0x8000_0006;
    let known = __cpuid(0x8000_0000).eax;
    let kilobytes = (known >= CACHES).then(|| __cpuid(CACHES).ecx >> 16)?;
    (kilobytes > 0).then_some(kilobytes as usize * 1024)
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_the_kernels() {
        let said = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size");
        // Not every virtual machine lists its caches.
        let (Ok(said), Some(reported)) = (said, reported()) else {
            return;
        };
        assert_eq!(said.trim(), format!("{}K", reported / 1024));
    }
}
