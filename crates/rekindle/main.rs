//! The program `rekindle`: fine-tunes pretrained CNN backbones on labelled images.
//!
//! Owns the command line, what is printed and the exit code: 0 done, 1 a check that found something serious, 2 an error, 128 and a
//! signal's number for a run that it stopped. All work is `rekindle-finetune`'s.

mod args;
mod commands;
mod ending;
mod print;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use args::{Args, Command};
use commands::{
    backbones, bench, cache, check, command_line, evaluate, inspect, predict, preview, settings,
    summary, train, weights,
};
pub use ending::Ending;

fn main() -> ExitCode {
    let started = Instant::now();
    let args = Args::parse();
    print::explain_panics();
    let ending = std::panic::catch_unwind(|| match args.command {
        Command::Check(args) => check::run(&args),
        Command::Preview(args) => preview::run(&args),
        Command::Train(args) => train::run(&args, started),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Backbones(args) => backbones::run(&args),
        Command::Summary(args) => summary::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Settings(args) => settings::run(&args),
        Command::Completions(args) => command_line::completions(&args),
        Command::Man => command_line::man(),
        Command::Weights(args) => weights::run(&args),
    });
    match ending {
        Ok(Ok(Ending::Done)) => ExitCode::SUCCESS,
        Ok(Ok(Ending::Interrupted(code))) => ExitCode::from(code),
        Ok(Ok(Ending::FoundProblems)) => ExitCode::from(1),
        Ok(Err(error)) if reader_is_gone(&error) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            let unwritten = error
                .downcast_ref::<io::Error>()
                .map(|_| "cannot write the output: ")
                .unwrap_or_default();
            print::error(&format!("{unwritten}{}", print::chain(&error)));
            ExitCode::from(2)
        }
        // The hook has said what happened.
        Err(_) => ExitCode::from(2),
    }
}

/// Whether the error is only that nobody reads the output any more, as in `rekindle backbones | head -1`.
fn reader_is_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
