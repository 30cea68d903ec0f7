//! Opens a folder, a manifest or tar shards as `rekindle train` does, and tells what is in it, how long that took and how much memory.
//!
//! `cargo run --release -p rekindle-data --example open_data -- labels.csv`

use std::error::Error;
use std::time::Instant;

use rekindle_data::{SourceOptions, Split, open_data};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("give a folder, a manifest or a tar file")?;
    let start = Instant::now();
    let data = open_data(path, &SourceOptions::default())?;
    println!(
        "{} images of {} classes in {} groups, opened in {:.2} s, {}",
        data.samples.len(),
        data.classes.len(),
        data.groups.len(),
        start.elapsed().as_secs_f64(),
        peak_memory(),
    );
    for warning in &data.warnings {
        println!("warning: {warning}");
    }
    let start = Instant::now();
    let all: Vec<usize> = (0..data.samples.len()).collect();
    let split = Split::of_folder(&data, &all, 0.2, 0)?;
    println!(
        "{} for training, {} for validation, divided in {:.2} s, {}",
        split.train.len(),
        split.validation.len(),
        start.elapsed().as_secs_f64(),
        peak_memory(),
    );
    Ok(())
}

/// The most memory that the process has held, on systems that tell it in /proc.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        Some(peak) => format!("peak memory {}", peak.trim()),
        None => "peak memory unknown".into(),
    }
}
