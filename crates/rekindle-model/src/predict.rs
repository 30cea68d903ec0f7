//! Predictions from a model file alone: of bytes, of decoded images, and of data sets, which the same path measures.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rekindle_augment::{
    AugmentError, DecodeLimits, JpegScaling, Pipeline, RgbBatch, RgbImage, SampleRng, decode,
    network_input,
};
use rekindle_data::{BadImage, Batch, Dataset, Target, TaskReport};

use crate::ModelError;
use crate::ensemble::{
    Leaf, Lockstep, Model, ModelParts, Slopes, TestTime, ViewList, Whole, mirrored,
};
use crate::files::read;
use crate::model_file::{ModelFile, ModelInfo, parse};
use crate::network::{Features, Network};

/// A model for inference: one network, or several that answer together. It can be shared between threads.
#[derive(Debug)]
pub struct Predictor {
    model: Model,
    /// The views that its networks are run on.
    views: ViewList,
    device: Device,
}

/// One image as the networks of a [`Predictor`] see it: a picture for each of its views, of which most models have one.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageViews {
    pictures: Vec<RgbImage>,
    /// Width and height of the image, where it has several views.
    source: Option<(u32, u32)>,
}

/// What a model says of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The probabilities of the classes or of each label, or numbers in their own units, in the order of [`ModelInfo::classes`].
    pub values: Vec<f32>,
    /// The share of held-out pictures that are at least as unlike the training pictures as this one, from 0 to 1; none of models that
    /// know no [`Familiarity`](crate::Familiarity).
    pub familiarity: Option<f32>,
}

impl Said {
    fn all(rows: Vec<Vec<f32>>, shares: Option<Vec<f32>>) -> Vec<Self> {
        let shares = shares.into_iter().flatten().map(Some);
        let shares = shares.chain(std::iter::repeat(None));
        let each = rows.into_iter().zip(shares);
        each.map(|(values, familiarity)| Self {
            values,
            familiarity,
        })
        .collect()
    }

    fn values(all: Vec<Self>) -> Vec<Vec<f32>> {
        all.into_iter().map(|said| said.values).collect()
    }
}

impl ImageViews {
    /// The picture that [`Predictor::pipeline`] makes, which the first network is run on first.
    pub fn first(&self) -> &RgbImage {
        &self.pictures[0]
    }

    /// The pictures that [`Predictor::pipelines`] make, in their order.
    pub fn pictures(&self) -> &[RgbImage] {
        &self.pictures
    }

    /// Width and height of the image that they are of; none where there is one view, for which it need not be known.
    pub fn source(&self) -> Option<(u32, u32)> {
        self.source
    }
}

impl Predictor {
    /// Loads a model file onto a device; batch norms are folded. It computes in the precision of the model's training.
    ///
    /// # Errors
    ///
    /// As [`ModelFile::load`], but for a file of several networks, which is taken.
    pub fn load(path: &Path, device: &Device) -> Result<Self, ModelError> {
        Self::of_bytes(&read(path)?, path, device)
    }

    /// The same from the bytes of a file, such as one that is part of the program.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self, ModelError> {
        Self::of_bytes(bytes, Path::new("the model in memory"), device)
    }

    fn of_bytes(bytes: &[u8], origin: &Path, device: &Device) -> Result<Self, ModelError> {
        let (info, state) = parse(bytes, origin)?;
        let model = Model::of_state(info, state, origin, device)?;
        Ok(Self::of_model(model, &TestTime::default(), device))
    }

    /// The same of a model that is not in a file yet. Where it names no views of its own, it is run on `inherited` ones, as a member of a
    /// combination that names them is.
    ///
    /// # Errors
    ///
    /// Its tensors do not fit what it says of itself.
    pub fn of_parts(
        parts: &ModelParts,
        inherited: &TestTime,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let (info, state) = (parts.info.clone(), parts.state.clone());
        let model = Model::of_state(info, state, parts.source.as_ref(), device)?;
        Ok(Self::of_model(model, inherited, device))
    }

    /// A network that is on this device.
    pub fn new(model: ModelFile, device: &Device) -> Self {
        Self::of_model(Model::of_network(model), &TestTime::default(), device)
    }

    fn of_model(mut model: Model, inherited: &TestTime, device: &Device) -> Self {
        let mut views = ViewList::default();
        model.choose_views(inherited, &mut views);
        Self {
            model,
            views,
            device: device.clone(),
        }
    }

    /// The same on other views of each image, in place of those that the file names: predictions are the mean of those of all views.
    pub fn with_test_time(mut self, test_time: &TestTime) -> Self {
        self.model.set_test_time(test_time);
        Self::of_model(self.model, &TestTime::default(), &self.device)
    }

    /// What the file says of itself.
    pub fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    /// The network, its batch norms folded; none where several answer together, which [`networks`](Self::networks) lists.
    pub fn network(&self) -> Option<&Network> {
        self.model.network()
    }

    /// Every network with what its own file says of it, members of members too, in their order. Its outputs may be in another order than
    /// those of the whole: compare names.
    pub fn networks(&self) -> Vec<(&ModelInfo, &Network)> {
        fn add<'a>(model: &'a Model, all: &mut Vec<(&'a ModelInfo, &'a Network)>) {
            all.extend(model.network().map(|network| (model.info(), network)));
            model.members().iter().for_each(|member| add(member, all));
        }
        let mut all = Vec::new();
        add(&self.model, &mut all);
        all
    }

    /// What it is made of, to be written down in another form.
    pub fn whole(&self) -> Whole<'_> {
        self.model.whole(None)
    }

    /// Outputs row by row, `[batch * outputs]`, of pictures that have been through [`Predictor::pipeline`]; none of a model whose networks
    /// want other views of an image, too.
    ///
    /// # Errors
    ///
    /// An output is not finite.
    pub fn outputs_of(&self, images: &RgbBatch) -> Result<Option<Vec<f32>>, ModelError> {
        match self.views.pipelines() {
            [_] => {
                let views = std::slice::from_ref(images);
                Ok(Some(self.model.outputs(views, &self.device)?))
            }
            _ => Ok(None),
        }
    }

    /// The evaluation view of an image that the first network is run on first.
    pub fn pipeline(&self) -> &Pipeline {
        &self.views.pipelines()[0]
    }

    /// The evaluation views of an image that its networks are run on; most models have one.
    pub fn pipelines(&self) -> &[Arc<Pipeline>] {
        self.views.pipelines()
    }

    /// Every network on every view that it is run on, members of members too, in their order: what an answer is made of.
    pub fn leaves(&self) -> Vec<Leaf<'_>> {
        let mut all = Vec::new();
        self.model.add_leaves(1.0, &mut all);
        all
    }

    /// A leaf's input of its view of an image, see [`input`](Self::input).
    pub fn input_of(&self, leaf: &Leaf, view: &RgbBatch) -> Tensor<4> {
        let turned = leaf.mirrored.then(|| mirrored(view));
        let view = turned.as_ref().unwrap_or(view);
        network_input(view, &leaf.info.preprocessing, &self.device)
    }

    /// What the model says of one image, from what each of its [leaves](Self::leaves) says: as [`Slopes::outputs`].
    ///
    /// # Panics
    ///
    /// Where there are not as many rows as leaves.
    pub fn scores(&self, rows: &[&[f32]]) -> Vec<f64> {
        self.model.scores(rows)
    }

    /// The same, with how one output depends on what each of its leaves says.
    ///
    /// # Panics
    ///
    /// Where there are not as many rows as leaves, or no such output.
    pub fn slopes(&self, rows: &[&[f32]], output: usize) -> Slopes {
        self.model.slopes(rows, output)
    }

    /// The device that it computes on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The network's input of a batch of pixels that has been through [`Predictor::pipeline`]; of several networks, that of the first.
    ///
    /// # Shapes
    ///
    /// `[batch, height, width, 3]` bytes to `[batch, 3, height, width]`, or of bands, which travel as
    /// [`Bands`](rekindle_augment::Bands) says, `[batch, bands, height, width]`.
    pub fn input(&self, images: &RgbBatch) -> Tensor<4> {
        network_input(images, &self.model.info().preprocessing, &self.device)
    }

    /// What the model says of the bytes of one image file: the probabilities of the classes or of each label, or numbers in their own
    /// units, in the order of [`ModelInfo::classes`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use rekindle_model::{Predictor, device_from_name};
    ///
    /// let model = Predictor::load("runs/photos-1/model.safetensors".as_ref(), &device_from_name("cpu")?)?;
    /// let probabilities = model.predict_bytes(&std::fs::read("photo.jpg")?)?;
    /// for (class, probability) in model.info().classes.iter().zip(probabilities) {
    ///     println!("{class} {probability:.3}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The bytes cannot be decoded, or an output is not finite.
    pub fn predict_bytes(&self, bytes: &[u8]) -> Result<Vec<f32>, ModelError> {
        let views = self.views_of(bytes, &DecodeLimits::default())?;
        let mut rows = self.predict_views_of(std::slice::from_ref(&views))?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// What the networks see of the bytes of one image file: the first half of [`predict_bytes`](Self::predict_bytes), which takes no
    /// network, so that many threads can do it while another one predicts. Samples are read in the range and channels that the model was
    /// trained with, whatever those of the limits.
    ///
    /// # Errors
    ///
    /// The bytes cannot be decoded within the limits.
    pub fn views_of(&self, bytes: &[u8], limits: &DecodeLimits) -> Result<ImageViews, ModelError> {
        let limits = self.info().preprocessing.limits_over(limits.clone());
        // One view of a large picture takes a few of its rows at a time; several views are of one decoded picture.
        if let [pipeline] = self.views.pipelines() {
            let rng = &mut SampleRng::new(0, 0, 0);
            let view = pipeline.apply_bytes(bytes, &limits, JpegScaling::Full, rng)?;
            return Ok(ImageViews {
                pictures: vec![view.image],
                source: None,
            });
        }
        Ok(self.views_of_image(&decode(bytes, &limits)?.image))
    }

    /// The same of a decoded, upright image.
    pub fn views_of_image(&self, image: &RgbImage) -> ImageViews {
        let pipelines = self.views.pipelines();
        let view = |pipeline: &Arc<Pipeline>| pipeline.apply(image, &mut SampleRng::new(0, 0, 0));
        // Bands travel as pictures one below the other.
        let bands = self.info().preprocessing.bands.as_ref();
        let pictures = bands.map_or(1, |bands| bands.pictures()) as u32;
        let (width, height) = image.dimensions();
        ImageViews {
            pictures: pipelines.iter().map(view).collect(),
            source: (pipelines.len() > 1).then_some((width, height / pictures)),
        }
    }

    /// What the model says of images, all in one batch: the second half of [`predict_bytes`](Self::predict_bytes). A row for each; the
    /// others change no more of it than the last digit.
    ///
    /// # Errors
    ///
    /// An output is not finite.
    ///
    /// # Panics
    ///
    /// Where the views are another predictor's, which has another number of them or other sizes.
    pub fn predict_views_of(&self, images: &[ImageViews]) -> Result<Vec<Vec<f32>>, ModelError> {
        Ok(Said::values(self.said_of_views(images)?))
    }

    /// As [`predict_views_of`](Self::predict_views_of), with how familiar each image is.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn said_of_views(&self, images: &[ImageViews]) -> Result<Vec<Said>, ModelError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let of_view = |view: usize| batch_of(images.iter().map(|image| &image.pictures[view]));
        let views = (0..self.views.pipelines().len()).map(of_view);
        let views: Vec<RgbBatch> = views.collect::<Result<_, _>>()?;
        self.said(&views)
    }

    /// What the model says of decoded, upright images, all in one batch: a row for each, as [`predict_bytes`](Self::predict_bytes) has
    /// it.
    ///
    /// # Errors
    ///
    /// An output is not finite.
    pub fn predict_images(&self, images: &[RgbImage]) -> Result<Vec<Vec<f32>>, ModelError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let of_view = |pipeline: &Arc<Pipeline>| {
            let view = |image: &RgbImage| pipeline.apply(image, &mut SampleRng::new(0, 0, 0));
            let views: Vec<RgbImage> = images.iter().map(view).collect();
            batch_of(views.iter())
        };
        let views = self.views.pipelines().iter().map(of_view);
        let views: Vec<RgbBatch> = views.collect::<Result<_, _>>()?;
        Ok(Said::values(self.said(&views)?))
    }

    /// What it says of the views of some images: a batch for each of the pipelines.
    fn said(&self, views: &[RgbBatch]) -> Result<Vec<Said>, ModelError> {
        let (outputs, shares) = self.model.outputs_and_shares(views, &self.device)?;
        let rows = self.finite_rows(self.info().outputs().predictions(&outputs), 0)?;
        Ok(Said::all(rows, shares))
    }

    /// What the head of the network sees of samples, `[samples * features]`, see [`Network::features`]; of its first view. `progress`
    /// gets the number of images after each batch. Of how many features it is, [`Head::features`](rekindle_head::Head::features) of the
    /// network's head says.
    ///
    /// # Errors
    ///
    /// An image cannot be read; [`ModelError::Combined`] for several networks.
    pub fn features(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<f32>, ModelError> {
        let Some(network) = self.network() else {
            let combination = self.info().after.combination.as_ref();
            return Err(ModelError::Combined {
                path: "the model".into(),
                members: combination.map_or(String::new(), |all| all.sources()),
            });
        };
        let views = &self.views.pipelines()[..1];
        let mut batches = Lockstep::new(dataset, views, samples, batch_size, false)?;
        let mut all = Vec::new();
        while let Some((batch, images)) = batches.next()? {
            let maps = self.input(&images[0]);
            let features = network.features(Features::Maps { maps, taps: None });
            all.extend(features.into_data().iter::<f32>());
            progress(batch.indices.len());
        }
        Ok(all)
    }

    /// The rows, whose numbers must all be finite; `first` is the number of the first image. Outputs that are may still be beyond what
    /// their units hold.
    fn finite_rows(&self, rows: Vec<Vec<f32>>, first: usize) -> Result<Vec<Vec<f32>>, ModelError> {
        for (place, row) in rows.iter().enumerate() {
            if let Some(output) = row.iter().position(|value| !value.is_finite()) {
                return Err(ModelError::NotFinite {
                    image: first + place,
                    output: self.info().classes[output].clone(),
                    value: row[output],
                });
            }
        }
        Ok(rows)
    }

    /// Runs over samples of a data set in order; `each` gets every batch with its logits, row by row.
    ///
    /// # Errors
    ///
    /// An image cannot be read, an output is not finite, or `each` fails.
    pub fn run(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut each: impl FnMut(&Batch, Vec<f32>) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        self.run_until(dataset, samples, batch_size, None, |batch, logits, _, _| {
            each(batch, logits)
        })
    }

    /// As [`run`](Self::run), with an error of the caller's own, and with bad images added to `left_out` where there is such a list.
    fn run_until<E: From<ModelError>>(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut left_out: Option<&mut Vec<BadImage>>,
        mut each: impl FnMut(&Batch, Vec<f32>, Option<Vec<f32>>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let views = self.views.pipelines();
        let leaves_out = left_out.is_some();
        let batches = Lockstep::new(dataset, views, samples, batch_size, leaves_out);
        let mut batches = batches.map_err(ModelError::from)?;
        loop {
            let next = batches.next().map_err(ModelError::from);
            let bad = batches.take_left_out();
            let count = bad.len();
            if let Some(left_out) = &mut left_out {
                left_out.extend(bad);
            }
            let Some((batch, images)) = next? else {
                return Ok(());
            };
            let outputs = self.model.outputs_and_shares(&images, &self.device);
            let (outputs, shares) = outputs.map_err(ModelError::from)?;
            each(&batch, outputs, shares, count)?;
        }
    }

    /// As [`predict`](Self::predict), batch by batch as they are ready: `each` gets the samples of a batch and their rows, so that memory
    /// does not grow with the number of images.
    ///
    /// # Errors
    ///
    /// An image cannot be read, an output is not finite, or `each` fails.
    pub fn predict_each<E: From<ModelError>>(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut each: impl FnMut(&[usize], Vec<Vec<f32>>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.say_each(dataset, samples, batch_size, None, |samples, said, _| {
            each(samples, Said::values(said))
        })
    }

    /// As [`predict_each`](Self::predict_each), with how familiar each image is. Where there is a list `left_out`, images that cannot be
    /// read or decoded are left out and added to it; each is decoded once all the same. `each` gets the number of those that were met
    /// before its batch, too.
    ///
    /// # Errors
    ///
    /// An image cannot be read and there is no such list, an output is not finite, or `each` fails.
    pub fn say_each<E: From<ModelError>>(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        left_out: Option<&mut Vec<BadImage>>,
        mut each: impl FnMut(&[usize], Vec<Said>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let outputs = self.info().outputs();
        let mut first = 0;
        self.run_until(
            dataset,
            samples,
            batch_size,
            left_out,
            |batch, logits, shares, bad| {
                let rows = self.finite_rows(outputs.predictions(&logits), first)?;
                first += rows.len();
                each(&batch.indices, Said::all(rows, shares), bad)
            },
        )
    }

    /// What the model says of samples, `[sample][output]`: the probabilities of the classes, or of each label, or numbers in their own
    /// units. Names are those of [`ModelInfo::classes`].
    ///
    /// # Errors
    ///
    /// An image cannot be read, or an output is not finite.
    pub fn predict(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut rows = Vec::with_capacity(samples.len());
        self.predict_each(dataset, samples, batch_size, |_, fresh| {
            rows.extend(fresh);
            Ok::<(), ModelError>(())
        })?;
        Ok(rows)
    }

    /// Measures the model on samples of a data set opened with its task and classes; `progress` gets the number of images after each
    /// batch.
    ///
    /// # Errors
    ///
    /// An image cannot be read, or an output is not finite.
    pub fn evaluate(
        &self,
        dataset: &Arc<Dataset>,
        samples: &[usize],
        batch_size: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<TaskReport, ModelError> {
        let mut meter = self.info().outputs().meter().with_scores();
        self.run(dataset, samples, batch_size, |batch, logits| {
            let targets: Vec<&Target> = batch.targets.iter().collect();
            meter.add(&logits, &targets)?;
            progress(targets.len());
            Ok(())
        })?;
        Ok(meter.report()?)
    }
}

/// Views of one size as a batch; there is at least one.
fn batch_of<'a>(
    views: impl Iterator<Item = &'a RgbImage> + Clone,
) -> Result<RgbBatch, AugmentError> {
    let (width, height) = views.clone().next().map_or((0, 0), RgbImage::dimensions);
    let mut pixels = Vec::with_capacity(views.clone().map(|view| view.as_raw().len()).sum());
    let mut images = 0;
    for view in views {
        pixels.extend_from_slice(view.as_raw());
        images += 1;
    }
    RgbBatch::new(pixels, images, height as usize, width as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predictor_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Predictor>();
    }
}
