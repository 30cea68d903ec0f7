//! A plan as text: a summary to read, then every setting.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use rekindle_augment::{MixAt, MixSpec, SampleRange};
use rekindle_data::Sampling;
use rekindle_data::TargetKind;
use rekindle_data::metrics::short;
use rekindle_finetune::memory::available_memory;
use rekindle_finetune::{BatchLimit, ChosenBatch, Facts, ParameterGroup, ParameterState, Plan};

use super::words;

/// Prints a plan that is not run, as JSON or as a summary and TOML.
pub fn print(plan: &Plan, directory: &Path, json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let table: toml::Table = plan.to_toml()?.parse()?;
        let mut value = serde_json::to_value(table)?;
        value["parameters"] = serde_json::to_value(plan.parameter_groups()?)?;
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
    } else {
        write!(out, "{}\n{}", summary(plan, directory)?, plan.to_toml()?)?;
    }
    Ok(())
}

fn summary(plan: &Plan, directory: &Path) -> Result<String> {
    let (facts, recipe) = (&plan.facts, &plan.recipe);
    let mut text = String::new();
    writeln!(
        text,
        "# Plan of a run that would be written to {}; nothing is written now.",
        directory.display()
    )?;
    writeln!(text, "#")?;
    writeln!(text, "# Data      {}", images(facts))?;
    writeln!(text, "# Split     {}", split(facts))?;
    writeln!(
        text,
        "# Task      {}, loss {}",
        facts.task.name(),
        plan.loss.name()
    )?;
    if recipe.data.sampling == Sampling::Balanced {
        let images = facts.train_images;
        writeln!(
            text,
            "# Sampling  balanced: {images} images an epoch, about {} of each class",
            images / facts.classes.len()
        )?;
    }
    if let Some(found) = facts.images_before_limit {
        writeln!(text, "# Limit     {found} images before it: a smoke run")?;
    }
    writeln!(text, "# {}", names(facts))?;
    if let Some(disk) = plan.dataset.disk_cache() {
        writeln!(
            text,
            "# Cache     {}, at most {} MB",
            disk.directory().display(),
            disk.budget_bytes() >> 20
        )?;
    }
    writeln!(text, "# Memory    {}", memory(plan)?)?;
    for chosen in &plan.chosen_batches {
        writeln!(text, "# Batch     {}", words_of(chosen))?;
    }
    let [height, width] = plan.preprocessing.input_size;
    let channels = match plan.preprocessing.channels() {
        3 => String::new(),
        1 => ", grey".to_owned(),
        channels => format!(", {channels} bands"),
    };
    writeln!(
        text,
        "# Backbone  {}, input {height}x{width}{channels}, on {}, {}",
        facts.backbone,
        recipe.device,
        recipe.precision.name()
    )?;
    writeln!(text, "# Weights   {}", facts.weights)?;
    if let Some(spec) = (recipe.input.rescale).filter(|spec| spec.fixed().is_none()) {
        let name = spec.name();
        writeln!(text, "# Rescaling {name}, fitted on the training images")?;
    }
    if let Some(spec) = (recipe.input.range).filter(|spec| spec.fixed().is_none())
        && let SampleRange::Span { low, high } = plan.preprocessing.range
    {
        let name = spec.name();
        writeln!(
            text,
            "# Range     {name}, fitted on the training images: {low} is black, {high} white"
        )?;
    }
    if let Some(mix) = recipe.augment.mix {
        writeln!(text, "# Mixing    {}", mixing(&mix))?;
    }
    for (place, phase) in recipe.phase.iter().enumerate() {
        let title = words::capitalised(&phase.title());
        let cut = plan.cut(place)?;
        let trained = match facts.stages.get(cut..) {
            _ if phase.epochs == 0 => "left out".to_owned(),
            None | Some([]) => "the head alone".to_owned(),
            Some(stages) => format!("{} and the head", stages.join(", ")),
        };
        match phase.epochs {
            0 => writeln!(text, "# {title:<9} {trained}")?,
            epochs => {
                let most = words::count(epochs, "epoch", "epochs");
                writeln!(text, "# {title:<9} {trained}, at most {most}")?;
            }
        }
    }
    text.push_str(&parameters(plan)?);
    Ok(text)
}

/// The groups of parameters, phase by phase; those that are frozen as one row.
fn parameters(plan: &Plan) -> Result<String> {
    let mut text = String::from("#\n");
    let row = |cells: [&str; 7]| {
        let [phase, part, tensors, numbers, rate, decay, state] = cells;
        let row = format!(
            "# {phase:<9} {part:<16} {tensors:>7} {numbers:>11} {rate:>9} {decay:>8}  {state}"
        );
        format!("{}\n", row.trim_end())
    };
    text.push_str(&row([
        "Phase",
        "part",
        "tensors",
        "parameters",
        "rate",
        "decay",
        "",
    ]));
    let groups = plan.parameter_groups()?;
    for phase in plan.recipe.phase.iter().filter(|phase| phase.epochs > 0) {
        let own = groups.iter().filter(|group| group.phase == phase.name);
        let (frozen, own): (Vec<_>, Vec<_>) =
            own.partition(|group| group.state == ParameterState::Frozen);
        let mut name = words::capitalised(&phase.title());
        if let (Some(first), Some(last)) = (frozen.first(), frozen.last()) {
            let count = |of: fn(&ParameterGroup) -> usize| {
                frozen
                    .iter()
                    .map(|group| of(group))
                    .sum::<usize>()
                    .to_string()
            };
            let part = match first.part == last.part {
                true => first.part.clone(),
                false => format!("{} to {}", first.part, last.part),
            };
            let [tensors, numbers] = [
                count(|group| group.tensors),
                count(|group| group.parameters),
            ];
            text.push_str(&row([&name, &part, &tensors, &numbers, "", "", "frozen"]));
            name.clear();
        }
        for group in own {
            let trained = group.state == ParameterState::Trained;
            let number = |value: f64| match trained {
                // Three digits: a product such as 3e-4 times 10 is seldom what it is on paper.
                true => match format!("{value:.2e}").parse::<f64>() {
                    Ok(short) => format!("{short:e}"),
                    Err(_) => format!("{value:e}"),
                },
                false => String::new(),
            };
            let state = if trained { "" } else { group.state.words() };
            text.push_str(&row([
                &name,
                &group.part,
                &group.tensors.to_string(),
                &group.parameters.to_string(),
                &number(group.lr),
                &number(group.weight_decay),
                state,
            ]));
            name.clear();
        }
    }
    Ok(text)
}

/// About how much memory the run takes, for what, and how much there is.
fn memory(plan: &Plan) -> Result<String> {
    let estimate = plan.memory()?;
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let mut text = format!(
        "about {} MiB: program and weights {}, a training step {}, images {}, features {}, decoding {}",
        mebibytes(estimate.total()),
        mebibytes(estimate.program),
        mebibytes(estimate.step),
        mebibytes(estimate.images),
        mebibytes(estimate.features),
        mebibytes(estimate.loading),
    );
    if let Some(available) = available_memory() {
        text.push_str(&format!("; {} MiB are available", available >> 20));
        if estimate.total() > available {
            text.push_str(&format!(", so lower {}", estimate.setting()));
        }
    }
    Ok(text)
}

/// A batch size that the plan has chosen, and what it could not exceed.
pub fn words_of(chosen: &ChosenBatch) -> String {
    let limit = match chosen.limit {
        BatchLimit::Memory => "more would not fit into three quarters of the memory",
        BatchLimit::Images => "more would leave fewer than 8 steps an epoch",
        BatchLimit::Rates => "the most that rates for 16 to 32 images suit",
    };
    let parts = match chosen.micro_batch {
        0 => String::new(),
        part if part >= chosen.images => String::new(),
        part => format!(" in parts of {part}"),
    };
    let (phase, images) = (&chosen.phase, chosen.images);
    format!("{phase}: {images} images a step{parts}; {limit}")
}

/// The classes, the labels, or the numbers with their mean and deviation.
fn names(facts: &Facts) -> String {
    let heading = words::capitalised(facts.task.words().more);
    let name = |(place, name): (usize, &String)| {
        let name = words::clean(name);
        match &facts.number_scale {
            Some(scale) => format!(
                "{name} (mean {}, deviation {})",
                short(scale.mean[place]),
                short(scale.std[place])
            ),
            None => name,
        }
    };
    let names = words::list(facts.classes.iter().enumerate().map(name));
    format!("{heading:<9} {names}")
}

/// By what rule, with what share of each class, and over how many groups.
fn split(facts: &Facts) -> String {
    let pairs = facts
        .train_per_class
        .iter()
        .zip(&facts.validation_per_class);
    let shares = pairs.map(|(train, held)| *held as f64 / (train + held).max(1) as f64);
    let least = shares.clone().fold(f64::INFINITY, f64::min);
    let most = shares.fold(0.0, f64::max);
    let shares = match facts.task.targets() {
        TargetKind::Numbers => format!("{} of the images", words::percent(least)),
        _ => format!(
            "{} to {} of each {}",
            words::percent(least),
            words::percent(most),
            facts.task.words().one
        ),
    };
    let mut text = format!("by {}: {shares}", facts.divided_by);
    if let Some([train, validation]) = facts.groups {
        text.push_str(&format!(
            "; {train} groups in training, {validation} in validation"
        ));
    }
    text
}

/// Which methods mix what, and when.
pub fn mixing(mix: &MixSpec) -> String {
    let methods = [("mixup", mix.mixup_alpha), ("CutMix", mix.cutmix_alpha)];
    let methods: Vec<String> = methods
        .into_iter()
        .filter(|(_, alpha)| *alpha > 0.0)
        .map(|(name, alpha)| format!("{name} (alpha {alpha})"))
        .collect();
    let what = match mix.at {
        MixAt::Images => "the images of phases that train stages",
        MixAt::Features => "the features that phases start from",
    };
    format!("{} of {what}", methods.join(" or "))
}

fn images(facts: &Facts) -> String {
    let fewest = facts.train_per_class.iter().min().copied().unwrap_or(0);
    let most = facts.train_per_class.iter().max().copied().unwrap_or(0);
    let each = match facts.task.targets() {
        TargetKind::Numbers => String::new(),
        _ => format!(" ({fewest} to {most} a {})", facts.task.words().one),
    };
    format!(
        "{}: {} training images{each}, {} for validation",
        facts.data.display(),
        facts.train_images,
        facts.validation_images
    )
}
