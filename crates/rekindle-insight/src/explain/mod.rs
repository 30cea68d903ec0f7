//! What in a picture decided what a model says of it: Grad-CAM, Grad-CAM++, integrated gradients and occlusion.
//!
//! [`Explainer`] owns which stage, which output and which input; the methods are a file each, `cam`, `path` and `occlusion`, and work
//! without it. `several` explains networks that answer together, `layout` lays their maps over each other. `map` is their result, `overlay` draws it, `folder` keeps it in files. docs/explain.md says how to read them.

mod cam;
mod folder;
mod layout;
mod map;
mod method;
mod occlusion;
mod overlay;
mod path;
mod several;

use std::sync::Arc;

use burn::tensor::Tensor;
use rekindle_augment::{RgbBatch, RgbImage};
use rekindle_backbone::Stage;
use rekindle_model::{Features, ImageViews, ModelError, ModelInfo, Network, Predictor, Probe};
use rekindle_settings::nearest;

pub use cam::StageMaps;
pub use folder::{ExplanationFolder, INDEX};
pub use map::HeatMap;
pub use method::{Baseline, Method};
pub use occlusion::occlusion;
pub use overlay::{drawing, overlay};
pub use path::{Integrated, gauss_legendre, integrated_gradients};

use crate::InsightError;
use several::Several;

/// What is explained, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainOptions {
    /// The methods, in the order of the results. Default Grad-CAM.
    pub methods: Vec<Method>,
    /// The stage of Grad-CAM and Grad-CAM++, by its name or its number from 0. Default none: the last whose map has more than one pixel.
    pub stage: Option<String>,
    /// The class, label or number that is explained, by name. Default none: of classes and labels the most probable, of numbers the first.
    pub output: Option<String>,
    /// What stands for nothing in integrated gradients and occlusion.
    pub baseline: Baseline,
    /// Steps of integrated gradients. Default 50, as captum's.
    pub steps: usize,
    /// Side of occlusion's window in pixels; it moves by half of that. Default none: a seventh of the picture's shorter side.
    pub window: Option<usize>,
    /// Inputs that are computed at a time. Default 8; no result depends on it but by rounding.
    pub together: usize,
}

impl Default for ExplainOptions {
    fn default() -> Self {
        Self {
            methods: vec![Method::GradCam],
            stage: None,
            output: None,
            baseline: Baseline::default(),
            steps: 50,
            window: None,
            together: 8,
        }
    }
}

/// What a model says of a picture, and what in it decided that.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The place of the explained output.
    pub output: usize,
    /// Its name.
    pub name: String,
    /// What the model says of it: the probability of a class or label, or a number in its own unit.
    pub value: f32,
    /// What the maps are about: the logit of a class or label, or the number in its own unit.
    pub score: f32,
    /// A map for each method.
    pub maps: Vec<MethodMap>,
}

/// The map of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodMap {
    /// The method.
    pub method: Method,
    /// The stage that it is about, where it is about one.
    pub stage: Option<String>,
    /// Its values, of the size of the stage's map, or of the input.
    pub map: HeatMap,
    /// Of integrated gradients: the score minus that of the baseline, which the map's sum should be near.
    pub difference: Option<f64>,
}

/// Explains what a model says. It can be shared between threads.
#[derive(Debug)]
pub struct Explainer {
    model: Arc<Predictor>,
    body: Body,
    options: ExplainOptions,
    output: Option<usize>,
}

/// What answers.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one value per model")]
enum Body {
    /// A network on one view.
    One(One),
    /// Several networks, or one on several views.
    Several(Several),
}

/// The model's only network, its batch norms folded.
#[derive(Debug)]
struct One {
    network: Network,
    /// The name and the cut of the stage, where a method is about one.
    stage: Option<(String, Probe)>,
    /// The cut at the images, where a method needs it.
    images: Option<Probe>,
}

/// What a model says of a picture, and of which output the maps are.
struct Answer {
    output: usize,
    name: String,
    value: f32,
    score: f32,
    /// Numbers are standardised in the network; maps are in their own unit.
    unit: f64,
}

impl Explainer {
    /// Prepares a model.
    ///
    /// # Errors
    ///
    /// [`InsightError::Explain`] where no method or a number of 0 is asked for, or a stage or output that the model has not or that has no
    /// map.
    pub fn new(
        model: impl Into<Arc<Predictor>>,
        options: ExplainOptions,
    ) -> Result<Self, InsightError> {
        let model = model.into();
        let numbers = [
            ("steps", Some(options.steps)),
            ("together", Some(options.together)),
            ("window", options.window),
        ];
        if let Some((name, _)) = numbers.iter().find(|(_, number)| *number == Some(0)) {
            return Err(refused(format!("`{name}` is 0; expected at least 1")));
        }
        if options.methods.is_empty() {
            return Err(refused("no method is named".into()));
        }
        let of_stage = options.methods.iter().any(|method| method.is_of_a_stage());
        if let (false, Some(stage)) = (of_stage, &options.stage) {
            return Err(refused(format!(
                "stage `{stage}` is named, but only grad-cam and grad-cam++ are about one; leave it out"
            )));
        }
        let whole = options.methods.contains(&Method::IntegratedGradients);
        let body = match (model.network(), model.leaves().len()) {
            (Some(network), 1) => {
                let size = model.info().preprocessing.input_size;
                let stage = of_stage.then(|| stage_of(size, network, options.stage.as_deref()));
                let stage = stage.transpose()?;
                Body::One(One {
                    stage: stage.map(|(name, cut)| (name, Probe::new(network, cut))),
                    images: whole.then(|| Probe::new(network, 0)),
                    network: network.clone(),
                })
            }
            _ => Body::Several(Several::new(&model, &options)?),
        };
        let output = options
            .output
            .as_deref()
            .map(|name| output_of(&model, name))
            .transpose()?;
        Ok(Self {
            model,
            body,
            options,
            output,
        })
    }

    /// The model.
    pub fn model(&self) -> &Predictor {
        &self.model
    }

    /// What is explained, and how.
    pub fn options(&self) -> &ExplainOptions {
        &self.options
    }

    /// The place of the output that the options name.
    pub fn output(&self) -> Option<usize> {
        self.output
    }

    /// Explains a picture that has been through [`Predictor::pipeline`], as the network sees it.
    ///
    /// # Errors
    ///
    /// An output is not finite, or the picture has not the input's size; the model wants other views of an image, too, for which there is
    /// [`explain_views`](Self::explain_views).
    pub fn explain(&self, view: &RgbImage) -> Result<Explanation, InsightError> {
        self.explain_output(view, self.output)
    }

    /// As [`explain`](Self::explain), of the output at a place, whatever the options say; without one, of the output of their default.
    ///
    /// # Errors
    ///
    /// As there; there is no such output.
    pub fn explain_output(
        &self,
        view: &RgbImage,
        output: Option<usize>,
    ) -> Result<Explanation, InsightError> {
        self.explain_pictures(std::slice::from_ref(view), None, output)
    }

    /// As [`explain_output`](Self::explain_output), of all views of an image that the networks of a model are run on.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn explain_views(
        &self,
        views: &ImageViews,
        output: Option<usize>,
    ) -> Result<Explanation, InsightError> {
        self.explain_pictures(views.pictures(), views.source(), output)
    }

    fn explain_pictures(
        &self,
        views: &[RgbImage],
        source: Option<(u32, u32)>,
        output: Option<usize>,
    ) -> Result<Explanation, InsightError> {
        let pipelines = self.model.pipelines();
        if views.len() != pipelines.len() {
            return Err(refused(format!(
                "the model sees {} views of an image, and {} are given; give all of them, as `Predictor::views_of` makes them",
                pipelines.len(),
                views.len()
            )));
        }
        for (view, pipeline) in views.iter().zip(pipelines) {
            let (width, height) = pipeline.size();
            if view.dimensions() != (width, height) {
                let (found, other) = view.dimensions();
                return Err(refused(format!(
                    "the picture is {found}x{other}, but the model sees {width}x{height}; give it through the model's pipeline first"
                )));
            }
        }
        let (answer, maps) = match &self.body {
            Body::One(one) => {
                let batch = RgbBatch::from_image(views[0].clone());
                let image = self.model.input(&batch);
                let outputs: Vec<f32> = one.logits(image.clone()).into_data().iter().collect();
                let answer = self.answer(&outputs, output)?;
                let maps = self.maps(one, &image, answer.output, answer.unit);
                (answer, maps)
            }
            Body::Several(several) => {
                let seen = several.see(&self.model, views, source)?;
                let answer = self.answer(&seen.scores(), output)?;
                let maps = several.maps(self, &seen, answer.output, answer.unit);
                (answer, maps)
            }
        };
        Ok(Explanation {
            output: answer.output,
            name: answer.name,
            value: answer.value,
            score: answer.score,
            maps,
        })
    }

    /// What outputs up to the model's own temperature say, and of which of them the maps are.
    fn answer(&self, outputs: &[f32], output: Option<usize>) -> Result<Answer, InsightError> {
        let info: &ModelInfo = self.model.info();
        let temperature = info.after.temperature() as f32;
        let cooled: Vec<f32> = outputs.iter().map(|output| output / temperature).collect();
        let said = info.outputs().predictions(&cooled);
        let said = said.into_iter().next().unwrap_or_default();
        for (place, value) in outputs.iter().chain(&said).enumerate() {
            if !value.is_finite() {
                return Err(InsightError::Model(ModelError::NotFinite {
                    image: 0,
                    output: info.classes[place % outputs.len()].clone(),
                    value: *value,
                }));
            }
        }
        let output = output.unwrap_or_else(|| match info.number_scale {
            Some(_) => 0,
            // Of equal ones the first.
            None => (0..said.len())
                .rev()
                .max_by(|a, b| said[*a].total_cmp(&said[*b]))
                .unwrap_or(0),
        });
        let Some(name) = info.classes.get(output) else {
            let most = info.classes.len();
            return Err(refused(format!("there is no output {output} of {most}")));
        };
        Ok(Answer {
            output,
            name: name.clone(),
            value: said[output],
            score: match info.number_scale {
                Some(_) => said[output],
                None => outputs[output],
            },
            unit: match &info.number_scale {
                Some(scale) => scale.std[output],
                None => 1.0,
            },
        })
    }

    fn maps(&self, one: &One, image: &Tensor<4>, output: usize, unit: f64) -> Vec<MethodMap> {
        let stage = one.stage.as_ref().map(|(name, probe)| {
            let at = probe.at(image.clone());
            let Features::Maps { maps, .. } = &at else {
                unreachable!("a probe gives maps");
            };
            let [.., height, width] = maps.dims();
            let activations: Vec<f32> = maps.clone().into_data().iter().collect();
            let slope = probe.differentiate(at, |_| vec![output]);
            let gradient: Vec<f32> = slope.gradient.into_data().iter::<f32>().collect();
            let in_unit = |value: f32| (f64::from(value) * unit) as f32;
            let gradient: Vec<f32> = gradient.into_iter().map(in_unit).collect();
            (name, [height, width], activations, gradient)
        });
        let nothing = self.baseline();
        let together = self.options.together;
        let each = |method: Method| {
            let plain = |map: HeatMap| MethodMap {
                method,
                stage: None,
                map,
                difference: None,
            };
            match (method, &stage, &one.images) {
                (Method::IntegratedGradients, _, Some(probe)) => {
                    let steps = self.options.steps;
                    let found =
                        integrated_gradients(probe, image, &nothing, output, steps, together);
                    MethodMap {
                        difference: Some(found.difference * unit),
                        ..plain(found.map.times(unit))
                    }
                }
                (Method::GradCam | Method::GradCamPlusPlus, Some(stage), _) => {
                    let (name, size, activations, gradients) = stage;
                    let maps = StageMaps {
                        size: *size,
                        activations,
                        gradients,
                    };
                    MethodMap {
                        stage: Some((*name).clone()),
                        ..plain(match method {
                            Method::GradCam => maps.grad_cam(),
                            _ => maps.grad_cam_plus_plus(),
                        })
                    }
                }
                // What a method needs was made in `new`.
                _ => {
                    let window = self.window();
                    let run = |batch| one.logits(batch);
                    let steps = [window, (window / 2).max(1)];
                    let map = occlusion(run, image, &nothing, output, steps, together);
                    plain(map.times(unit))
                }
            }
        };
        self.options.methods.iter().copied().map(each).collect()
    }

    /// Side of occlusion's window in pixels of the first view.
    pub fn window(&self) -> usize {
        let [height, width] = self.model.info().preprocessing.input_size;
        let shorter = height.min(width);
        self.options.window.unwrap_or((shorter / 7).max(1))
    }

    /// The colour that stands for nothing; of more channels than three, that of the first three.
    pub fn baseline_colour(&self) -> [u8; 3] {
        match self.options.baseline {
            Baseline::Neutral => self.model.info().preprocessing.fill(),
            Baseline::Black => [0; 3],
            Baseline::White => [255; 3],
        }
    }

    /// The input of a picture of that colour.
    fn baseline(&self) -> Tensor<4> {
        let preprocessing = &self.model.info().preprocessing;
        let picture = match self.options.baseline {
            Baseline::Neutral => preprocessing.nothing(),
            Baseline::Black | Baseline::White => {
                let (width, height) = self.model.pipeline().size();
                RgbImage::from_pixel(width, height, self.baseline_colour().into())
            }
        };
        self.model.input(&RgbBatch::from_image(picture))
    }
}

impl One {
    fn logits(&self, maps: Tensor<4>) -> Tensor<2> {
        let features = Features::Maps { maps, taps: None };
        self.network.logits(features)
    }
}

/// The name of a stage, and how many stages there are up to it, of a network that sees images of this height and width.
fn stage_of(
    [height, width]: [usize; 2],
    network: &Network,
    wanted: Option<&str>,
) -> Result<(String, usize), InsightError> {
    let stages: &[Stage] = match &network.backbone {
        Some(backbone) => backbone.stages(),
        None => &[],
    };
    let sizes = match &network.backbone {
        Some(backbone) => backbone.summary(height, width),
        None => Vec::new(),
    };
    let pixels = |stage: usize| sizes[stage].height * sizes[stage].width;
    let Some(wanted) = wanted else {
        let last = (0..stages.len()).rev().find(|&stage| pixels(stage) > 1);
        let Some(last) = last else {
            return Err(refused(format!(
                "no stage makes a map of more than one pixel of {width}x{height} pixels; use integrated-gradients or occlusion"
            )));
        };
        return Ok((stages[last].name().to_owned(), last + 1));
    };
    let place = match wanted.parse::<usize>() {
        Ok(place) => Some(place).filter(|place| *place < stages.len()),
        Err(_) => stages.iter().position(|stage| stage.name() == wanted),
    };
    let Some(place) = place else {
        let names: Vec<&str> = stages.iter().map(Stage::name).collect();
        return Err(refused(format!(
            "there is no stage `{wanted}`; expected a number from 0 to {}, or one of {}",
            stages.len().saturating_sub(1),
            names.join(", ")
        )));
    };
    let stage = &stages[place];
    if stage.is_pooled() {
        return Err(refused(format!(
            "stage `{}` comes behind global pooling, so it has no map; choose an earlier one",
            stage.name()
        )));
    }
    Ok((stage.name().to_owned(), place + 1))
}

fn output_of(model: &Predictor, name: &str) -> Result<usize, InsightError> {
    let names = &model.info().classes;
    let found = names.iter().position(|known| known == name);
    found.ok_or_else(|| {
        let close = nearest(name, names.iter().map(String::as_str));
        let close = close.map_or(String::new(), |name| format!(", did you mean `{name}`?"));
        refused(format!(
            "the model knows no `{name}`{close}; it has {} {}",
            names.len(),
            match names.len() {
                1 => "output".to_owned(),
                count if count > 12 => format!("outputs, such as {}", names[..12].join(", ")),
                _ => format!("outputs: {}", names.join(", ")),
            }
        ))
    })
}

fn refused(reason: String) -> InsightError {
    InsightError::Explain { reason }
}
