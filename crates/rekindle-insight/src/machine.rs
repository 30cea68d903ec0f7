//! What the program runs on: the processor by name, its vector instructions, threads, and the memory of the process.
//!
//! Owns reading these from the system, and what is said where the system does not tell. Nothing here changes a result.

use rekindle_kernels::Level;
use serde::{Deserialize, Serialize};

/// The machine, as far as it matters to speed on the CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name as the system gives it, or its architecture where it gives none.
    pub processor: String,
    /// The vector instructions that the kernels use here: `avx512`, `avx2`, `neon`, or `none` of these.
    pub simd: String,
    /// Threads that work is split over: rayon's, which `RAYON_NUM_THREADS` sets.
    pub threads: usize,
}

impl Machine {
    /// The machine that this is.
    pub fn detect() -> Self {
        Self {
            processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            simd: simd().to_owned(),
            threads: rayon::current_num_threads(),
        }
    }
}

fn processor() -> Option<String> {
    let name = match std::env::consts::OS {
        "linux" | "android" => processor_of(&std::fs::read_to_string("/proc/cpuinfo").ok()?),
        "macos" => asked("sysctl", &["-n", "machdep.cpu.brand_string"]),
        "windows" => std::env::var("PROCESSOR_IDENTIFIER").ok(),
        _ => None,
    };
    name.filter(|name| !name.is_empty())
}

/// The first name in the text of /proc/cpuinfo; 64-bit ARM has none there.
fn processor_of(cpuinfo: &str) -> Option<String> {
    let name = cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim())
    })?;
    // Makers pad their names with spaces.
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn asked(program: &str, arguments: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn simd() -> &'static str {
    match Level::detect() {
        Level::Avx512 => "avx512",
        Level::Avx2 => "avx2",
        Level::Neon => "neon",
        _ => "none",
    }
}

/// Sets the mark of [`peak_memory_bytes`] back to what the process holds now, where the system can (Linux).
pub(crate) fn reset_peak_memory() {
    // Some containers do not allow it; the mark is then the one since the process began.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process has held since the mark was set back, or since it began; none where the system does not tell.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    peak_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The high-water mark in the text of /proc/self/status, which counts in units of 1024 bytes.
fn peak_of(status: &str) -> Option<u64> {
    let mark = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = mark.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_found_in_the_text_of_linux() {
        let text =
            "processor\t: 0\nvendor_id\t: A\nmodel\t\t: 2\nmodel name\t: Some  CPU @ 2 GHz \n";
        assert_eq!(processor_of(text), Some("Some CPU @ 2 GHz".into()));
        assert_eq!(processor_of("processor\t: 0\nCPU part\t: 0xd0c\n"), None);
    }

    #[test]
    fn the_peak_is_read_in_bytes() {
        let text = "VmPeak:\t  900 kB\nVmHWM:\t    1768 kB\nVmRSS:\t 17 kB\n";
        assert_eq!(peak_of(text), Some(1768 * 1024));
        assert_eq!(peak_of("VmRSS:\t 17 kB\n"), None);
    }

    #[test]
    fn this_machine_has_a_name_and_threads() {
        let machine = Machine::detect();
        assert!(!machine.processor.is_empty() && machine.threads > 0);
    }
}
