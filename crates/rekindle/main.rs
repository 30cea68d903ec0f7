//! The program `rekindle`: fine-tunes pretrained CNN backbones on labelled images.
//!
//! Owns the command line, what is printed and the exit code: 0 done, 1 a check that found something serious, 2 an error, 128 and a
//! signal's number for a run that it stopped. All work is the crates'.

mod args;
mod commands;
mod ending;
mod print;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use commands::CommandLine;
pub use ending::Ending;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    print::explain_panics();
    let ending = std::panic::catch_unwind(|| line.command.run());
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
