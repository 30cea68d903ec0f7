//! `rekindle backbones`: the pretrained weights there are.

use std::io::{self, Write};

use anyhow::Result;
use rekindle_backbone::Card;
use rekindle_model::{cards, download_url};

use crate::Ending;
use crate::print::table::Table;

/// List the pretrained backbones
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the cards as JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists the cards.
pub fn run(args: &Args) -> Result<Ending> {
    let cards = cards()?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json(&cards)?)?;
        return Ok(Ending::Done);
    }
    let mut table = Table::new(&["name", "parameters", "input", "top-1", "licence", "weights"])
        .right(&[1, 2, 3]);
    for card in &cards {
        let [height, width] = card.preprocessing.input_size;
        let top1 = card
            .imagenet_top1
            .map_or_else(|| "-".into(), |top1| format!("{top1:.1} %"));
        let weights = if is_bundled(card) {
            "bundled"
        } else {
            "to download"
        };
        table.row([
            card.name.clone(),
            format!("{:.1} M", card.parameters_millions),
            format!("{height}x{width}"),
            top1,
            card.licence.clone(),
            weights.into(),
        ]);
    }
    write!(out, "{}", table.text())?;
    writeln!(
        out,
        "\nThe short name of an architecture, such as resnet18, stands for the weights that timm means by it."
    )?;
    if let Some(card) = cards.iter().find(|card| !is_bundled(card)) {
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

fn is_bundled(card: &Card) -> bool {
    card.source.bundled.is_some() && cfg!(feature = "bundled")
}

fn json(cards: &[Card]) -> Result<String> {
    let mut rows = Vec::new();
    for card in cards {
        let mut row = serde_json::to_value(card)?;
        row["bundled"] = is_bundled(card).into();
        row["url"] = card.source.hub.is_some().then(|| download_url(card)).into();
        rows.push(row);
    }
    Ok(serde_json::to_string_pretty(&rows)?)
}
