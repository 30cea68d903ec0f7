//! Frozen work is done once: the outputs of the frozen stages, computed per image and view and kept in memory.
//!
//! Images are put into blocks of a fixed size and order, and a block is always computed as one batch. So a feature depends on the
//! block alone, not on which batch asked for it first, and a resumed run sees the same numbers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::{Device, Tensor, TensorData};
use rekindle_augment::{Pipeline, Rescale, rescale};
use rekindle_backbone::Backbone;
use rekindle_head::Head;

use crate::FinetuneError;
use crate::classifier::Features;
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
    /// The head whose pooling ends phase 1's frozen part; none where pooling has parameters.
    pool: Option<Head>,
    rescale: Rescale,
    device: Device,
}

impl FrozenNetwork {
    /// Folds a backbone, cut before the stage `boundary`.
    pub fn new(backbone: &Backbone, boundary: usize, head: &Head, rescale: Rescale, device: &Device) -> Self {
        let stages = backbone.stages().len();
        let part = |from: usize, to: usize| (from < to).then(|| backbone.part(from, to).fold_norms());
        Self {
            lower: part(0, boundary),
            upper: part(boundary, stages),
            pool: head.pools_without_parameters().then(|| head.clone()),
            rescale,
            device: device.clone(),
        }
    }

    /// The output of the stages before the boundary.
    pub fn lower(&self, images: &rekindle_augment::RgbBatch) -> Tensor<4> {
        let images = rescale(images, &self.rescale, &self.device);
        match &self.lower {
            Some(stages) => stages.forward(images),
            None => images,
        }
    }

    /// From the boundary to the head's input in phase 1.
    fn upper(&self, maps: Tensor<4>) -> Features {
        let maps = match &self.upper {
            Some(stages) => stages.forward(maps),
            None => maps,
        };
        match &self.pool {
            Some(head) => Features::Pooled(head.pool(maps)),
            None => Features::Maps(maps),
        }
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

#[derive(Debug)]
struct Rows {
    values: Vec<f32>,
    /// Shape of one row.
    shape: Vec<usize>,
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
            places.extend(block.iter().enumerate().map(|(place, sample)| (*sample, (number, place))));
        }
        let pipelines = std::iter::once(evaluation).chain(augmented).collect();
        let (boundary, head) = (HashMap::new(), HashMap::new());
        Self { dataset, pipelines, blocks, places, boundary, head, keep_boundary, keep_head: true, seed, waited: Duration::ZERO }
    }

    /// The features of samples, each in its view, computing what is missing. View 0 is the evaluation view.
    ///
    /// # Errors
    ///
    /// An image cannot be read.
    pub fn get(&mut self, network: &FrozenNetwork, tap: Tap, wanted: &[(usize, usize)]) -> Result<Features, FinetuneError> {
        self.fill(network, tap, wanted, &mut |_| {})?;
        let store = if tap == Tap::Boundary { &self.boundary } else { &self.head };
        let mut values = Vec::new();
        let mut shape = Vec::new();
        for (sample, view) in wanted {
            let (block, place) = self.places[sample];
            let rows = &store[&(*view, block)];
            let width: usize = rows.shape.iter().product();
            values.extend_from_slice(&rows.values[place * width..(place + 1) * width]);
            shape.clone_from(&rows.shape);
        }
        shape.insert(0, wanted.len());
        let data = TensorData::new(values, shape.clone());
        Ok(match shape.len() {
            2 => Features::Pooled(Tensor::from_data(data, &network.device)),
            _ => Features::Maps(Tensor::from_data(data, &network.device)),
        })
    }

    /// Computes the missing blocks of these samples; `progress` gets the number of images after each block.
    ///
    /// # Errors
    ///
    /// An image cannot be read.
    pub fn fill(
        &mut self,
        network: &FrozenNetwork,
        tap: Tap,
        wanted: &[(usize, usize)],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), FinetuneError> {
        for (view, blocks) in self.missing_blocks(tap, wanted) {
            let pipeline = self.pipelines[view.min(self.pipelines.len() - 1)].clone();
            let batches = blocks.iter().map(|block| self.blocks[*block].clone()).collect();
            let options = LoaderOptions::default();
            let mut loader = Loader::new(self.dataset.clone(), pipeline, batches, self.seed, view as u64, options)?;
            for block in blocks {
                let Some(batch) = loader.next() else { break };
                let batch = batch?;
                self.compute(network, (view, block), &batch.images);
                progress(batch.indices.len());
            }
            self.waited += loader.waited();
        }
        Ok(())
    }

    /// How many images [`FeatureCache::fill`] would compute for these samples.
    pub fn missing(&self, tap: Tap, wanted: &[(usize, usize)]) -> usize {
        self.missing_blocks(tap, wanted).iter().flat_map(|(_, blocks)| blocks).map(|block| self.blocks[*block].len()).sum()
    }

    fn missing_blocks(&self, tap: Tap, wanted: &[(usize, usize)]) -> Vec<(usize, Vec<usize>)> {
        let store = if tap == Tap::Boundary { &self.boundary } else { &self.head };
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

    fn compute(&mut self, network: &FrozenNetwork, key: (usize, usize), images: &rekindle_augment::RgbBatch) {
        let maps = network.lower(images);
        if self.keep_boundary {
            self.boundary.insert(key, rows(maps.clone()));
        }
        if self.keep_head {
            let head = match network.upper(maps) {
                Features::Pooled(pooled) => rows(pooled),
                Features::Maps(maps) => rows(maps),
            };
            self.head.insert(key, head);
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

    /// Time spent waiting for images.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

fn rows<const D: usize>(tensor: Tensor<D>) -> Rows {
    let shape = tensor.dims()[1..].to_vec();
    Rows { values: tensor.into_data().iter::<f32>().collect(), shape }
}

/// Bytes of one image's features at both taps: the boundary's, and the head's in phase 1.
pub fn bytes_per_image(backbone: &Backbone, boundary: usize, head: &Head, size: [usize; 2]) -> [usize; 2] {
    let maps = |stages: usize| match stages.checked_sub(1).map(|last| &backbone.stages()[last]) {
        Some(stage) => size.map(|side| side.div_ceil(stage.reduction())).iter().product::<usize>() * stage.channels() * 4,
        None => size.iter().product::<usize>() * 3 * 4,
    };
    let head = match head.pools_without_parameters() {
        true => head.features() * 4,
        false => maps(backbone.stages().len()),
    };
    [maps(boundary), head]
}
