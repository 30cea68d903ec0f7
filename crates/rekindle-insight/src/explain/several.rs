//! Explanations of networks that answer together, and of one on several views. Owns how gradients go through what becomes of their outputs,
//! and how their maps become one; the derivatives of the former are `rekindle_model`'s, the places of the latter `layout.rs`'s.
//!
//! The score is the combination's own ([`Predictor::scores`]), and each network is explained by its derivative with respect to what is in
//! that network. Maps of stages are averaged with the weights by which networks enter; those of pixels add up.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use rekindle_augment::{RgbBatch, RgbImage};
use rekindle_model::ensemble::Leaf;
use rekindle_model::{Features, Predictor, Probe};

use super::layout::Layout;
use super::occlusion::starts;
use super::{
    Baseline, ExplainOptions, Explainer, HeatMap, Method, MethodMap, StageMaps, gauss_legendre,
    refused, stage_of,
};
use crate::InsightError;

/// Where the networks are cut: an entry for each leaf, in the order of [`Predictor::leaves`].
#[derive(Debug)]
pub(super) struct Several {
    /// The name of the stage, and the cut behind it; none where no method is about one.
    stages: Vec<Option<(String, Arc<Probe>)>>,
    /// The cut at the images.
    images: Vec<Option<Arc<Probe>>>,
}

/// An image as the networks see it, and what they say.
pub(super) struct Seen<'a> {
    model: &'a Predictor,
    leaves: Vec<Leaf<'a>>,
    /// An input of each leaf, and its outputs.
    inputs: Vec<Tensor<4>>,
    rows: Vec<Vec<f32>>,
    /// Where each leaf's view lies in the first one.
    layouts: Vec<Layout>,
}

impl Several {
    /// Cuts the networks.
    ///
    /// # Errors
    ///
    /// One has not the stage, or none with a map.
    pub fn new(model: &Predictor, options: &ExplainOptions) -> Result<Self, InsightError> {
        let of_stage = options.methods.iter().any(|method| method.is_of_a_stage());
        let whole = options.methods.contains(&Method::IntegratedGradients);
        let leaves = model.leaves();
        let mut stages: Vec<Option<(String, Arc<Probe>)>> = Vec::with_capacity(leaves.len());
        let mut images: Vec<Option<Arc<Probe>>> = Vec::with_capacity(leaves.len());
        // Views of one network follow each other, and share its cuts.
        let mut last: Option<(&Leaf, usize)> = None;
        for leaf in &leaves {
            let before = last.filter(|(before, _)| std::ptr::eq(before.network, leaf.network));
            let mut cut = 0;
            stages.push(match of_stage {
                false => None,
                true => {
                    let size = input_size(model, leaf);
                    let (name, place) = stage_of(size, leaf.network, options.stage.as_deref())?;
                    cut = place;
                    let known = stages.last().cloned().flatten();
                    let known = known.filter(|_| before.is_some_and(|(_, cut)| cut == place));
                    known.or_else(|| Some((name, Arc::new(Probe::new(leaf.network, place)))))
                }
            });
            images.push(match whole {
                false => None,
                true => {
                    let known = images.last().cloned().flatten();
                    let known = known.filter(|_| before.is_some());
                    known.or_else(|| Some(Arc::new(Probe::new(leaf.network, 0))))
                }
            });
            last = Some((leaf, cut));
        }
        Ok(Self { stages, images })
    }

    /// Runs the networks on the views of an image; `source` is the image's size, without which there is one view.
    ///
    /// # Errors
    ///
    /// There are several views, and it is not known of what.
    pub fn see<'a>(
        &self,
        model: &'a Predictor,
        views: &[RgbImage],
        source: Option<(u32, u32)>,
    ) -> Result<Seen<'a>, InsightError> {
        if views.len() > 1 && source.is_none() {
            return Err(refused(
                "the views are of an image of unknown size; take them from `Predictor::views_of`"
                    .into(),
            ));
        }
        let batches = views.iter().cloned().map(RgbBatch::from_image);
        let batches: Vec<RgbBatch> = batches.collect();
        let leaves = model.leaves();
        let layout = |leaf: &Leaf| {
            let sizes = [input_size(model, &leaves[0]), input_size(model, leaf)];
            let parts = source.map(|source| {
                [0, leaf.view].map(|view: usize| model.pipelines()[view].frame(source))
            });
            Layout::new(sizes, parts)
        };
        let input = |leaf: &Leaf| model.input_of(leaf, &batches[leaf.view]);
        let inputs: Vec<Tensor<4>> = leaves.iter().map(input).collect();
        let pairs = leaves.iter().zip(&inputs);
        let rows = pairs.map(|(leaf, input)| outputs(leaf, input.clone()));
        Ok(Seen {
            model,
            rows: rows.collect(),
            inputs,
            layouts: leaves.iter().map(layout).collect(),
            leaves,
        })
    }

    /// A map for each method of an explainer.
    pub fn maps(&self, of: &Explainer, seen: &Seen, output: usize, unit: f64) -> Vec<MethodMap> {
        let methods = of.options().methods.iter();
        let each = |method: &Method| match method {
            Method::GradCam | Method::GradCamPlusPlus => {
                self.of_stages(seen, *method, output, unit)
            }
            Method::IntegratedGradients => self.integrated(of, seen, output, unit),
            Method::Occlusion => occluded(of, seen, output, unit),
        };
        methods.map(each).collect()
    }

    fn of_stages(&self, seen: &Seen, method: Method, output: usize, unit: f64) -> MethodMap {
        let slopes = seen.slopes(&seen.rows, output);
        let mut maps: Vec<(HeatMap, &Layout)> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for (place, leaf) in seen.leaves.iter().enumerate() {
            let Some((name, probe)) = &self.stages[place] else {
                continue;
            };
            if leaf.weight <= 0.0 {
                continue;
            }
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
            let at = probe.at(seen.inputs[place].clone());
            let Features::Maps { maps: values, .. } = &at else {
                unreachable!("a probe gives maps");
            };
            let [.., height, width] = values.dims();
            let activations: Vec<f32> = values.clone().into_data().iter::<f32>().collect();
            // As if the network were the whole: Grad-CAM++ is not proportional to its gradients.
            let factor = unit / leaf.weight;
            let factors = slopes[place].iter().map(|slope| (slope * factor) as f32);
            let slope = probe.differentiate_sum(at, |_| factors.collect());
            let gradients: Vec<f32> = slope.gradient.into_data().iter::<f32>().collect();
            let found = StageMaps {
                size: [height, width],
                activations: &activations,
                gradients: &gradients,
            };
            let map = match method {
                Method::GradCam => found.grad_cam(),
                _ => found.grad_cam_plus_plus(),
            };
            let map = map.times(leaf.weight);
            let map = if leaf.mirrored { map.mirrored() } else { map };
            maps.push((map, &seen.layouts[place]));
        }
        let first = maps.first().map(|(map, _)| map.size());
        let alike =
            |(map, layout): &(HeatMap, &Layout)| Some(map.size()) == first && layout.is_same_part();
        let maps: Vec<HeatMap> = match maps.iter().all(alike) {
            true => maps.into_iter().map(|(map, _)| map).collect(),
            false => maps
                .iter()
                .map(|(map, layout)| layout.sampled(map))
                .collect(),
        };
        MethodMap {
            method,
            stage: Some(names.join(" + ")),
            map: sum(&maps),
            difference: None,
        }
    }

    fn integrated(&self, of: &Explainer, seen: &Seen, output: usize, unit: f64) -> MethodMap {
        let baselines = seen.baselines(of.options().baseline);
        let ways: Vec<Tensor<4>> = seen
            .inputs
            .iter()
            .zip(&baselines)
            .map(|(input, baseline)| input.clone() - baseline.clone())
            .collect();
        let mut means: Vec<Vec<f64>> = ways
            .iter()
            .map(|way| vec![0.0; way.shape().num_elements()])
            .collect();
        for chunk in gauss_legendre(of.options().steps).chunks(of.options().together) {
            let places: Vec<f32> = chunk.iter().map(|(place, _)| *place as f32).collect();
            let count = places.len();
            let points = |leaf: usize| {
                let data = TensorData::new(places.clone(), [count, 1, 1, 1]);
                let places = Tensor::<4>::from_data(data, &ways[leaf].device());
                baselines[leaf].clone() + ways[leaf].clone() * places
            };
            let batches: Vec<Tensor<4>> = (0..ways.len()).map(points).collect();
            let slopes = seen.slopes_of_batch(&batches, output, count);
            for (leaf, batch) in batches.into_iter().enumerate() {
                let Some(probe) = &self.images[leaf] else {
                    continue;
                };
                let factors: Vec<f32> = slopes
                    .iter()
                    .flat_map(|of_leaves| of_leaves[leaf].iter().map(|slope| *slope as f32))
                    .collect();
                let slope = probe.differentiate_sum(probe.at(batch), |_| factors);
                let gradient: Vec<f32> = slope.gradient.into_data().iter::<f32>().collect();
                let mean = &mut means[leaf];
                for (gradient, (_, weight)) in gradient.chunks(mean.len()).zip(chunk) {
                    for (mean, gradient) in mean.iter_mut().zip(gradient) {
                        *mean += weight * f64::from(*gradient);
                    }
                }
            }
        }
        let pixels = |leaf: usize| {
            let [_, _, height, width] = ways[leaf].dims();
            let way: Vec<f32> = ways[leaf].clone().into_data().iter::<f32>().collect();
            let mut pixels = vec![0.0f64; height * width];
            for (at, (way, mean)) in way.iter().zip(&means[leaf]).enumerate() {
                pixels[at % (height * width)] += f64::from(*way) * mean;
            }
            let values = pixels.iter().map(|value| *value as f32).collect();
            let map = HeatMap::new([height, width], values, true);
            let map = match seen.leaves[leaf].mirrored {
                true => map.mirrored(),
                false => map,
            };
            seen.layouts[leaf].spread(&map)
        };
        let maps: Vec<HeatMap> = (0..ways.len()).map(pixels).collect();
        let pairs = seen.leaves.iter().zip(baselines);
        let of_nothing: Vec<Vec<f32>> = pairs.map(|(leaf, input)| outputs(leaf, input)).collect();
        let [at_image, at_nothing] =
            [&seen.rows, &of_nothing].map(|rows| seen.model.scores(&borrowed(rows))[output]);
        MethodMap {
            method: Method::IntegratedGradients,
            stage: None,
            map: sum(&maps).times(unit),
            difference: Some((at_image - at_nothing) * unit),
        }
    }
}

impl Seen<'_> {
    /// What the whole says, up to its own temperature.
    pub fn scores(&self) -> Vec<f32> {
        let scores = self.model.scores(&borrowed(&self.rows)).into_iter();
        scores.map(|score| score as f32).collect()
    }

    /// The derivative of an output by those of each leaf.
    fn slopes(&self, rows: &[Vec<f32>], output: usize) -> Vec<Vec<f64>> {
        self.model.slopes(&borrowed(rows), output).of_leaves
    }

    /// The rows of each leaf for each image of batches, one batch of each leaf: `[image][leaf]`.
    fn rows_of_batch(&self, batches: &[Tensor<4>], count: usize) -> Vec<Vec<Vec<f32>>> {
        let pairs = self.leaves.iter().zip(batches);
        let all: Vec<Vec<f32>> = pairs
            .map(|(leaf, batch)| outputs(leaf, batch.clone()))
            .collect();
        let row = |of: &Vec<f32>, image: usize| {
            let width = of.len() / count;
            of[image * width..][..width].to_vec()
        };
        let of_image = |image: usize| all.iter().map(|of| row(of, image)).collect();
        (0..count).map(of_image).collect()
    }

    fn slopes_of_batch(
        &self,
        batches: &[Tensor<4>],
        output: usize,
        count: usize,
    ) -> Vec<Vec<Vec<f64>>> {
        let rows = self.rows_of_batch(batches, count);
        rows.iter().map(|rows| self.slopes(rows, output)).collect()
    }

    /// The input of each leaf of a picture of one colour that says nothing.
    fn baselines(&self, baseline: Baseline) -> Vec<Tensor<4>> {
        let of = |leaf: &Leaf| {
            let (width, height) = self.model.pipelines()[leaf.view].size();
            let picture = match baseline {
                Baseline::Neutral => {
                    let mut preprocessing = leaf.info.preprocessing.clone();
                    preprocessing.input_size = input_size(self.model, leaf);
                    preprocessing.nothing()
                }
                Baseline::Black => RgbImage::from_pixel(width, height, [0; 3].into()),
                Baseline::White => RgbImage::from_pixel(width, height, [255; 3].into()),
            };
            self.model.input_of(leaf, &RgbBatch::from_image(picture))
        };
        self.leaves.iter().map(of).collect()
    }
}

/// Occlusion by the whole's score: each window covers the same part of the picture in every view.
fn occluded(of: &Explainer, seen: &Seen, output: usize, unit: f64) -> MethodMap {
    let window = of.window();
    let stride = (window / 2).max(1);
    let [height, width] = input_size(seen.model, &seen.leaves[0]);
    let host = |tensor: &Tensor<4>| -> Vec<f32> {
        let data = tensor.clone().into_data();
        data.iter::<f32>().collect()
    };
    let pixels: Vec<Vec<f32>> = seen.inputs.iter().map(host).collect();
    let baselines = seen.baselines(of.options().baseline);
    let covers: Vec<Vec<f32>> = baselines.iter().map(host).collect();
    let whole = seen.model.scores(&borrowed(&seen.rows))[output];
    let mut windows: Vec<[usize; 4]> = Vec::new();
    for top in starts(height, window, stride) {
        for left in starts(width, window, stride) {
            let (bottom, right) = ((top + window).min(height), (left + window).min(width));
            windows.push([top, bottom, left, right]);
        }
    }
    let mut falls = vec![0.0f64; height * width];
    let mut times = vec![0u32; height * width];
    for chunk in windows.chunks(of.options().together) {
        let covered = |leaf: usize| {
            let [_, channels, height, width] = seen.inputs[leaf].dims();
            let mut batch = pixels[leaf].repeat(chunk.len());
            for (image, part) in batch.chunks_mut(pixels[leaf].len()).zip(chunk) {
                let [top, bottom, mut left, mut right] = seen.layouts[leaf].window(*part);
                if seen.leaves[leaf].mirrored {
                    (left, right) = (width - right, width - left);
                }
                for channel in 0..channels {
                    for row in top..bottom {
                        let start = (channel * height + row) * width;
                        let part = start + left..start + right;
                        image[part.clone()].copy_from_slice(&covers[leaf][part]);
                    }
                }
            }
            let data = TensorData::new(batch, [chunk.len(), channels, height, width]);
            Tensor::<4>::from_data(data, &seen.inputs[leaf].device())
        };
        let batches: Vec<Tensor<4>> = (0..pixels.len()).map(covered).collect();
        let rows = seen.rows_of_batch(&batches, chunk.len());
        for (rows, [top, bottom, left, right]) in rows.iter().zip(chunk) {
            let found = seen.model.scores(&borrowed(rows))[output];
            for row in *top..*bottom {
                let part = row * width + left..row * width + right;
                let pixels = falls[part.clone()].iter_mut().zip(&mut times[part]);
                for (fall, times) in pixels {
                    *fall += whole - found;
                    *times += 1;
                }
            }
        }
    }
    let mean = falls.iter().zip(&times);
    let mean = mean.map(|(fall, times)| (fall / f64::from((*times).max(1))) as f32);
    MethodMap {
        method: Method::Occlusion,
        stage: None,
        map: HeatMap::new([height, width], mean.collect(), true).times(unit),
        difference: None,
    }
}

/// Height and width of a leaf's view; bands travel as pictures one below the other, which its input has side by side.
fn input_size(model: &Predictor, leaf: &Leaf) -> [usize; 2] {
    let (width, height) = model.pipelines()[leaf.view].size();
    let bands = leaf.info.preprocessing.bands.as_ref();
    let pictures = bands.map_or(1, |bands| bands.pictures());
    [height as usize / pictures, width as usize]
}

/// What a leaf says of a batch, row by row.
fn outputs(leaf: &Leaf, maps: Tensor<4>) -> Vec<f32> {
    let features = Features::Maps { maps, taps: None };
    let logits = leaf.network.logits(features);
    logits.into_data().iter::<f32>().collect()
}

fn borrowed(rows: &[Vec<f32>]) -> Vec<&[f32]> {
    rows.iter().map(Vec::as_slice).collect()
}

/// The sum of maps of one size; there is at least one.
fn sum(maps: &[HeatMap]) -> HeatMap {
    let mut sums = vec![0.0f64; maps[0].values().len()];
    for map in maps {
        for (sum, value) in sums.iter_mut().zip(map.values()) {
            *sum += f64::from(*value);
        }
    }
    let values = sums.iter().map(|sum| *sum as f32).collect();
    HeatMap::new(maps[0].size(), values, maps[0].is_signed())
}
