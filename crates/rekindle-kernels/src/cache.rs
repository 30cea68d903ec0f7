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

/// What the processor itself lists: Intel's function 4 and AMD's 8000_001Dh, one cache after the other in the same fields (Intel 64
/// Software Developer's Manual, volume 2A, CPUID; AMD64 Architecture Programmer's Manual, volume 3, appendix E). Only where there is no
/// such list, AMD's older function 8000_0006h, which virtual machines fill in with sizes of their own.
#[cfg(target_arch = "x86_64")]
fn reported() -> Option<usize> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    let has = |function: u32| __cpuid(function & 0x8000_0000).eax >= function;
    // Where a function is absent or belongs to the other maker, its list is empty.
    for list in [4, 0x8000_001D] {
        let caches = (0..16)
            .map(|index| __cpuid_count(list, index))
            .take_while(|cache| has(list) && cache.eax & 0x1F != 0);
        for cache in caches {
            let (kind, level) = (cache.eax & 0x1F, cache.eax >> 5 & 0x7);
            // Not one for instructions alone.
            if level == 2 && kind != 2 {
                let field =
                    |low: u32, bits: u32| (cache.ebx >> low & ((1 << bits) - 1)) as usize + 1;
                let (line, partitions, ways) = (field(0, 12), field(12, 10), field(22, 10));
                return Some(line * partitions * ways * (cache.ecx as usize + 1));
            }
        }
    }
    let kilobytes = has(0x8000_0006).then(|| __cpuid(0x8000_0006).ecx >> 16)?;
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
