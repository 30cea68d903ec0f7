//! Features of frames: what a stage of a frozen backbone makes of each picture, averaged over the cells of a grid, so that where something is
//! is not lost with the rest of the place. They are computed once and kept on disk; training reads them from memory.
//!
//! A sequence's features are computed in batches of its own frames alone, so they depend on no other sequence, and an entry of the cache is a
//! sequence.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};
use rekindle_augment::{Pipeline, Preprocessing, RgbBatch, network_input};
use rekindle_backbone::Backbone;
use rekindle_data::{Content, Dataset, KeptNumbers, Loader, LoaderOptions, NumbersKey, Sequences};
use rekindle_kernels::Level;
use rekindle_model::state_checksum;
use xxhash_rust::xxh3::xxh3_128;

use crate::SequenceError;

/// To be raised with every change of what decides features, or of an entry's form.
const FORMAT: u32 = 1;
/// What an entry's first word is, which tells it from those of other crates.
const KIND: u32 = 101;
/// Frames that are computed at once.
const BATCH: usize = 32;

/// Stages of a backbone up to one whose features are wanted, and the way of a picture to it.
#[derive(Debug)]
pub struct FrameFeatures {
    stages: Backbone,
    grid: usize,
    pipeline: Arc<Pipeline>,
    preprocessing: Preprocessing,
    device: Device,
    /// What decides the features, besides the pictures.
    words: String,
}

/// Features of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceFeatures {
    /// Frame by frame.
    pub values: Vec<f32>,
    /// A hash of the contents of its frames in their order: the same sequence under another name has the same.
    pub identity: u128,
}

/// Places of `most` of `frames` frames, evenly: the first, the last, and what lies between at equal distances. All where there are no more;
/// of one, the middle.
///
/// ```
/// assert_eq!(rekindle_sequence::evenly(9, 3), [0, 4, 8]);
/// assert_eq!(rekindle_sequence::evenly(2, 3), [0, 1]);
/// ```
pub fn evenly(frames: usize, most: usize) -> Vec<usize> {
    match most {
        _ if frames <= most => (0..frames).collect(),
        0 => Vec::new(),
        1 => vec![frames / 2],
        // Half way between two frames is the later one.
        _ => (0..most)
            .map(|place| (2 * place * (frames - 1) + most - 1) / (2 * (most - 1)))
            .collect(),
    }
}

impl FrameFeatures {
    /// The features of the last of these stages, averaged over `grid` by `grid` cells. Pictures go through the evaluation view of this
    /// preprocessing.
    ///
    /// # Panics
    ///
    /// When `grid` is 0.
    pub fn new(
        stages: &Backbone,
        grid: usize,
        preprocessing: &Preprocessing,
        device: &Device,
    ) -> Self {
        assert!(grid > 0, "a grid has at least one cell");
        Self {
            stages: stages.fold_norms(),
            grid,
            pipeline: Arc::new(Pipeline::evaluation(preprocessing)),
            preprocessing: preprocessing.clone(),
            device: device.clone(),
            words: words(stages, grid, preprocessing, device),
        }
    }

    /// Features of a frame: a number for each channel and each cell.
    pub fn width(&self) -> usize {
        self.stages.channels() * self.grid * self.grid
    }

    /// The evaluation view of a picture.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The features of pictures that have been through the view.
    ///
    /// # Shapes
    ///
    /// `[batch, height, width, 3]` bytes to `[batch, channels * grid * grid]`, channel by channel, cells row by row. A cell is that of
    /// PyTorch's `AdaptiveAvgPool2d`: cells share a pixel where the map does not divide evenly.
    pub fn of_batch(&self, images: &RgbBatch) -> Tensor<2> {
        let images = network_input(images, &self.preprocessing, &self.device);
        in_cells(self.stages.forward(images), self.grid)
    }

    /// Features of sequences, each of at most `most` frames, [`evenly`] chosen, in the order of the sequences; none where `interrupt` was set
    /// before all were there. What is computed is kept in the data set's cache on disk, if it has one, a sequence at a time.
    /// `progress` gets how many frames are there, and of how many.
    ///
    /// `dataset` is that of [`Sequences::frames`].
    ///
    /// # Errors
    ///
    /// A picture cannot be read, or a feature is not finite.
    pub fn of_sequences(
        &self,
        dataset: &Arc<Dataset>,
        sequences: &Sequences,
        most: usize,
        interrupt: &AtomicBool,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Option<Vec<SequenceFeatures>>, SequenceError> {
        let chosen: Vec<Vec<usize>> = (0..sequences.len())
            .map(|sequence| {
                let frames = sequences.frames_of(sequence);
                let places = evenly(frames.len(), most).into_iter();
                places.map(|place| frames.start + place).collect()
            })
            .collect();
        let contents = dataset.contents(&chosen.concat());
        let mut contents = contents.into_iter();
        let words = format!("{}\ndecoding {}", self.words, dataset.decoding());
        let mut wanted = Vec::with_capacity(chosen.len());
        for frames in &chosen {
            let own: Vec<Option<Content>> = contents.by_ref().take(frames.len()).collect();
            wanted.push(Wanted::new(&words, frames, own));
        }
        let keys: Vec<NumbersKey> = wanted.iter().filter_map(|one| one.key).collect();
        let kept = dataset.disk_cache().map(|disk| disk.numbers(&keys));
        let mut kept = kept.into_iter().flatten();
        for one in wanted.iter_mut().filter(|one| one.key.is_some()) {
            one.take(kept.next().flatten(), self.width());
        }
        let all: usize = chosen.iter().map(Vec::len).sum();
        let mut done: usize = wanted
            .iter()
            .map(|one| one.values.len() / self.width())
            .sum();
        progress(done, all);
        let missing: Vec<usize> = (0..wanted.len())
            .filter(|place| wanted[*place].values.is_empty())
            .collect();
        let frames = missing
            .iter()
            .flat_map(|place| chosen[*place].chunks(BATCH));
        let batches: Vec<Vec<usize>> = frames.map(<[usize]>::to_vec).collect();
        let loader = Loader::new(
            dataset.clone(),
            self.pipeline.clone(),
            batches,
            0,
            0,
            LoaderOptions::default(),
        )?;
        let mut missing = missing.into_iter();
        let mut at = missing.next();
        for batch in loader {
            if interrupt.load(Ordering::SeqCst) {
                return Ok(None);
            }
            let batch = batch?;
            let rows: Vec<f32> = self
                .of_batch(&batch.images)
                .into_data()
                .iter::<f32>()
                .collect();
            if let Some(place) = rows.iter().position(|value| !value.is_finite()) {
                let frame = batch.indices[place / self.width()];
                return Err(SequenceError::FeatureNotFinite {
                    frame: path_of(dataset, frame),
                    value: rows[place],
                });
            }
            done += batch.indices.len();
            progress(done, all);
            let Some(place) = at else { break };
            let one = &mut wanted[place];
            one.values.extend(rows);
            if one.values.len() == chosen[place].len() * self.width() {
                one.keep(dataset, self.width());
                at = missing.next();
            }
        }
        let features = wanted.into_iter().map(|one| SequenceFeatures {
            values: one.values,
            identity: one.identity,
        });
        Ok(Some(features.collect()))
    }
}

/// Maps averaged over the cells of a grid, `[batch, channels * grid * grid]`.
pub(crate) fn in_cells(maps: Tensor<4>, grid: usize) -> Tensor<2> {
    let [batch, channels, _, _] = maps.dims();
    match grid {
        1 => maps.mean_dims(&[2, 3]).reshape([batch, channels]),
        _ => adaptive_avg_pool2d(maps, [grid, grid]).reshape([batch, channels * grid * grid]),
    }
}

/// A sequence whose features are wanted.
#[derive(Debug)]
struct Wanted {
    frames: Vec<usize>,
    contents: Vec<Content>,
    /// Where its features are kept; none where a picture cannot be read, which the loader will tell.
    key: Option<NumbersKey>,
    identity: u128,
    /// Those that are there.
    values: Vec<f32>,
}

impl Wanted {
    fn new(words: &str, frames: &[usize], contents: Vec<Option<Content>>) -> Self {
        let contents: Option<Vec<Content>> = contents.into_iter().collect();
        let readable = contents.is_some();
        let contents = contents.unwrap_or_default();
        let hashes = contents
            .iter()
            .flat_map(|content| content.hash().to_le_bytes());
        let identity = xxh3_128(&hashes.collect::<Vec<u8>>());
        let key = readable
            .then(|| NumbersKey::new(&format!("{words}\n{identity:032x} {}", contents.len())));
        Self {
            frames: frames.to_vec(),
            contents,
            key,
            identity,
            values: Vec::new(),
        }
    }

    /// Takes what was kept, if it is of this form.
    fn take(&mut self, kept: Option<KeptNumbers>, width: usize) {
        let fits = |kept: &KeptNumbers| {
            kept.words[..2] == [KIND, width as u32]
                && kept.values.len() == self.frames.len() * width
        };
        self.values = kept
            .filter(fits)
            .map(|kept| kept.values)
            .unwrap_or_default();
    }

    /// Keeps what was computed, unless a picture has changed since its content was read.
    fn keep(&self, dataset: &Dataset, width: usize) {
        let (Some(disk), Some(key)) = (dataset.disk_cache(), self.key) else {
            return;
        };
        let mut pictures = self.frames.iter().zip(&self.contents);
        if pictures.all(|(frame, content)| dataset.is_unchanged(*frame, content)) {
            let kept = KeptNumbers {
                words: [KIND, width as u32, 0, 0, 0, 0, 0, 0],
                values: self.values.clone(),
            };
            disk.keep_numbers(key, &kept);
        }
    }
}

/// What decides features, besides the contents of the pictures: the weights, the way to them, and what computes them.
fn words(stages: &Backbone, grid: usize, preprocessing: &Preprocessing, device: &Device) -> String {
    let mut words = format!(
        "sequence {FORMAT} {} {}",
        env!("CARGO_PKG_VERSION"),
        build()
    );
    let input =
        serde_json::to_string(preprocessing).unwrap_or_else(|_| format!("{preprocessing:?}"));
    let _ = write!(
        words,
        "\nweights {} {} {:?} grid {grid}\ninput {input}\nby {:?} {device:?} {:?} {}",
        state_checksum(&stages.state()),
        stages.name(),
        stages.stage_names(),
        stages.precision(),
        Level::detect(),
        std::env::consts::ARCH,
    );
    words
}

/// Which build of the program this is: another one may compute otherwise under the same version.
fn build() -> String {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let Ok(file) = file else {
        return "unknown".into();
    };
    let written = file.modified().ok();
    let written = written.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    format!("{} {written:?}", file.len())
}

fn path_of(dataset: &Dataset, frame: usize) -> PathBuf {
    let folder = dataset.folder();
    folder.path_of(&folder.samples[frame])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_chosen_evenly_with_both_ends() {
        assert_eq!(evenly(5, 5), [0, 1, 2, 3, 4]);
        assert_eq!(evenly(10, 4), [0, 3, 6, 9]);
        assert_eq!(evenly(4, 3), [0, 2, 3]);
        assert_eq!(evenly(100, 1), [50]);
        assert_eq!(evenly(3, 0), [0; 0]);
        for (frames, most) in [(17, 16), (1000, 7), (33, 32)] {
            let places = evenly(frames, most);
            assert_eq!((places[0], places[most - 1]), (0, frames - 1));
            assert!(
                places.windows(2).all(|pair| pair[0] < pair[1]),
                "{places:?}"
            );
        }
    }
}
