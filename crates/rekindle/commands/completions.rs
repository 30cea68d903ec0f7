//! `rekindle completions`: the command line for shells, from its one definition.

use std::io::{self, Write};

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::CommandLine;
use crate::Ending;

const COMPLETIONS_NOTES: &str = "\
To install them, for example:
  bash  rekindle completions bash > ~/.local/share/bash-completion/completions/rekindle
  zsh   rekindle completions zsh > ~/.zfunc/_rekindle      (a folder of fpath)
  fish  rekindle completions fish > ~/.config/fish/completions/rekindle.fish";

/// Print shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS_NOTES)]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Prints a shell's completions.
pub fn run(args: &Args) -> Result<Ending> {
    let mut text = Vec::new();
    let mut command = CommandLine::command();
    clap_complete::generate(args.shell, &mut command, "rekindle", &mut text);
    io::stdout().lock().write_all(&text)?;
    Ok(Ending::Done)
}
