//! Features that outlive a run, in the data set's cache on disk.
//!
//! Owns the words that decide features, and their form in an entry. An entry is a block, since a block is what is computed as one batch:
//! what comes from the disk is what computing would give, bit by bit. The words name
//!
//! - the weights (the SHA-256 of their file, and XXH3 of every tensor as it is), the architecture, where the network is cut, what the head
//!   sees and how it pools;
//! - the preprocessing, how files are decoded, and of views beyond the first the transforms and what they draw from;
//! - the content of each image of the block, whole and in its order;
//! - the precision, the device, the vector instructions, and the build of the program, since another one may add up in another order.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use rekindle_backbone::Backbone;
use rekindle_data::{Content, Dataset, DiskCache, KeptNumbers, NumbersKey};
use rekindle_head::Head;
use rekindle_kernels::Level;
use rekindle_model::{FileError, state_checksum};

use super::{Cut, Rows, Values};
use crate::{FinetuneError, Plan};

/// To be raised with every change of the words or of an entry's form.
const FORMAT: u32 = 1;
/// What an entry is of: features that the head sees, or maps.
const JOINED: u32 = 1;
const MAPS: u32 = 2;

/// What decides a run's features, besides their images.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// All but the cut, the view and the images.
    words: Arc<str>,
    /// Those of augmented views; none where code of the calling program augments, which has no name.
    augmented: Option<Arc<str>>,
    cuts: Arc<[Cut]>,
    /// Features behind this cut are of stages that the run has trained, and of no use to another.
    until: Cut,
}

/// A block that is kept, or may be: where, and which contents its images had.
#[derive(Debug)]
pub(super) struct Place {
    key: NumbersKey,
    contents: Vec<Content>,
}

impl Stored {
    /// For the features of a plan, of a backbone as it was loaded.
    pub fn new(
        plan: &Plan,
        backbone: &Backbone,
        head: &Head,
        sha256: &str,
    ) -> Result<Self, FinetuneError> {
        let recipe = &plan.recipe;
        let json = |value: Result<String, serde_json::Error>| {
            value.map_err(|error| FileError::Write {
                path: "the cache of features".into(),
                source: error.into(),
            })
        };
        let mut words = format!(
            "features {FORMAT} {} {}",
            env!("CARGO_PKG_VERSION"),
            build()
        );
        let level = Level::detect();
        let _ = write!(
            words,
            "\nweights {sha256} {} {}\nhead {:?} {} {:?}\ninput {}\ndecoding {}\nby {:?} {:?} {level:?} {}",
            state_checksum(&backbone.state()),
            backbone.name(),
            plan.joint(),
            head.pools_without_parameters(),
            recipe.head.pool,
            json(serde_json::to_string(&plan.preprocessing))?,
            plan.dataset.decoding(),
            recipe.precision,
            plan.device,
            std::env::consts::ARCH,
        );
        let transforms = json(serde_json::to_string(&recipe.augment.transforms))?;
        let is_own = plan.custom_transforms.names().next().is_none();
        let augmented = format!("seed {} transforms {transforms}", recipe.seed);
        let mut cuts = plan.cuts();
        cuts.push(plan.facts.stages.len());
        cuts.sort_unstable();
        cuts.dedup();
        Ok(Self {
            words: words.into(),
            augmented: is_own.then(|| augmented.into()),
            until: plan.facts.stages.len(),
            cuts: cuts.into(),
        })
    }

    /// Takes note that the stages behind a cut have been trained.
    pub fn forget_behind(&mut self, cut: Cut) {
        self.until = self.until.min(cut);
    }

    /// Where the features of blocks are kept; none where they are not to be, or an image cannot be read.
    pub(super) fn places(
        &self,
        dataset: &Dataset,
        cut: Cut,
        view: usize,
        blocks: &[&[usize]],
    ) -> Vec<Option<Place>> {
        let augmented = match view {
            0 => Some("plain"),
            _ => self.augmented.as_deref(),
        };
        let Some(augmented) = augmented.filter(|_| cut <= self.until) else {
            return blocks.iter().map(|_| None).collect();
        };
        // The pieces in which the network is run.
        let cuts: Vec<Cut> = self.cuts.iter().copied().filter(|at| *at <= cut).collect();
        let contents = dataset.contents(&blocks.concat());
        let mut contents = contents.into_iter();
        let place = |block: &&[usize]| {
            let contents: Vec<Option<Content>> = contents.by_ref().take(block.len()).collect();
            let contents = contents.into_iter().collect::<Option<Vec<Content>>>()?;
            let mut words = format!("{}\ncuts {cuts:?}\nview {view} {augmented}", self.words);
            for (content, sample) in contents.iter().zip(*block) {
                let _ = write!(words, "\n{:032x}", content.hash());
                if view > 0 {
                    // An augmented view is drawn by the image's place in the data.
                    let _ = write!(words, " {sample}");
                }
            }
            let key = NumbersKey::new(&words);
            Some(Place { key, contents })
        };
        blocks.iter().map(place).collect()
    }

    /// The features that are kept of blocks.
    pub(super) fn read(
        dataset: &Dataset,
        disk: &DiskCache,
        places: &[Option<Place>],
        blocks: &[&[usize]],
    ) -> Vec<Option<Rows>> {
        let keys: Vec<NumbersKey> = places.iter().flatten().map(|place| place.key).collect();
        let mut found = disk.numbers(&keys).into_iter();
        let rows = |(place, block): (&Option<Place>, &&[usize])| {
            place.as_ref()?;
            let kept = found.next().flatten()?;
            let turned = kept.words[7];
            let rows = rows_of(kept, block.len())?;
            for (bit, sample) in block.iter().enumerate() {
                if turned >> bit & 1 == 1 {
                    dataset.note_turned(*sample);
                }
            }
            Some(rows)
        };
        places.iter().zip(blocks).map(rows).collect()
    }

    /// Keeps a block that was computed, unless an image has changed since its content was read.
    pub(super) fn keep(
        dataset: &Dataset,
        disk: &DiskCache,
        place: &Place,
        block: &[usize],
        rows: &Rows,
    ) {
        let mut images = block.iter().zip(&place.contents);
        if !images.all(|(sample, content)| dataset.is_unchanged(*sample, content)) {
            return;
        }
        let mut kept = kept_of(rows);
        for (bit, sample) in block.iter().enumerate() {
            kept.words[7] |= u32::from(dataset.is_turned(*sample)) << bit;
        }
        disk.keep_numbers(place.key, &kept);
    }
}

/// Which build of the program this is: another one may compute otherwise under the same version.
fn build() -> String {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let Ok(file) = file else {
        return "unknown".into();
    };
    let written = file.modified().ok();
    let written = written.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    format!("{} {:?}", file.len(), written)
}

/// The words are the kind, the width of what is joined, channels, height and width of maps, 0, 0, and a bit for each turned image.
fn kept_of(rows: &Rows) -> KeptNumbers {
    let (kind, joined, maps) = match rows {
        Rows::Joined(joined) => (JOINED, Some(joined), None),
        Rows::Maps { maps, taps } => (MAPS, taps.as_ref(), Some(maps)),
    };
    let mut words = [kind, 0, 0, 0, 0, 0, 0, 0];
    let mut values = Vec::new();
    if let Some(joined) = joined {
        words[1] = joined.shape[0] as u32;
        values.extend_from_slice(&joined.values);
    }
    if let Some(maps) = maps {
        for (word, side) in words[2..5].iter_mut().zip(maps.shape) {
            *word = side as u32;
        }
        values.extend_from_slice(&maps.values);
    }
    KeptNumbers { words, values }
}

/// The rows of so many images; none for an entry of another number.
fn rows_of(kept: KeptNumbers, images: usize) -> Option<Rows> {
    let [kind, joined, channels, height, width, ..] = kept.words.map(|word| word as usize);
    let sides = [images, channels, height, width];
    let of_maps = sides.into_iter().try_fold(1usize, usize::checked_mul)?;
    let of_joined = joined.checked_mul(images)?;
    if of_joined.checked_add(of_maps)? != kept.values.len() {
        return None;
    }
    let mut first = kept.values;
    let rest = first.split_off(of_joined);
    let joined = Values {
        values: first,
        shape: [joined],
    };
    match kind as u32 {
        JOINED if of_maps == 0 => Some(Rows::Joined(joined)),
        MAPS => Some(Rows::Maps {
            maps: Values {
                values: rest,
                shape: [channels, height, width],
            },
            taps: (joined.shape[0] > 0).then_some(joined),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<const D: usize>(shape: [usize; D], images: usize) -> Values<D> {
        let count = images * shape.iter().product::<usize>();
        let values = (0..count)
            .map(|number| number as f32 * 0.37 - 2.0)
            .collect();
        Values { values, shape }
    }

    #[test]
    fn rows_of_every_form_come_back_as_they_were() {
        let maps = || values([3, 2, 5], 4);
        for rows in [
            Rows::Joined(values([7], 4)),
            Rows::Maps {
                maps: maps(),
                taps: None,
            },
            Rows::Maps {
                maps: maps(),
                taps: Some(values([7], 4)),
            },
        ] {
            let kept = kept_of(&rows);
            let back = rows_of(kept.clone(), 4).unwrap();
            assert_eq!(format!("{back:?}"), format!("{rows:?}"));
            assert!(rows_of(kept, 3).is_none());
        }
    }
}
