//! `rekindle check`: a folder of images, a manifest or tar shards to what would stop or spoil training on it.

use std::io::{self, Write};

use anyhow::Result;
use rekindle_finetune::Recipe;
use rekindle_insight::check::{check, contact_sheet};
use rekindle_insight::sheet::{check_path, write_sheet};

use crate::Ending;
use crate::args::CheckArgs;
use crate::print::{self, progress::ImageBar};

/// Checks and prints.
pub fn run(args: &CheckArgs) -> Result<Ending> {
    let recipe = Recipe::load(args.recipe.as_deref(), &args.set)?;
    // Known at once, while a check may take minutes.
    if let Some(path) = &args.sheet {
        check_path(path, &args.data)?;
    }
    recipe.data.check()?;
    let (folder, found) = recipe.data.open_to_check(&args.data, recipe.seed)?;
    if folder.samples.len() < found {
        print::limit_warning(folder.samples.len(), found, "nothing is said of the others");
    }
    let bar = ImageBar::new(folder.samples.len());
    let report = check(&folder, &recipe, &|| bar.add(1))?;
    drop(bar);
    if let Some(path) = &args.sheet {
        write_sheet(&contact_sheet(&report, &folder), path, &args.data)?;
    }
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        false => {
            write!(out, "{}", print::check::text(&report, print::width()))?;
            if let Some(path) = &args.sheet {
                writeln!(out, "\nSheet       {}", path.display())?;
            }
        }
    }
    Ok(match report.is_serious() {
        true => Ending::FoundProblems,
        false => Ending::Done,
    })
}
