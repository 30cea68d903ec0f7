//! `rekindle weights`: files of pretrained weights on the hub and in its cache.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use rekindle_model::{
    BackboneRecipe, Hub, HubError, HubFile, Verdict, fetch_weights, hub_file, resolve_card,
};
use serde_json::json;

use crate::Ending;
use crate::print::fetching::FetchBar;
use crate::print::table::Table;
use crate::print::{self, words};

const WEIGHTS_NOTES: &str = "\
NAME is a backbone, with or without the tag of its weights, or a file on the hub: hf://OWNER/REPO[@REVISION][/FILE]. Training fetches what \
it misses by itself. The cache is the one that Python's huggingface_hub uses; HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and \
HF_HUB_OFFLINE are read.";

/// Fetch, list, check or remove pretrained weights of the Hugging Face hub
#[derive(Debug, clap::Args)]
#[command(after_help = WEIGHTS_NOTES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: WeightsCommand,
}

/// What is done with weights.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// Fetch what is not in the cache, and print where it is
    Fetch {
        /// Backbones or files on the hub
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// List the weights in the cache, whichever program fetched them
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare cached files with the hashes they must have; exit code 1 if one is damaged or missing
    Verify {
        /// Backbones or files on the hub [default: all that is cached]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Print where a cached file is
    Path {
        /// A backbone or a file on the hub
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove a repository, all its files and revisions, from the cache
    Remove {
        /// Backbones, files on the hub or repositories (OWNER/REPO)
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

/// Fetches, lists, checks, finds or removes.
pub fn run(args: &Args) -> Result<Ending> {
    match &args.command {
        WeightsCommand::Fetch { names } => fetch(names),
        WeightsCommand::List { json } => list(*json),
        WeightsCommand::Verify { names } => verify(names),
        WeightsCommand::Path { name } => path(name),
        WeightsCommand::Remove { names } => remove(names),
    }
}

fn fetch(names: &[String]) -> Result<Ending> {
    let hub = Hub::from_environment()?;
    for name in names {
        let recipe = recipe(name);
        let card = resolve_card(&recipe).with_context(|| name.clone())?;
        let mut bar = FetchBar::new(false);
        let fetched = fetch_weights(&card, &recipe, &mut |at| bar.show(at))?;
        drop(bar);
        let mut out = io::stdout().lock();
        match fetched {
            Some(path) => writeln!(out, "{}", path.display())?,
            None => writeln!(out, "{} is bundled with this program", card.name)?,
        }
        // Says how the images of these weights were prepared, also where no card does and there is no network later.
        let config = file(name)?.sibling("config.json")?;
        match hub.fetch(&config, None, &mut |_| {}) {
            Ok(_) | Err(HubError::NoFile { .. }) => {}
            Err(error) => print::warning(&format!("{config} could not be fetched: {error}")),
        }
    }
    Ok(Ending::Done)
}

fn list(as_json: bool) -> Result<Ending> {
    let hub = Hub::from_environment()?;
    let files = hub.list()?;
    let mut out = io::stdout().lock();
    if as_json {
        let rows: Vec<_> = files
            .iter()
            .map(|cached| {
                json!({
                    "repository": cached.file.repository(),
                    "commit": cached.file.revision(),
                    "file": cached.file.file(),
                    "bytes": cached.bytes,
                    "path": cached.path,
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(Ending::Done);
    }
    let cache = hub.settings().cache.display();
    if files.is_empty() {
        writeln!(out, "{cache} holds no weights")?;
        return Ok(Ending::Done);
    }
    let mut table = Table::new(&["repository", "commit", "file", "MiB"]).right(&[3]);
    for cached in &files {
        table.row([
            cached.file.repository().to_owned(),
            cached.file.revision().chars().take(12).collect(),
            cached.file.file().to_owned(),
            cached.bytes.div_ceil(1 << 20).to_string(),
        ]);
    }
    write!(out, "{}", table.text())?;
    let found = words::count(files.len(), "file", "files");
    writeln!(out, "\n{found} in {cache}")?;
    Ok(Ending::Done)
}

fn verify(names: &[String]) -> Result<Ending> {
    let hub = Hub::from_environment()?;
    let mut checked = Vec::new();
    if names.is_empty() {
        let files = hub.list()?;
        checked.extend(files.into_iter().map(|cached| (cached.file, None)));
    }
    for name in names {
        let sha256 = match HubFile::is_one(name) {
            true => None,
            false => {
                let card = resolve_card(&recipe(name))?;
                // A bundled card's hash is that of the bundled file.
                card.source.sha256.filter(|_| card.source.bundled.is_none())
            }
        };
        checked.push((file(name)?, sha256));
    }
    let mut ending = Ending::Done;
    let mut out = io::stdout().lock();
    for (file, sha256) in checked {
        let says = match hub.verify(&file, sha256.as_deref())? {
            Some(Verdict::Right) => "right".into(),
            Some(Verdict::Unknown) => "no hash is known for it".into(),
            Some(Verdict::Damaged { found, expected }) => {
                ending = Ending::FoundProblems;
                format!("DAMAGED: its hash is {found}, expected {expected}")
            }
            None => {
                ending = Ending::FoundProblems;
                "not in the cache".into()
            }
        };
        writeln!(out, "{file}: {says}")?;
    }
    Ok(ending)
}

fn path(name: &str) -> Result<Ending> {
    let hub = Hub::from_environment()?;
    let file = file(name)?;
    match hub.cached(&file) {
        Some(path) => writeln!(io::stdout().lock(), "{}", path.display())?,
        None => bail!(
            "{file} is not in the cache {}; `rekindle weights fetch {name}` fetches it",
            hub.settings().cache.display()
        ),
    }
    Ok(Ending::Done)
}

fn remove(names: &[String]) -> Result<Ending> {
    let hub = Hub::from_environment()?;
    for name in names {
        let repository = match name.contains('/') && !HubFile::is_one(name) {
            true => name.clone(),
            false => file(name)?.repository().to_owned(),
        };
        let mut out = io::stdout().lock();
        match hub.remove(&repository)? {
            Some(bytes) => writeln!(out, "removed {repository}, {} MiB", bytes.div_ceil(1 << 20))?,
            None => bail!(
                "{repository} is not in the cache {}",
                hub.settings().cache.display()
            ),
        }
    }
    Ok(Ending::Done)
}

/// What a name stands for on the hub.
fn file(name: &str) -> Result<HubFile> {
    match HubFile::is_one(name) {
        true => Ok(name.parse()?),
        false => Ok(hub_file(&resolve_card(&recipe(name))?)?),
    }
}

fn recipe(name: &str) -> BackboneRecipe {
    match HubFile::is_one(name) {
        true => BackboneRecipe {
            weights: Some(name.into()),
            ..BackboneRecipe::default()
        },
        false => BackboneRecipe {
            name: name.to_owned(),
            weights: None,
        },
    }
}
