//! `rekindle settings`: the settings of a recipe, all of them or those with a word. They are read from docs/settings.md, which is made
//! from the sources and is part of the program.

use std::io::{self, Write};

use anyhow::{Result, bail};
use rekindle_settings::did_you_mean;
use serde_json::json;

use crate::Ending;
use crate::print::{self, words::wrapped};

/// List the settings of a recipe, or those that match a word
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only settings with this word in their name, their section or what is said of them
    pub word: Option<String>,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

const PAGE: &str = include_str!("../../../docs/settings.md");

/// A setting as the page has it.
#[derive(Debug)]
struct Setting {
    section: String,
    key: String,
    value: String,
    default: String,
    says: String,
}

/// Prints the settings.
pub fn run(args: &Args) -> Result<Ending> {
    let all = settings(PAGE);
    let word = args.word.as_deref().unwrap_or_default().to_lowercase();
    let found: Vec<&Setting> = all.iter().filter(|setting| setting.has(&word)).collect();
    if found.is_empty() {
        let names = all.iter().map(|setting| setting.name());
        let names: Vec<&str> = names.collect();
        bail!(
            "no setting has `{word}`{}; `rekindle settings` lists them all",
            did_you_mean(&word, names)
        );
    }
    let mut out = io::stdout().lock();
    if args.json {
        let objects: Vec<_> = found.iter().map(|setting| setting.json()).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&objects)?)?;
        return Ok(Ending::Done);
    }
    let mut section = "";
    for setting in found {
        if setting.section != section {
            if !section.is_empty() {
                writeln!(out)?;
            }
            section = &setting.section;
            writeln!(out, "{section}")?;
        }
        let width = print::width();
        let head = format!("{} = {}", setting.key, setting.value);
        writeln!(out, "{}", wrapped(&head, "  ", "      ", width))?;
        let says = match setting.says.contains("Default") {
            true => setting.says.clone(),
            false => format!("{} Default {}.", setting.says, setting.default),
        };
        writeln!(out, "{}", wrapped(says.trim(), "      ", "      ", width))?;
    }
    Ok(Ending::Done)
}

impl Setting {
    fn has(&self, word: &str) -> bool {
        [&self.key, &self.section, &self.says, &self.value]
            .iter()
            .any(|text| text.to_lowercase().contains(word))
    }

    /// The last part of the key.
    fn name(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or(&self.key)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "section": self.section,
            "setting": self.key,
            "value": self.value,
            "default": self.default,
            "says": self.says,
        })
    }
}

/// The rows of the page's tables, without marks of code.
fn settings(page: &str) -> Vec<Setting> {
    let plain = |text: &str| text.replace("\\|", "|").replace('`', "");
    let mut section = String::new();
    let mut found = Vec::new();
    for line in page.lines() {
        if let Some(title) = line
            .strip_prefix("## ")
            .or_else(|| line.strip_prefix("### "))
        {
            section = plain(title);
        }
        let Some(row) = line.strip_prefix("| `") else {
            continue;
        };
        // Bars in a cell are escaped.
        let row = row.replace("\\|", "\0");
        let mut cells = row.trim_end_matches(" |").split(" | ");
        let mut cell = || cells.next().unwrap_or_default().replace('\0', "|");
        let [key, value, default, says] = [cell(), cell(), cell(), cell()];
        found.push(Setting {
            section: section.clone(),
            key: plain(&key),
            value: plain(&value),
            default: plain(&default),
            says: plain(&says),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_settings_of_every_kind() {
        let all = settings(PAGE);
        assert!(all.len() > 200, "{}", all.len());
        let of = |key: &str| all.iter().find(|setting| setting.key == key).unwrap();
        assert_eq!(of("PHASE.epochs").default, "30; 8 in phase2");
        assert_eq!(of("data.label_separator").default, "|");
        assert_eq!(of("data.group_by").value, "none or prefix");
        assert!(of("seed").says.contains("random"));
        assert!(all.iter().all(|setting| !setting.says.is_empty()));
    }
}
