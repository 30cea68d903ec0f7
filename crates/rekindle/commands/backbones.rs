//! `rekindle backbones`: the pretrained backbones there are, and what they take.

use std::io::{self, Write};

use anyhow::{Result, bail};
use rekindle_backbone::Card;
use rekindle_model::{BackboneCost, Hub, ListedBackbone, download_url, hub_file, listed_backbones};
use serde_json::{Value, json};

use crate::Ending;
use crate::print::table::Table;

const BACKBONES_NOTES: &str = "\
Parameters and multiply-adds, for one image of the size under input, are with a classifier of 1000 classes. Top-1 is the accuracy on \
ImageNet-1k in percent as the makers of the weights report it.";

/// List the pretrained backbones
#[derive(Debug, clap::Args)]
#[command(after_help = BACKBONES_NOTES)]
pub struct Args {
    /// Only those whose names have all these words, also architectures whose weights have no card
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// All of them, also architectures whose weights have no card
    #[arg(long, conflicts_with = "words")]
    pub all: bool,
    /// Print them as JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists the backbones.
pub fn run(args: &Args) -> Result<Ending> {
    let mut found = listed_backbones(&args.words)?;
    let others = found.iter().filter(|one| !one.has_figures).count();
    if args.words.is_empty() && !args.all {
        found.retain(|one| one.has_figures);
    }
    if found.is_empty() {
        bail!(
            "no backbone has `{}` in its name; `rekindle backbones --all` lists all",
            args.words.join("` and `")
        );
    }
    let hub = Hub::from_environment().ok();
    let rows: Vec<Row<'_>> = found
        .iter()
        .map(|one| Row::new(one, hub.as_ref()))
        .collect::<Result<_>>()?;
    let mut out = io::stdout().lock();
    if args.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect::<Result<_>>()?;
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(Ending::Done);
    }
    let headings = [
        "name",
        "parameters",
        "multiply-adds",
        "input",
        "top-1",
        "licence",
        "weights",
    ];
    let mut table = Table::new(&headings).right(&[1, 2, 3, 4]);
    rows.iter().for_each(|row| table.row(row.cells()));
    write!(out, "{}", table.text())?;
    writeln!(
        out,
        "\nThe short name of an architecture, such as resnet18, stands for the weights that timm means by it."
    )?;
    if !args.all && args.words.is_empty() {
        writeln!(
            out,
            "{others} more architectures have no card: `rekindle backbones --all`, or `rekindle backbones WORD`, lists them too."
        )?;
    }
    let cards = found.iter().filter_map(|one| one.card.as_ref());
    if let Some(card) = cards.clone().find(|card| !is_bundled(card)) {
        writeln!(
            out,
            "Weights that are not bundled are fetched from the hub when they are needed; `rekindle weights fetch {}` fetches them before.",
            card.architecture
        )?;
        writeln!(
            out,
            "Without a network: download {} elsewhere, and pass it with --weights FILE. `rekindle backbones --json` has every address.",
            download_url(card)
        )?;
    }
    Ok(Ending::Done)
}

/// A line of the list.
struct Row<'a> {
    listed: &'a ListedBackbone,
    cost: BackboneCost,
    /// Where its weights are.
    weights: &'static str,
}

impl<'a> Row<'a> {
    fn new(listed: &'a ListedBackbone, hub: Option<&Hub>) -> Result<Self> {
        let cached = |card: &Card| {
            let file = hub_file(card).ok()?;
            hub?.cached(&file)
        };
        let weights = match &listed.card {
            None => "none known",
            Some(card) if is_bundled(card) => "bundled",
            Some(card) if cached(card).is_some() => "cached",
            Some(_) => "to download",
        };
        Ok(Self {
            listed,
            cost: listed.cost()?,
            weights,
        })
    }

    fn parameters_millions(&self) -> f64 {
        match &self.listed.card {
            Some(card) if self.listed.has_figures => f64::from(card.parameters_millions),
            _ => self.cost.parameters as f64 / 1e6,
        }
    }

    fn cells(&self) -> [String; 7] {
        let [height, width] = self.listed.input_size();
        let card = self.listed.card.as_ref();
        let top1 = card.and_then(|card| card.imagenet_top1);
        [
            self.listed.name().to_owned(),
            format!("{:.1} M", self.parameters_millions()),
            format!("{:.2} G", self.cost.multiply_adds as f64 / 1e9),
            format!("{height}x{width}"),
            top1.map_or_else(|| "-".into(), |top1| format!("{top1:.1} %")),
            card.map_or("-", |card| &card.licence).to_owned(),
            self.weights.to_owned(),
        ]
    }

    fn json(&self) -> Result<Value> {
        let listed = self.listed;
        let mut row = match &listed.card {
            Some(card) => serde_json::to_value(card)?,
            None => json!({
                "name": listed.name(),
                "architecture": listed.architecture.name,
                "preprocessing": {"input_size": listed.input_size()},
            }),
        };
        if !listed.has_figures {
            row["parameters_millions"] = self.parameters_millions().into();
        }
        let card = listed.card.as_ref();
        row["multiply_adds"] = self.cost.multiply_adds.into();
        row["bundled"] = card.is_some_and(is_bundled).into();
        row["cached"] = (self.weights == "cached").into();
        let url = card.filter(|card| card.source.hub.is_some() || card.source.url.is_some());
        row["url"] = url.map(download_url).into();
        Ok(row)
    }
}

fn is_bundled(card: &Card) -> bool {
    card.source.bundled.is_some() && cfg!(feature = "bundled")
}
