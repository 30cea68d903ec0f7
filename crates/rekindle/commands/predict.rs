//! `rekindle predict`: a model and images to classes with probabilities, to labels, or to numbers.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use rekindle_data::{BadImages, Dataset, OutputKind};
use rekindle_model::ensemble::{AfterTraining, TestTime};
use rekindle_model::{ModelInfo, Predictor, Said, device_from_name};

use super::data_settings::data_settings;
use super::images::{list, with_others};
use super::model::model_path;
use super::sorted::Sorted;
use crate::Ending;
use crate::args::{BadImagesArg, InferenceArgs, at_least_one, probability};
use crate::print::{
    self,
    predictions::{self, Columns, Prediction},
    progress::ImageBar,
    values::{self, Kind, Row},
};

/// Predict the classes, labels or numbers of images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// Images, folders of images, manifests that name images, or tar shards; `-` for paths on standard input, one a line
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Show the N most likely classes of each image [default: 3]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub top: Option<usize>,
    /// Minimum probability of a label, for models with several labels per image [default: 0.5]
    #[arg(long, value_name = "P", value_parser = probability)]
    pub threshold: Option<f32>,
    /// Answer `unknown` where fewer held-out images than this share are as unlike the training images, see `rekindle familiarity`
    #[arg(long, value_name = "P", value_parser = probability)]
    pub min_familiarity: Option<f32>,
    /// Copy each image into DIR/CLASS by its most likely class; DIR must be new or empty
    #[arg(long, value_name = "DIR")]
    pub sort: Option<PathBuf>,
    /// Average predictions over further views: `flip`, scales such as 1.15, or both, as flip,1.15
    #[arg(long, value_name = "VIEWS")]
    pub tta: Option<TestTime>,
    /// How manifests are read: a setting that begins with `data.`, such as data.root=DIR; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print a JSON array
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV with a header
    #[arg(long)]
    pub csv: bool,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// Classes shown for each image where nothing is said.
const TOP: usize = 3;

/// Predicts and prints.
pub fn run(args: &Args) -> Result<Ending> {
    let device = device_from_name(&args.inference.device)?;
    let path = model_path(&args.model)?;
    let settings = data_settings(&args.set)?;
    let folder = list(&args.images, &settings.source_options())?;
    for warning in &folder.warnings {
        print::note(&warning.to_string());
    }
    let mut predictor = Predictor::load(&path, &device)?;
    if let Some(views) = &args.tta {
        predictor = predictor.with_test_time(views);
    }
    let limits = predictor.info().preprocessing.limits();
    // Each image is needed once.
    let dataset = Dataset::new(folder, limits, 0);
    let samples: Vec<usize> = (0..dataset.len()).collect();
    let skips = matches!(args.inference.bad_images, BadImagesArg::Skip);
    if !skips {
        // Before the first row is printed; an image that is damaged further on is found when it is needed.
        dataset.verify_some_headers(BadImages::Fail, settings.checked_headers)?;
    }
    check_options(args, predictor.info())?;
    let mut sorted = args.sort.as_deref().map(Sorted::new).transpose()?;
    let dataset = Arc::new(dataset);
    let mut rows = Rows::new(&predictor, args);
    let bar = ImageBar::new(samples.len());
    let batch_size = args.inference.batch_size_of_a_stream();
    let mut write = |batch: &[usize], found: Vec<Said>, bad: usize| -> Result<()> {
        if let Some(sorted) = &mut sorted {
            sorted.add(
                &dataset,
                batch,
                &found,
                predictor.info(),
                args.min_familiarity,
            )?;
        }
        let paths = batch.iter().map(|&sample| {
            let sample = &dataset.folder().samples[sample];
            sample.path.clone()
        });
        let text = rows.text(paths.zip(found).collect())?;
        bar.above(|| {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        })?;
        bar.add(batch.len() + bad);
        Ok(())
    };
    let mut left_out = Vec::new();
    let list = skips.then_some(&mut left_out);
    let done = predictor.say_each(&dataset, &samples, batch_size, list, &mut write);
    drop(bar);
    done.map_err(|error| with_others(error, &dataset))?;
    io::stdout().lock().write_all(rows.end()?.as_bytes())?;
    if !left_out.is_empty() {
        print::bad_images(&left_out);
        let (bad, images) = (left_out.len(), samples.len());
        print::warning(&format!("{bad} of {images} images were left out"));
    }
    Ok(Ending::Done)
}

/// Refuses options that the model's task has no use for.
fn check_options(args: &Args, info: &ModelInfo) -> Result<()> {
    let task = info.task;
    let name = task.name();
    if args.min_familiarity.is_some() && info.after.familiarity.is_none() {
        bail!(
            "--min-familiarity is for models that know what their training images are like, and this one does not; \
             `rekindle familiarity` makes one that does"
        );
    }
    if args.min_familiarity.is_some() && task.outputs() != OutputKind::Distribution {
        bail!(
            "--min-familiarity is for models of one class of several, but this one is for {name}; leave it out: the familiarity \
             itself is told all the same"
        );
    }
    if args.top.is_some() && task.outputs() != OutputKind::Distribution {
        bail!(
            "--top is for models of one class of several, but this one is for {name}; leave it out"
        );
    }
    if args.threshold.is_some() && task.outputs() != OutputKind::Indicators {
        bail!(
            "--threshold is for models of several labels, but this one is for {name}; leave it out"
        );
    }
    if args.sort.is_some() && task.outputs() != OutputKind::Distribution {
        bail!(
            "--sort is for models of one class of several, but this one is for {name}; leave it out"
        );
    }
    Ok(())
}

/// The rows of a prediction as text, a batch at a time.
struct Rows<'a> {
    names: &'a [String],
    outputs: OutputKind,
    after: &'a AfterTraining,
    args: &'a Args,
    width: Option<usize>,
    /// Whether any were there before.
    begun: bool,
}

impl<'a> Rows<'a> {
    fn new(predictor: &'a Predictor, args: &'a Args) -> Self {
        Self {
            names: &predictor.info().classes,
            outputs: predictor.info().task.outputs(),
            after: &predictor.info().after,
            args,
            width: print::terminal_width(),
            begun: false,
        }
    }

    /// The text of the next rows, the first behind what stands above all.
    fn text(&mut self, found: Vec<Row>) -> Result<String> {
        let mut out = Vec::new();
        let (names, width) = (self.names, self.width);
        let format = (self.args.json, self.args.csv);
        let kind = match self.outputs {
            OutputKind::Distribution => None,
            OutputKind::Indicators => Some(Kind::Labels {
                threshold: self.args.threshold.unwrap_or(0.5),
            }),
            OutputKind::Numbers => Some(Kind::Numbers),
        };
        match kind {
            None => {
                let top = self.args.top.unwrap_or(TOP);
                let found: Vec<Prediction> = found
                    .into_iter()
                    .map(|(path, said)| {
                        let found = Prediction::new(path, &said.values, top, self.after);
                        found.with_familiarity(said.familiarity, self.args.min_familiarity)
                    })
                    .collect();
                let columns = Columns {
                    top,
                    likeliest: self.after.threshold.is_some()
                        || self.args.min_familiarity.is_some(),
                    familiarity: self.after.familiarity.is_some(),
                };
                match format {
                    (true, _) => self.add_json(&mut out, &predictions::json(&found, names)?),
                    (_, true) => predictions::csv(&mut out, &found, names, columns)?,
                    _ => predictions::table(&mut out, &found, names, width)?,
                }
            }
            Some(kind) => match format {
                (true, _) => self.add_json(&mut out, &values::json(&found, names, kind)?),
                (_, true) => {
                    let familiar = self.after.familiarity.is_some();
                    values::csv(&mut out, &found, names, kind, familiar)?;
                }
                _ => values::table(&mut out, &found, names, kind, width)?,
            },
        }
        let mut text = String::from_utf8(out)?;
        // The heading stands above the first rows alone.
        if self.begun && !self.args.json {
            let heading = text.find('\n').map_or(text.len(), |end| end + 1);
            text.drain(..heading);
        }
        self.begun = true;
        Ok(text)
    }

    /// Adds the objects of an array to those before.
    fn add_json(&self, out: &mut Vec<u8>, array: &str) {
        let objects = array.trim_start_matches("[\n").trim_end_matches("\n]");
        out.extend(if self.begun { ",\n" } else { "[\n" }.as_bytes());
        out.extend(objects.as_bytes());
    }

    /// What stands below all rows.
    fn end(&mut self) -> Result<String> {
        Ok(match (self.begun, self.args.json) {
            (true, true) => "\n]\n".into(),
            (false, true) => "[]\n".into(),
            (true, false) => String::new(),
            (false, false) => self.text(Vec::new())?,
        })
    }
}
