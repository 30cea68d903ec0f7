//! `rekindle sequence evaluate`: a model and sequences whose classes are known to figures.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use rekindle_data::{ClassIndex, Sequences, SplitName, TaskReport};
use rekindle_model::device_from_name;
use rekindle_sequence::SequencePredictor;
use serde_json::{Value, json};

use super::predict::measured;
use super::{reading, there};
use crate::Ending;
use crate::args::{BadImagesArg, SplitArg};
use crate::print::{self, figures::add_intervals, words};

/// Evaluate a model on sequences with classes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file that `rekindle sequence train` wrote
    pub model: PathBuf,
    /// The sequences, as for `sequence train`, with classes that the model knows
    pub data: PathBuf,
    /// Sequences to evaluate on [default: test/ if there is one, else val/, else all; without those that the model was trained on]
    #[arg(long)]
    pub split: Option<SplitArg>,
    /// How lists are read: a setting that begins with `data.`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the metrics as JSON
    #[arg(long)]
    pub json: bool,
    /// Device to compute on: cpu, or a backend such as wgpu:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// What to do with frames that cannot be decoded
    #[arg(long, value_name = "POLICY", default_value = "fail")]
    pub bad_images: BadImagesArg,
}

/// Measures a model and prints the figures.
pub fn run(args: &Args) -> Result<Ending> {
    there(&args.model)?;
    let device = device_from_name(&args.device)?;
    let recipe = reading(&args.set)?;
    let predictor = SequencePredictor::load(&args.model, &device)?;
    let classes = ClassIndex::new(predictor.info().classes.clone())?;
    let sequences = Sequences::open_as(&args.data, &recipe.data.source_options(), &classes)?;
    print::scan_notes(&sequences.list);
    let (part, name) = part(&sequences, args.split);
    if part.is_empty() {
        bail!(
            "`{}` has no {name} sequences; choose others with --split",
            args.data.display()
        );
    }
    let measured = measured(
        &predictor,
        sequences,
        args.bad_images,
        recipe.data.checked_headers,
    )?;
    let known = |place: &usize| predictor.was_trained_on(&measured.features[*place]);
    let all = part.len();
    let fresh: Vec<usize> = part.iter().copied().filter(|place| !known(place)).collect();
    let trained_on = all - fresh.len();
    let (chosen, left_out) = match args.split {
        None if fresh.is_empty() => bail!(
            "the model was trained on all {} of `{}`; --split all measures it on them nevertheless",
            words::count(all, "sequence", "sequences"),
            args.data.display()
        ),
        None => (fresh, trained_on),
        Some(_) => (part, 0),
    };
    if left_out > 0 {
        print::note(&format!(
            "{left_out} of {all} sequences are left out, since the model was trained on them (--split all takes all)"
        ));
    } else if trained_on > 0 {
        print::warning(&format!(
            "the model was trained on {trained_on} of {all} sequences, so the figures are too good"
        ));
    }
    let report = predictor.evaluate(&measured, &chosen)?;
    let mut out = io::stdout().lock();
    if args.json {
        let value = as_json(
            args,
            &predictor,
            &report,
            name,
            measured.bad_frames.len(),
            trained_on - left_out,
        )?;
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
        return Ok(Ending::Done);
    }
    let names: Vec<String> = predictor
        .info()
        .classes
        .iter()
        .map(|class| words::clean(class))
        .collect();
    writeln!(
        out,
        "{} on {} ({name}) of {}\n",
        args.model.display(),
        words::count(report.samples() as usize, "sequence", "sequences"),
        args.data.display()
    )?;
    write!(out, "{}", report.to_text(&names, print::width()))?;
    Ok(Ending::Done)
}

/// The sequences of a part of the data, and its name.
fn part(sequences: &Sequences, split: Option<SplitArg>) -> (Vec<usize>, &'static str) {
    let list = &sequences.list;
    let named = |split: SplitName| -> Vec<usize> {
        (0..list.samples.len())
            .filter(|place| list.samples[*place].split == Some(split))
            .collect()
    };
    match split {
        Some(SplitArg::Train) => (named(SplitName::Train), "train"),
        Some(SplitArg::Val) => (named(SplitName::Validation), "validation"),
        Some(SplitArg::Test) => (named(SplitName::Test), "test"),
        None if list.has(SplitName::Test) => (named(SplitName::Test), "test"),
        None if list.has(SplitName::Validation) => (named(SplitName::Validation), "validation"),
        Some(SplitArg::All) | None => ((0..list.samples.len()).collect(), "all"),
    }
}

fn as_json(
    args: &Args,
    predictor: &SequencePredictor,
    report: &TaskReport,
    part: &str,
    frames_left_out: usize,
    trained_on: usize,
) -> Result<Value> {
    let classes = &predictor.info().classes;
    let mut value = json!({
        "model": args.model,
        "data": args.data,
        "split": part,
        "task": report.task().name(),
        "sequences": report.samples(),
        "sequences_trained_on": trained_on,
        "frames_left_out": frames_left_out,
        "classes": classes,
    });
    add_intervals(&mut value, report)?;
    if let (Value::Object(all), Value::Object(figures)) =
        (&mut value, serde_json::to_value(report)?)
    {
        all.extend(figures.into_iter().filter(|(key, _)| key != "samples"));
    }
    let rows = value.get_mut("per_class").and_then(Value::as_array_mut);
    for (row, class) in rows.into_iter().flatten().zip(classes) {
        row["class"] = class.as_str().into();
    }
    Ok(value)
}
