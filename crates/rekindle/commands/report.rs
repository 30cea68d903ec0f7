//! `rekindle report`: a run's files to a page that a browser shows, and to a model card.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use rekindle_insight::write_report;

use crate::Ending;

/// Write a run's report, one HTML page, and its model card
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory of a run, also of one that goes on or of an earlier version
    pub run: PathBuf,
    /// Where report.html and model.md are written [default: the run's directory]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Writes both and prints where they are.
pub fn run(args: &Args) -> Result<Ending> {
    let into = args.out.as_ref().unwrap_or(&args.run);
    if args.out.is_some() {
        std::fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    }
    let mut out = io::stdout().lock();
    for path in write_report(&args.run, into)? {
        writeln!(out, "{}", path.display())?;
    }
    Ok(Ending::Done)
}
