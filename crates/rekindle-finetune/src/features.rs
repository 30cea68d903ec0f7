//! Frozen work is done once: the outputs of the frozen stages, computed per image and view and kept in memory.
//!
//! Images are put into blocks of a fixed size and order, and a block is always computed as one batch. So a feature depends on the
//! block alone, not on which batch asked for it first, and a resumed run sees the same numbers.

mod stored;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::{Device, Tensor, TensorData};
use rekindle_augment::{Pipeline, Preprocessing, RgbBatch, network_input};
use rekindle_backbone::Backbone;
use rekindle_data::{Dataset, Loader, LoaderOptions};
use rekindle_head::Head;
use rekindle_model::{Features, Joint, Trunk};

use crate::FinetuneError;
use stored::Place;
pub(crate) use stored::Stored;

/// Images per block.
const BLOCK: usize = 16;
/// Images that go through frozen stages at once where nothing is kept: what these hold meanwhile grows with them, and they are no slower
/// for being few.
const AT_ONCE: usize = 8;
/// Blocks that are looked for on disk at once.
const LOOKED_FOR: usize = 32;

/// A place where a backbone is cut, by the number of stages before it: 0 are the images, and the number of all stages the head's input.
pub type Cut = usize;

/// The folded, frozen network, in the pieces between which features are kept.
#[derive(Debug)]
pub struct FrozenNetwork {
    /// The stages before each cut and behind the one before it, by ascending cuts. The last is behind all stages.
    trunks: Vec<(Cut, Trunk)>,
    joint: Joint,
    /// The head whose pooling ends the last piece; none where pooling has parameters.
    pool: Option<Head>,
    preprocessing: Preprocessing,
    device: Device,
}

impl FrozenNetwork {
    /// Folds a backbone, cut at these places and behind its last stage.
    pub fn new(
        backbone: &Backbone,
        cuts: impl IntoIterator<Item = Cut>,
        joint: &Joint,
        head: &Head,
        preprocessing: &Preprocessing,
        device: &Device,
    ) -> Self {
        let mut cuts: Vec<Cut> = cuts.into_iter().collect();
        cuts.push(backbone.stages().len());
        cuts.sort_unstable();
        cuts.dedup();
        let from = std::iter::once(0).chain(cuts.iter().copied());
        let pieces = from.zip(&cuts);
        let pieces = pieces.map(|(from, &to)| (to, Trunk::frozen(backbone, joint, from, to)));
        Self {
            trunks: pieces.collect(),
            joint: joint.clone(),
            pool: head.pools_without_parameters().then(|| head.clone()),
            preprocessing: preprocessing.clone(),
            device: device.clone(),
        }
    }

    /// Pixels as the network's input, `[batch, channels, height, width]`.
    pub fn images(&self, pixels: &RgbBatch) -> Tensor<4> {
        network_input(pixels, &self.preprocessing, &self.device)
    }

    /// The features at a cut, computed from images.
    ///
    /// # Panics
    ///
    /// If the network has no such cut, which is a mistake of the calling program.
    pub fn features(&self, images: Tensor<4>, cut: Cut) -> Features {
        let count = images.dims()[0];
        if cut > 0 && count > AT_ONCE {
            let starts = (0..count).step_by(AT_ONCE);
            let lots = starts.map(|start| {
                let lot = images.clone().narrow(0, start, AT_ONCE.min(count - start));
                self.features(lot, cut)
            });
            return Features::cat(lots.collect());
        }
        let mut features = None;
        self.each(images, cut, |at, found| {
            if at == cut {
                features = Some(found);
            }
        });
        match features {
            Some(features) => features,
            None => panic!("the network has no cut behind {cut} stages"),
        }
    }

    /// Runs from images to a cut, and gives the features at each cut on the way.
    fn each(&self, images: Tensor<4>, to: Cut, mut take: impl FnMut(Cut, Features)) {
        let mut features = Features::Maps {
            maps: images,
            taps: None,
        };
        let last = self.trunks.len() - 1;
        for (place, (cut, trunk)) in self.trunks.iter().enumerate() {
            if *cut > to {
                break;
            }
            features = trunk.run(features);
            let at_cut = match &self.pool {
                Some(head) if place == last => {
                    Features::Joined(self.joint.head_input(head, features.clone()))
                }
                _ => features.clone(),
            };
            take(*cut, at_cut);
        }
    }
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
    /// Rows of each (view, block), for each cut whose features are kept.
    kept: BTreeMap<Cut, HashMap<(usize, usize), Rows>>,
    seed: u64,
    waited: Duration,
    /// What names the features on disk, where they are kept there.
    stored: Option<Stored>,
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
    /// An empty cache for these samples that will keep the features at these cuts; blocks follow the samples' order. `augmented` is the
    /// pipeline of the views beyond the first.
    pub fn new(
        dataset: Arc<Dataset>,
        samples: &[usize],
        evaluation: Arc<Pipeline>,
        augmented: Option<Arc<Pipeline>>,
        cuts: impl IntoIterator<Item = Cut>,
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
        let kept = cuts.into_iter().map(|cut| (cut, HashMap::new())).collect();
        Self {
            dataset,
            pipelines,
            blocks,
            places,
            kept,
            seed,
            waited: Duration::ZERO,
            stored: None,
        }
    }

    /// The same, with features kept in the data set's cache on disk too, where there is one.
    pub(crate) fn with_stored(self, stored: Option<Stored>) -> Self {
        Self { stored, ..self }
    }

    /// The features of samples, each in its view, computing what is missing. View 0 is the evaluation view.
    ///
    /// # Errors
    ///
    /// An image cannot be read.
    pub fn get(
        &mut self,
        network: &FrozenNetwork,
        cut: Cut,
        wanted: &[(usize, usize)],
    ) -> Result<Features, FinetuneError> {
        self.fill(network, cut, wanted, &mut |_| true)?;
        let store = &self.kept[&cut];
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
        cut: Cut,
        wanted: &[(usize, usize)],
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<bool, FinetuneError> {
        for (view, blocks) in self.missing_blocks(cut, wanted) {
            let Some((blocks, places)) = self.read_stored(cut, view, blocks, progress) else {
                return Ok(false);
            };
            if blocks.is_empty() {
                continue;
            }
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
            for (block, place) in blocks.into_iter().zip(places) {
                let before = loader.waited();
                let Some(batch) = loader.next() else { break };
                self.waited += loader.waited() - before;
                let batch = batch?;
                self.compute(network, (view, block), &batch.images);
                self.keep_stored(cut, (view, block), place.as_ref());
                self.keep_stored_beside(cut, (view, block));
                if !progress(batch.indices.len()) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Takes from the disk what is kept there of blocks, and gives the others with their places; none when `progress` stops the work.
    fn read_stored(
        &mut self,
        cut: Cut,
        view: usize,
        blocks: Vec<usize>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Option<(Vec<usize>, Vec<Option<Place>>)> {
        let (Some(stored), Some(disk)) = (&self.stored, self.dataset.disk_cache()) else {
            let places = blocks.iter().map(|_| None).collect();
            return Some((blocks, places));
        };
        let (mut left, mut left_places) = (Vec::new(), Vec::new());
        let Some(store) = self.kept.get_mut(&cut) else {
            return Some((left, left_places));
        };
        for some in blocks.chunks(LOOKED_FOR) {
            let samples: Vec<&[usize]> = some.iter().map(|at| &self.blocks[*at][..]).collect();
            let places = stored.places(&self.dataset, cut, view, &samples);
            let found = Stored::read(&self.dataset, disk, &places, &samples);
            for ((block, place), rows) in some.iter().zip(places).zip(found) {
                match rows {
                    Some(rows) => {
                        store.insert((view, *block), rows);
                        if !progress(self.blocks[*block].len()) {
                            return None;
                        }
                    }
                    None => {
                        left.push(*block);
                        left_places.push(place);
                    }
                }
            }
        }
        Some((left, left_places))
    }

    /// Keeps a block on disk that was computed.
    fn keep_stored(&self, cut: Cut, (view, block): (usize, usize), place: Option<&Place>) {
        let store = self.kept.get(&cut);
        let rows = store.and_then(|store| store.get(&(view, block)));
        if let (Some(place), Some(rows), Some(disk)) = (place, rows, self.dataset.disk_cache()) {
            Stored::keep(&self.dataset, disk, place, &self.blocks[block], rows);
        }
    }

    /// Keeps on disk what a block was computed to at the other cuts, for phases that begin there in a later run.
    fn keep_stored_beside(&self, cut: Cut, (view, block): (usize, usize)) {
        let Some(stored) = &self.stored else { return };
        let samples = [&self.blocks[block][..]];
        for other in self.kept.keys().filter(|other| **other != cut) {
            let places = stored.places(&self.dataset, *other, view, &samples);
            let place = places.into_iter().next().flatten();
            self.keep_stored(*other, (view, block), place.as_ref());
        }
    }

    /// How many images [`FeatureCache::fill`] would compute for these samples.
    pub fn missing(&self, cut: Cut, wanted: &[(usize, usize)]) -> usize {
        self.missing_blocks(cut, wanted)
            .iter()
            .flat_map(|(_, blocks)| blocks)
            .map(|block| self.blocks[*block].len())
            .sum()
    }

    fn missing_blocks(&self, cut: Cut, wanted: &[(usize, usize)]) -> Vec<(usize, Vec<usize>)> {
        let store = &self.kept[&cut];
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

    /// Computes a block, up to the last cut whose features are kept.
    fn compute(&mut self, network: &FrozenNetwork, key: (usize, usize), pixels: &RgbBatch) {
        let Some(last) = self.kept.keys().next_back().copied() else {
            return;
        };
        let kept = &mut self.kept;
        network.each(network.images(pixels), last, |cut, features| {
            if let Some(store) = kept.get_mut(&cut) {
                store.insert(key, rows(features));
            }
        });
    }

    /// Whether the features at a cut are kept.
    pub fn keeps(&self, cut: Cut) -> bool {
        self.kept.contains_key(&cut)
    }

    /// Drops the features at other cuts than these, and computes no more of them.
    pub fn keep_only(&mut self, cuts: &[Cut]) {
        self.kept.retain(|cut, _| cuts.contains(cut));
    }

    /// Forgets the features behind a cut, whose stages have changed.
    pub fn forget_behind(&mut self, cut: Cut) {
        if let Some(stored) = &mut self.stored {
            stored.forget_behind(cut);
        }
        let changed = self.kept.iter_mut().filter(|(kept, _)| **kept > cut);
        changed.for_each(|(_, store)| store.clear());
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

/// Bytes of one image's features at a cut.
pub fn bytes_per_image(backbone: &Backbone, cut: Cut, head: &Head, size: [usize; 2]) -> usize {
    let maps = |stages: usize| match stages.checked_sub(1) {
        Some(last) => {
            let stage = &backbone.summary(size[0], size[1])[last];
            stage.height * stage.width * stage.channels * 4
        }
        None => size.iter().product::<usize>() * 3 * 4,
    };
    match cut == backbone.stages().len() && head.pools_without_parameters() {
        true => head.features() * 4,
        false => maps(cut),
    }
}
