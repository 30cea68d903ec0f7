//! `rekindle explain`: a model and images to pictures of what decided.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use rekindle_augment::SampleRng;
use rekindle_data::{Dataset, open_unlabelled};
use rekindle_insight::explain::{
    Baseline, ExplainOptions, Explainer, ExplanationFolder, INDEX, Method,
};
use rekindle_model::{Predictor, device_from_name};

use super::data_settings::data_settings;
use super::images::{usable, with_others};
use super::model::model_path;
use crate::Ending;
use crate::args::{BadImagesArg, at_least_one};
use crate::print::{self, explanations, progress::ImageBar};

const NOTES: &str = "\
FOLDER gets a picture for each image, with the maps over what the network sees of it, and explanations.json with class, probability and \
the values of the maps. A map says what the output depends on, not whether that is right: docs/explain.md says how to read it.";

/// Show what in images decided what a model says of them
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// Images, folders of images, manifests that name images, or tar shards
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Methods, separated by commas
    #[arg(long, value_name = "METHOD", value_delimiter = ',', default_value = "grad-cam", value_parser = methods())]
    pub method: Vec<String>,
    /// Stage of grad-cam and grad-cam++, by name or number from 0, see `rekindle summary BACKBONE`
    /// [default: the last whose map has more than one pixel]
    #[arg(long, value_name = "K")]
    pub stage: Option<String>,
    /// The class, label or number to explain [default: the most probable; the first number]
    #[arg(long, value_name = "NAME")]
    pub class: Option<String>,
    /// What stands for nothing in integrated-gradients and occlusion: a colour
    #[arg(long, value_name = "COLOUR", default_value = Baseline::ALL[0].name(), value_parser = baselines())]
    pub baseline: String,
    /// Steps of integrated-gradients
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub steps: usize,
    /// Side of the window of occlusion in pixels, which moves by half of it
    /// [default: a seventh of the input's shorter side]
    #[arg(long, value_name = "PX", value_parser = at_least_one)]
    pub window: Option<usize>,
    /// The folder to write to, new or empty
    #[arg(short, long, value_name = "FOLDER", default_value = "explanations")]
    pub output: PathBuf,
    /// Replace earlier explanations in FOLDER
    #[arg(long)]
    pub force: bool,
    /// How manifests are read: a setting that begins with `data.`, such as data.root=DIR; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Device to compute on: cpu, or a backend such as wgpu:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// What to do with images that cannot be decoded
    #[arg(long, value_name = "POLICY", default_value = "fail")]
    pub bad_images: BadImagesArg,
}

fn methods() -> PossibleValuesParser {
    Method::ALL.map(Method::name).into()
}

fn baselines() -> PossibleValuesParser {
    Baseline::ALL.map(Baseline::name).into()
}

/// Explains and prints what was said of each image.
pub fn run(args: &Args) -> Result<Ending> {
    let device = device_from_name(&args.device)?;
    let path = model_path(&args.model)?;
    let settings = data_settings(&args.set)?;
    if let Some(missing) = args.images.iter().find(|path| !path.exists()) {
        bail!(
            "there is no image or folder `{}`; check the path",
            missing.display()
        );
    }
    let folder = open_unlabelled(&args.images, &settings.source_options())?;
    for warning in &folder.warnings {
        print::note(&warning.to_string());
    }
    let explainer = Explainer::new(Predictor::load(&path, &device)?, options(args))?;
    let model = explainer.model();
    let limits = model.info().preprocessing.limits();
    let dataset = Dataset::new(folder, limits, 0);
    let all: Vec<usize> = (0..dataset.len()).collect();
    let (samples, left_out) = usable(&dataset, args.bad_images, settings.checked_headers, all)?;
    let mut to = ExplanationFolder::new(&args.output, &args.images, args.force, &explainer)?;
    let mut rows = Vec::with_capacity(samples.len());
    let bar = ImageBar::new(samples.len());
    for &sample in &samples {
        let image = &dataset.folder().samples[sample].path;
        let (view, explanation) = match model.pipelines() {
            [pipeline] => {
                let view = dataset.view(sample, pipeline, &mut SampleRng::new(0, 0, 0));
                let view = view.map_err(|error| {
                    let error = rekindle_model::ModelError::from(error);
                    with_others(error.into(), &dataset)
                })?;
                let explanation = explainer.explain(&view)?;
                (view, explanation)
            }
            _ => {
                let context = || format!("cannot explain {}", image.display());
                let bytes = dataset.folder().read(&dataset.folder().samples[sample]);
                let limits = model.info().preprocessing.limits();
                let views = model.views_of(&bytes.with_context(context)?, &limits);
                let views = views.with_context(context)?;
                let output = explainer.output();
                (
                    views.first().clone(),
                    explainer.explain_views(&views, output)?,
                )
            }
        };
        let drawing = to.add(image, &view, &explanation, &explainer)?;
        rows.push(explanations::Row {
            image: image.clone(),
            name: explanation.name,
            value: explanation.value,
            drawing,
        });
        bar.add(1);
    }
    drop(bar);
    to.finish()?;
    let mut out = io::stdout().lock();
    let task = model.info().task;
    let text = explanations::table(&rows, task, print::terminal_width());
    writeln!(out, "{text}{}", args.output.join(INDEX).display())?;
    if left_out > 0 {
        let images = samples.len() + left_out;
        print::warning(&format!("{left_out} of {images} images were left out"));
    }
    Ok(Ending::Done)
}

fn options(args: &Args) -> ExplainOptions {
    let mut methods: Vec<Method> = Vec::new();
    for method in args
        .method
        .iter()
        .filter_map(|name| Method::from_name(name))
    {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    let baseline = Baseline::ALL
        .into_iter()
        .find(|baseline| baseline.name() == args.baseline);
    ExplainOptions {
        methods,
        stage: args.stage.clone(),
        output: args.class.clone(),
        baseline: baseline.unwrap_or_default(),
        steps: args.steps,
        window: args.window,
        ..ExplainOptions::default()
    }
}
