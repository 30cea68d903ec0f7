//! Frozen work is done once: the outputs of the frozen stages, computed per image and view and kept in memory.
//!
//! Images are put into blocks of a fixed size and order, and a block is always computed as one batch. So a feature depends on the
//! block alone, not on which batch asked for it first, and a resumed run sees the same numbers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::{Device, Tensor, TensorData};
use rekindle_augment::{Pipeline, Rescale, RgbBatch, rescale};
use rekindle_backbone::Backbone;
use rekindle_head::Head;

use crate::FinetuneError;
use crate::classifier::{Features, Joint};
use crate::data::{Dataset, Loader, LoaderOptions};

/// Images per block.
const BLOCK: usize = 16;

/// The folded, frozen network, in the pieces between which features are kept.
#[derive(Debug)]
pub struct FrozenNetwork {
    /// Stages that stay frozen in both phases.
    lower: Option<Backbone>,
    /// The other stages, as they are in phase 1.
    upper: Option<Backbone>,
    /// What the head sees of each part.
    joints: [Joint; 2],
    /// The head whose pooling ends phase 1's frozen part; none where pooling has parameters.
    pool: Option<Head>,
    rescale: Rescale,
    device: Device,
}

impl FrozenNetwork {
    /// Folds a backbone, cut before the stage `boundary`.
    pub fn new(
        backbone: &Backbone,
        boundary: usize,
        joint: &Joint,
        head: &Head,
        rescale: Rescale,
        device: &Device,
    ) -> Self {
        let stages = backbone.stages().len();
        let part =
            |from: usize, to: usize| (from < to).then(|| backbone.part(from, to).fold_norms());
        Self {
            lower: part(0, boundary),
            upper: part(boundary, stages),
            joints: joint.split(boundary),
            pool: head.pools_without_parameters().then(|| head.clone()),
            rescale,
            device: device.clone(),
        }
    }

    /// Pixels as the network's input, `[batch, 3, height, width]`.
    pub fn images(&self, pixels: &RgbBatch) -> Tensor<4> {
        rescale(pixels, &self.rescale, &self.device)
    }

    /// The output of the stages before the boundary, with their taps.
    pub fn lower(&self, images: Tensor<4>) -> Features {
        let (maps, kept) = run(&self.lower, images, &self.joints[0].taps);
        Features::Maps {
            maps,
            taps: self.joints[0].pool_taps(kept),
        }
    }

    /// The features at a tap, computed from images.
    pub fn features(&self, images: Tensor<4>, tap: Tap) -> Features {
        let lower = self.lower(images);
        match tap {
            Tap::Boundary => lower,
            Tap::Head => self.upper(lower),
        }
    }

    /// From the boundary to the head's input in phase 1.
    fn upper(&self, features: Features) -> Features {
        let Features::Maps { maps, taps } = features else {
            return features;
        };
        let (maps, kept) = run(&self.upper, maps, &self.joints[1].taps);
        let taps = taps.into_iter().chain(self.joints[1].pool_taps(kept));
        match &self.pool {
            Some(head) => Features::Joined(self.joints[1].join(head.pool(maps), taps)),
            None => {
                let taps: Vec<Tensor<2>> = taps.collect();
                Features::Maps {
                    maps,
                    taps: (!taps.is_empty()).then(|| Tensor::cat(taps, 1)),
                }
            }
        }
    }
}

fn run(part: &Option<Backbone>, x: Tensor<4>, taps: &[usize]) -> (Tensor<4>, Vec<Tensor<4>>) {
    match part {
        Some(stages) => stages.forward_keeping(x, taps),
        None => (x, Vec::new()),
    }
}

/// What is kept of each image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tap {
    /// The output of the stages before the boundary, for phase 2.
    Boundary,
    /// The head's input in phase 1.
    Head,
}

/// Frozen features of a set of images.
#[derive(Debug)]
pub struct FeatureCache {
    dataset: Arc<Dataset>,
    /// The evaluation view, then the augmented one; a set without augmented views has one.
    pipelines: Vec<Arc<Pipeline>>,
    blocks: Vec<Vec<usize>>,
    /// Block and place in it of each sample.
    places: HashMap<usize, (usize, usize)>,
    /// Rows of each (view, block), per tap.
    boundary: HashMap<(usize, usize), Rows>,
    head: HashMap<(usize, usize), Rows>,
    keep_boundary: bool,
    keep_head: bool,
    seed: u64,
    waited: Duration,
}

/// Features of a block, image by image.
#[derive(Debug)]
enum Rows {
    Joined(Values<1>),
    Maps {
        maps: Values<3>,
        taps: Option<Values<1>>,
    },
}

/// Values of a block, of this shape for each image.
#[derive(Debug)]
struct Values<const D: usize> {
    values: Vec<f32>,
    shape: [usize; D],
}

impl<const D: usize> Values<D> {
    fn row(&self, place: usize) -> &[f32] {
        let width: usize = self.shape.iter().product();
        &self.values[place * width..(place + 1) * width]
    }
}

impl FeatureCache {
    /// An empty cache for these samples; blocks follow their order. `augmented` is the pipeline of the views beyond the first.
    pub fn new(
        dataset: Arc<Dataset>,
        samples: &[usize],
        evaluation: Arc<Pipeline>,
        augmented: Option<Arc<Pipeline>>,
        keep_boundary: bool,
        seed: u64,
    ) -> Self {
        let blocks: Vec<Vec<usize>> = samples.chunks(BLOCK).map(<[usize]>::to_vec).collect();
        let mut places = HashMap::with_capacity(samples.len());
        for (number, block) in blocks.iter().enumerate() {
            places.extend(
                block
                    .iter()
                    .enumerate()
                    .map(|(place, sample)| (*sample, (number, place))),
            );
        }
        let pipelines = std::iter::once(evaluation).chain(augmented).collect();
        let (boundary, head) = (HashMap::new(), HashMap::new());
        Self {
            dataset,
            pipelines,
            blocks,
            places,
            boundary,
            head,
            keep_boundary,
            keep_head: true,
            seed,
            waited: Duration::ZERO,
        }
    }

    /// The features of samples, each in its view, computing what is missing. View 0 is the evaluation view.
    ///
    /// # Errors
    ///
    /// An image cannot be read.
    pub fn get(
        &mut self,
        network: &FrozenNetwork,
        tap: Tap,
        wanted: &[(usize, usize)],
    ) -> Result<Features, FinetuneError> {
        self.fill(network, tap, wanted, &mut |_| true)?;
        let store = if tap == Tap::Boundary {
            &self.boundary
        } else {
            &self.head
        };
        let rows: Vec<(&Rows, usize)> = wanted
            .iter()
            .map(|(sample, view)| {
                let (block, place) = self.places[sample];
                (&store[&(*view, block)], place)
            })
            .collect();
        Ok(gather(&rows, &network.device))
    }

    /// Computes the missing blocks of these samples; `progress` gets the number of images after each block, and its `false` stops the
    /// work. Tells whether all was done.
    ///
    /// # Errors
    ///
    /// An image cannot be read.
    pub fn fill(
        &mut self,
        network: &FrozenNetwork,
        tap: Tap,
        wanted: &[(usize, usize)],
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<bool, FinetuneError> {
        for (view, blocks) in self.missing_blocks(tap, wanted) {
            let pipeline = self.pipelines[view.min(self.pipelines.len() - 1)].clone();
            let batches = blocks
                .iter()
                .map(|block| self.blocks[*block].clone())
                .collect();
            let options = LoaderOptions::default();
            let mut loader = Loader::new(
                self.dataset.clone(),
                pipeline,
                batches,
                self.seed,
                view as u64,
                options,
            )?;
            for block in blocks {
                let before = loader.waited();
                let Some(batch) = loader.next() else { break };
                self.waited += loader.waited() - before;
                let batch = batch?;
                self.compute(network, (view, block), &batch.images);
                if !progress(batch.indices.len()) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// How many images [`FeatureCache::fill`] would compute for these samples.
    pub fn missing(&self, tap: Tap, wanted: &[(usize, usize)]) -> usize {
        self.missing_blocks(tap, wanted)
            .iter()
            .flat_map(|(_, blocks)| blocks)
            .map(|block| self.blocks[*block].len())
            .sum()
    }

    fn missing_blocks(&self, tap: Tap, wanted: &[(usize, usize)]) -> Vec<(usize, Vec<usize>)> {
        let store = if tap == Tap::Boundary {
            &self.boundary
        } else {
            &self.head
        };
        let mut seen = HashSet::new();
        let mut missing: Vec<(usize, Vec<usize>)> = Vec::new();
        for (sample, view) in wanted {
            let block = self.places[sample].0;
            if store.contains_key(&(*view, block)) || !seen.insert((*view, block)) {
                continue;
            }
            match missing.iter_mut().find(|(known, _)| known == view) {
                Some((_, blocks)) => blocks.push(block),
                None => missing.push((*view, vec![block])),
            }
        }
        missing
    }

    fn compute(&mut self, network: &FrozenNetwork, key: (usize, usize), pixels: &RgbBatch) {
        let lower = network.lower(network.images(pixels));
        if self.keep_boundary {
            self.boundary.insert(key, rows(lower.clone()));
        }
        if self.keep_head {
            self.head.insert(key, rows(network.upper(lower)));
        }
    }

    /// Whether the boundary's outputs are kept.
    pub fn keeps_boundary(&self) -> bool {
        self.keep_boundary
    }

    /// Drops phase 1's features, and computes no more of them.
    pub fn drop_head_features(&mut self) {
        self.keep_head = false;
        self.head.clear();
    }

    /// Time spent waiting for images so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

fn rows(features: Features) -> Rows {
    match features {
        Features::Joined(joined) => Rows::Joined(values(joined)),
        Features::Maps { maps, taps } => {
            let [_, channels, height, width] = maps.dims();
            let maps = Values {
                values: host(maps),
                shape: [channels, height, width],
            };
            Rows::Maps {
                maps,
                taps: taps.map(values),
            }
        }
    }
}

fn values(tensor: Tensor<2>) -> Values<1> {
    let [_, width] = tensor.dims();
    Values {
        values: host(tensor),
        shape: [width],
    }
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// A batch from rows of blocks, which are all of one kind.
fn gather(rows: &[(&Rows, usize)], device: &Device) -> Features {
    let batch = rows.len();
    let (mut joined, mut maps, mut width, mut shape) = (Vec::new(), Vec::new(), 0, None);
    for (rows, place) in rows {
        let early = match rows {
            Rows::Joined(values) => Some(values),
            Rows::Maps { maps: values, taps } => {
                maps.extend_from_slice(values.row(*place));
                shape = Some(values.shape);
                taps.as_ref()
            }
        };
        if let Some(values) = early {
            joined.extend_from_slice(values.row(*place));
            width = values.shape[0];
        }
    }
    let joined =
        (width > 0).then(|| Tensor::from_data(TensorData::new(joined, [batch, width]), device));
    match (shape, joined) {
        (None, Some(joined)) => Features::Joined(joined),
        (None, None) => Features::Joined(Tensor::zeros([batch, 0], device)),
        (Some([channels, height, width]), taps) => {
            let maps = Tensor::from_data(
                TensorData::new(maps, [batch, channels, height, width]),
                device,
            );
            Features::Maps { maps, taps }
        }
    }
}

/// Bytes of one image's features at both taps: the boundary's, and the head's in phase 1.
pub fn bytes_per_image(
    backbone: &Backbone,
    boundary: usize,
    head: &Head,
    size: [usize; 2],
) -> [usize; 2] {
    let maps = |stages: usize| match stages.checked_sub(1).map(|last| &backbone.stages()[last]) {
        Some(stage) => {
            size.map(|side| stage.side(side)).iter().product::<usize>() * stage.channels() * 4
        }
        None => size.iter().product::<usize>() * 3 * 4,
    };
    let head = match head.pools_without_parameters() {
        true => head.features() * 4,
        false => maps(backbone.stages().len()),
    };
    [maps(boundary), head]
}
