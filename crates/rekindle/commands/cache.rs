//! `rekindle cache`: what is kept of decoded images and their features, and its removal.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use rekindle_data::{CacheContents, cache_contents, clear_cache, default_cache_directory};
use serde_json::json;

use crate::Ending;
use crate::print::words;

const CACHE_NOTES: &str = "\
Training keeps decoded images there, and what the frozen part of a network makes of them, at most data.disk_cache_mb in all, so that \
later epochs and runs need not decode and compute them again. Everything in it can be removed at any time: a run makes anew what it \
misses, and its results are the same.";

/// Show or clear the cache of decoded images and features
#[derive(Debug, clap::Args)]
#[command(after_help = CACHE_NOTES)]
pub struct Args {
    /// Cache directory, if not the default one (data.cache_directory in a recipe)
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Remove everything in it
    #[arg(long)]
    pub clear: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// Shows or clears.
pub fn run(args: &Args) -> Result<Ending> {
    let directory = match &args.directory {
        Some(directory) => directory.clone(),
        None => default_cache_directory().context(
            "the system's cache directory is not known, since neither XDG_CACHE_HOME nor HOME is set; name one with --directory",
        )?,
    };
    let contents = match args.clear {
        true => clear_cache(&directory)
            .with_context(|| format!("cannot clear {}", directory.display()))?,
        false => cache_contents(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?,
    };
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", figures(&directory, contents, args.clear))?,
        false => write!(out, "{}", text(&directory, contents, args.clear))?,
    }
    Ok(Ending::Done)
}

fn figures(directory: &Path, contents: CacheContents, cleared: bool) -> serde_json::Value {
    let used = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default().as_secs()
    };
    json!({
        "directory": directory,
        "images": contents.entries,
        "feature_blocks": contents.features,
        "bytes": contents.bytes,
        "oldest_use_unix_seconds": contents.oldest.map(used),
        "cleared": cleared,
    })
}

fn text(directory: &Path, contents: CacheContents, cleared: bool) -> String {
    let images = words::count(contents.entries, "decoded image", "decoded images");
    let blocks = words::count(contents.features, "block of features", "blocks of features");
    let all = match (contents.entries, contents.features) {
        (_, 0) => images,
        (0, _) => blocks,
        _ => format!("{images} and {blocks}"),
    };
    let size = format!("{all}, {} MiB", contents.bytes.div_ceil(1 << 20));
    let directory = directory.display();
    match (contents.entries + contents.features, cleared) {
        (0, _) => format!("{directory} holds no decoded images\n"),
        (_, true) => format!("removed {size} from {directory}\n"),
        (_, false) => format!("{directory} holds {size}\n"),
    }
}
