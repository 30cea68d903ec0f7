//! `rekindle runs`: the runs of a folder, one of them, the best, and what sets two apart.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;
use rekindle_insight::{RunSummary, best_of, differences, runs_in, summary_of};

use crate::Ending;
use crate::print::table::Table;
use crate::print::{self, words};

/// List runs, show one, find the best, or tell two apart
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The runs in a folder, with their figures
    List {
        #[command(flatten)]
        of: Of,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// One run
    Show {
        /// The directory of a run
        run: PathBuf,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Settings and facts in which two runs differ
    Diff {
        /// The directory of a run
        first: PathBuf,
        /// That of another
        second: PathBuf,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// The directory of the best run in a folder, for scripts
    Best {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The folder in which runs are kept
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// The figure to compare by, such as macro_f1 or loss [default: the task's own, such as accuracy]
    #[arg(long, value_name = "FIGURE")]
    by: Option<String>,
}

/// Prints what was asked for.
pub fn run(args: &Args) -> Result<Ending> {
    let mut out = io::stdout().lock();
    match &args.what {
        What::List { of, json } => {
            let runs = all(&of.folder)?;
            match json {
                true => writeln!(out, "{}", serde_json::to_string_pretty(&runs)?)?,
                false => write!(out, "{}", table(&runs, of.by.as_deref()))?,
            }
        }
        What::Show { run, json } => {
            let run = summary_of(run)?;
            match json {
                true => writeln!(out, "{}", serde_json::to_string_pretty(&run)?)?,
                false => write!(out, "{}", text(&run))?,
            }
        }
        What::Diff {
            first,
            second,
            json,
        } => {
            let found = differences([first, second])?;
            if *json {
                writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
                return Ok(Ending::Done);
            }
            let names = [first, second].map(|path| path.display().to_string());
            let mut table = Table::new(&["", &names[0], &names[1]]);
            let figures = |run: &Path| summary_of(run).map(|run| run.figures);
            let [own, other] = [figures(first)?, figures(second)?];
            for (name, value) in own {
                let other = other.iter().find(|figure| figure.0 == name);
                let other = other.map_or_else(String::new, |figure| format!("{:.4}", figure.1));
                table.row([name.to_owned(), format!("{value:.4}"), other]);
            }
            for one in found {
                let [first, second] = one.values.map(|value| words::cut_back(&value, 60));
                table.row([one.key, first, second]);
            }
            write!(out, "{}", table.text())?;
        }
        What::Best { of } => {
            let runs = all(&of.folder)?;
            let by = of.by.as_deref();
            let best = best_of(&runs, by).with_context(|| {
                let figure = by.map_or_else(String::new, |by| format!(" with the figure `{by}`"));
                format!("no run in `{}` has a result{figure}, or their tasks have different figures: choose one with --by", of.folder.display())
            })?;
            writeln!(out, "{}", best.run.display())?;
        }
    }
    Ok(Ending::Done)
}

fn all(folder: &Path) -> Result<Vec<RunSummary>> {
    let (runs, failed) = runs_in(folder)?;
    for error in failed {
        print::warning(&error.to_string());
    }
    if runs.is_empty() {
        print::note(&format!("`{}` holds no runs", folder.display()));
    }
    Ok(runs)
}

fn table(runs: &[RunSummary], by: Option<&str>) -> String {
    let best = best_of(runs, by).map(|run| &run.run);
    let mut table =
        Table::new(&["run", "status", "backbone", "epochs", "time", "figure", ""]).right(&[3, 4]);
    for run in runs {
        let figure = run.figure(by).map_or_else(String::new, |(figure, value)| {
            format!("{} {}", figure.short, figure.text(value))
        });
        table.row([
            words::cut_front(&run.run.display().to_string(), 30),
            run.status.clone(),
            words::cut_back(&run.backbone, 20),
            run.epochs.to_string(),
            words::duration(Duration::from_secs_f64(run.seconds)),
            figure,
            if Some(&run.run) == best {
                "best".into()
            } else {
                String::new()
            },
        ]);
    }
    table.text()
}

fn text(run: &RunSummary) -> String {
    let best = run.best.as_ref().map_or_else(
        || "none yet".to_owned(),
        |(phase, epoch)| format!("{phase}, epoch {epoch}"),
    );
    let mut lines = vec![
        ("run".to_owned(), run.run.display().to_string()),
        ("status".into(), run.status.clone()),
        ("data".into(), run.data.display().to_string()),
        ("backbone".into(), run.backbone.clone()),
        ("epochs".into(), run.epochs.to_string()),
        (
            "time".into(),
            words::duration(Duration::from_secs_f64(run.seconds)),
        ),
        ("best".into(), best),
        (
            "validation images".into(),
            run.validation_images.to_string(),
        ),
    ];
    for &(name, value) in &run.figures {
        let text = run
            .figure(Some(name))
            .map_or_else(|| value.to_string(), |(figure, value)| figure.text(value));
        lines.push((name.replace('_', " "), text));
    }
    lines
        .iter()
        .map(|(name, value)| format!("{name:<18} {}\n", words::clean(value)))
        .collect()
}
