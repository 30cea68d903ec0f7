//! How far an export is from its model: both compute the same images.

use burn::tensor::{Device, Tensor, TensorData};
use rekindle_augment::{Bands, Preprocessing, Rescale, RgbBatch, network_input};
use rekindle_data::OutputKind;
use rekindle_model::{Features, ModelFile, ModelInfo, Network, Predictor};

use crate::ExportError;
use crate::onnx::{OnnxFile, OnnxOptions, White, for_inference};
use crate::precision::WeightPrecision;

/// Images that an export is checked with.
const IMAGES: usize = 4;
/// The largest difference of probabilities, or of logits beside the largest of them, that is rounding.
const ROUNDING: f32 = 1e-4;

/// How well an export and its model agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Images that both computed.
    pub images: usize,
    /// What was compared: `probabilities`, `numbers` or `logits`.
    pub what: &'static str,
    /// The largest difference of one of them.
    pub difference: f32,
    /// The largest of them, to measure the difference by.
    pub largest: f32,
}

impl Agreement {
    /// Of rows that should be the same.
    pub(crate) fn of(what: &'static str, found: &[f32], expected: &[f32]) -> Self {
        let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        Self {
            images: IMAGES,
            what,
            // A number that is none is as far as can be.
            difference: differences.fold(0.0, |most, one| match one.is_nan() {
                true => f32::INFINITY,
                false => most.max(one),
            }),
            largest: expected.iter().fold(0.0, |most, one| most.max(one.abs())),
        }
    }

    /// Itself, or an error where the difference is more than rounding. Weights of 16 bits are others, and how far results are from the
    /// model's then is the user's to judge.
    ///
    /// # Errors
    ///
    /// [`ExportError::Differs`].
    pub(crate) fn or_error(self, precision: WeightPrecision) -> Result<Self, ExportError> {
        match precision == WeightPrecision::F32
            && self.difference > ROUNDING * self.largest.max(1.0)
        {
            true => Err(ExportError::Differs {
                what: self.what,
                difference: self.difference,
            }),
            false => Ok(self),
        }
    }
}

/// Computes what an ONNX file says of a few generated images, by operations of its own, and compares it with what the model says.
///
/// # Errors
///
/// The file cannot be computed, or says something else, by more than rounding.
pub fn check_onnx(
    file: &OnnxFile,
    model: &ModelFile,
    options: &OnnxOptions,
    device: &Device,
) -> Result<Agreement, ExportError> {
    let info = &model.info;
    let pixels = pictures(&info.preprocessing);
    let network = for_inference(&model.network);
    let mut logits = logits(&network, &pixels, &info.preprocessing, device);
    if info.task.outputs() != OutputKind::Numbers {
        let temperature = info.after.temperature();
        logits
            .iter_mut()
            .for_each(|logit| *logit = (f64::from(*logit) / temperature) as f32);
    }
    compared(file, info, options, &pixels, logits, device)
}

/// The same for a model of any kind, as [`predictor_to_onnx`](crate::predictor_to_onnx) writes it.
///
/// # Errors
///
/// The file cannot be computed, or says something else, by more than rounding.
pub fn check_predictor(
    file: &OnnxFile,
    predictor: &Predictor,
    options: &OnnxOptions,
) -> Result<Agreement, ExportError> {
    let info = predictor.info();
    let pixels = pictures(&info.preprocessing);
    let outputs = predictor.outputs_of(&pixels)?;
    let outputs = outputs.ok_or_else(|| ExportError::Views {
        reason: "they look at an image in several ways; export without them".into(),
    })?;
    let device = predictor.device();
    compared(file, info, options, &pixels, outputs, device)
}

/// What a file says of pictures beside the outputs of its model.
fn compared(
    file: &OnnxFile,
    info: &ModelInfo,
    options: &OnnxOptions,
    pixels: &RgbBatch,
    outputs: Vec<f32>,
    device: &Device,
) -> Result<Agreement, ExportError> {
    let own = &info.preprocessing;
    let with = |rescale: Rescale| Preprocessing {
        bands: (own.bands.as_ref()).and_then(|bands| Bands::of_rescale(bands.count(), &rescale)),
        rescale,
        ..own.clone()
    };
    let input = match options.rescale {
        Some(White::Byte) => &with(Rescale::None),
        Some(White::One) => &with(Rescale::Unit),
        None => own,
    };
    let found = numbers(file.run(network_input(pixels, input, device))?);
    let (what, expected) = match options.logits {
        true => ("logits", outputs),
        false => {
            let said = info.outputs().predictions(&outputs);
            let what = match info.number_scale {
                Some(_) => "numbers",
                None => "probabilities",
            };
            (what, said.concat())
        }
    };
    Agreement::of(what, &found, &expected).or_error(options.precision)
}

/// What a network says of pictures, row by row.
pub(crate) fn logits(
    network: &Network,
    pixels: &RgbBatch,
    input: &Preprocessing,
    device: &Device,
) -> Vec<f32> {
    let maps = network_input(pixels, input, device);
    numbers(network.logits(Features::Maps { maps, taps: None }))
}

fn numbers(rows: Tensor<2>) -> Vec<f32> {
    let data: TensorData = rows.into_data();
    data.iter::<f32>().collect()
}

/// A few pictures of soft blobs and stripes with some noise, the same ones each time, for an input of any channels.
pub(crate) fn pictures(input: &Preprocessing) -> RgbBatch {
    let [height, width] = input.input_size;
    // Bands travel as pictures one below the other.
    let height = height * input.channels().div_ceil(3);
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let mut pixels = Vec::with_capacity(IMAGES * height * width * 3);
    for image in 0..IMAGES {
        let turn = image as f32 + 1.0;
        for row in 0..height {
            for column in 0..width {
                let (y, x) = (row as f32 / height as f32, column as f32 / width as f32);
                for channel in 0..3 {
                    let wave = (turn * 7.0 * x + (channel as f32 + 1.0) * 5.0 * y * turn).sin();
                    let blob = 1.0 - ((x - 0.5).powi(2) + (y - 0.4).powi(2)) * turn;
                    let value = 0.3 + 0.25 * wave + 0.3 * blob + 0.3 * (noise() - 0.5);
                    pixels.push((value.clamp(0.0, 1.0) * 255.0) as u8);
                }
            }
        }
    }
    RgbBatch::new(pixels, IMAGES, height, width).expect("as many bytes as its pixels have")
}
