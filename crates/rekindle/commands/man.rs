//! `rekindle man`: the command line for `man`, from its one definition.

use std::io::{self, Write};

use anyhow::Result;
use clap::CommandFactory;

use super::CommandLine;
use crate::Ending;

/// Print the manual page
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the manual page: the program, then each command with its arguments.
pub fn run(_: &Args) -> Result<Ending> {
    let mut command = CommandLine::command();
    command.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for part in command.get_subcommands() {
        if part.is_hide_set() || part.get_name() == "help" {
            continue;
        }
        let name = part.get_name();
        let about = part
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        writeln!(text, ".SH \"REKINDLE {}\"\n{about}\n", name.to_uppercase())?;
        let page = clap_mangen::Man::new(part.clone().bin_name(format!("rekindle {name}")));
        page.render_synopsis_section(&mut text)?;
        page.render_options_section(&mut text)?;
        if part.get_after_help().is_some() || part.get_after_long_help().is_some() {
            page.render_extra_section(&mut text)?;
        }
    }
    io::stdout().lock().write_all(&text)?;
    Ok(Ending::Done)
}
