//! `rekindle bench`: how fast backbones are on this machine.
//!
//! Each one is measured in a process of its own, so that no peak of memory is another one's, and one that runs out of memory takes no
//! figures with it. The parent reads the figures as JSON.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use rekindle_insight::{BenchReport, BenchSettings, Machine, bench};
use rekindle_model::{Precision, architecture_from_name, device_from_name};

use crate::Ending;
use crate::args::{at_least_one, side};
use crate::print;

const BENCH_NOTES: &str = "\
Weights are random, which changes no time, so none are needed. Inference is the network with its batch norms folded; training \
is a whole step with nothing frozen: forward, cross-entropy over 10 classes, backward, SGD. Memory is the most that the process \
held in training; a GPU's own is not in it. Each backbone is measured in a process of its own. Keep the machine otherwise idle.";

/// Benchmark backbones on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = BENCH_NOTES)]
pub struct Args {
    /// Backbones, see `rekindle backbones`, with or without the tag of their weights
    #[arg(required = true, value_name = "BACKBONE")]
    pub backbones: Vec<String>,
    /// Images per batch
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub batch: usize,
    /// Side of the images in pixels
    #[arg(long, value_name = "PX", default_value_t = 224, value_parser = side)]
    pub size: usize,
    /// Batches to time, after two to warm up
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub runs: usize,
    /// Threads to compute with on a CPU [default: one per core]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,
    /// Device to compute on: cpu, or a backend such as wgpu:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Number format of matrix products
    #[arg(long, default_value = "f32")]
    pub precision: PrecisionArg,
    /// Measure this alone
    #[arg(long, value_name = "PART")]
    pub only: Option<BenchPart>,
    /// Print a JSON array with everything that was measured
    #[arg(long)]
    pub json: bool,
    /// Measure the one backbone in this process: how the command calls itself
    #[arg(long, hide = true)]
    pub measure_here: bool,
}

/// In which number format convolutions multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// 32-bit floats
    F32,
    /// 16-bit brain floats with sums in f32, on a CPU that has them
    Bf16,
}

/// What of a network is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchPart {
    /// Inference
    Infer,
    /// Training steps
    Train,
}

impl BenchPart {
    /// The word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Train => "train",
        }
    }
}

/// The variable from which the threads of a process are taken.
const THREADS: &str = "RAYON_NUM_THREADS";

/// Measures and prints.
pub fn run(args: &Args) -> Result<Ending> {
    let settings = settings(args);
    if let (true, [name]) = (args.measure_here, args.backbones.as_slice()) {
        let report = bench(name, &settings)?;
        writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
        return Ok(Ending::Done);
    }
    // All that can be wrong is told before anything is measured.
    settings.check()?;
    device_from_name(&settings.device)?;
    for name in &args.backbones {
        architecture_from_name(name)?;
    }
    if cfg!(debug_assertions) {
        print::warning("this is a debug build; one with `--release` is much faster");
    }
    match args.json {
        true => print_json(args),
        false => print_table(args, &settings),
    }
}

fn settings(args: &Args) -> BenchSettings {
    BenchSettings {
        batch_images: args.batch,
        size_pixels: args.size,
        runs: args.runs,
        device: args.device.clone(),
        precision: precision(args),
        inference: args.only != Some(BenchPart::Train),
        training: args.only != Some(BenchPart::Infer),
        ..BenchSettings::default()
    }
}

fn precision(args: &Args) -> Precision {
    match args.precision {
        PrecisionArg::F32 => Precision::F32,
        PrecisionArg::Bf16 => Precision::Bf16,
    }
}

/// A row for each backbone as soon as it is measured.
fn print_table(args: &Args, settings: &BenchSettings) -> Result<Ending> {
    let mut machine = Machine::detect();
    machine.threads = args.threads.unwrap_or(machine.threads);
    let mut out = io::stdout().lock();
    write!(out, "{}", print::bench::header(&machine, settings))?;
    for name in &args.backbones {
        let report = measure(args, name)?;
        writeln!(out, "{}", print::bench::row(&report))?;
    }
    Ok(Ending::Done)
}

/// An array with an object for each backbone; those measured before one that failed are printed too.
fn print_json(args: &Args) -> Result<Ending> {
    let mut reports = Vec::new();
    let mut failure = None;
    for name in &args.backbones {
        match measure(args, name) {
            Ok(report) => reports.push(report),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&reports)?)?;
    match failure {
        Some(error) => Err(error),
        None => Ok(Ending::Done),
    }
}

/// The figures of one backbone, from a process of its own.
fn measure(args: &Args, name: &str) -> Result<BenchReport> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.args(["bench", "--measure-here", "--device", &args.device]);
    command.args(["--precision", precision(args).name()]);
    for (flag, value) in [
        ("--batch", args.batch),
        ("--size", args.size),
        ("--runs", args.runs),
    ] {
        command.args([flag, &value.to_string()]);
    }
    if let Some(part) = args.only {
        command.args(["--only", part.name()]);
    }
    if let Some(threads) = args.threads {
        command.env(THREADS, threads.to_string());
    }
    let output = command
        .args(["--", name])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start the measurement of {name}"))?;
    if !output.status.success() {
        match output.status.code() {
            // The process itself has said why.
            Some(_) => bail!("{name} could not be measured"),
            None => bail!(
                "{name} could not be measured: its process was ended ({}); if memory is short, take a smaller `--batch` or `--size`",
                output.status
            ),
        }
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the figures of {name} cannot be read"))
}
