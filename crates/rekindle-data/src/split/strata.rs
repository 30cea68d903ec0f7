//! What a split keeps in proportion: classes, labels, or ranges of numbers.

use crate::TargetKind;

use crate::ImageFolder;

/// Most ranges that numbers are cut into.
const MOST_RANGES: usize = 10;

/// The strata that each image is of.
///
/// Of images with classes or labels they are these, and one more for images without any label. Each number is cut into ranges that hold
/// about equally many candidates, at most 10 and so many that the smaller side of the split gets an image of each; equal numbers are in
/// the same range.
#[derive(Debug)]
pub(super) struct Strata<'a> {
    folder: &'a ImageFolder,
    count: usize,
    /// By sample; none where images have no numbers.
    ranges: Option<Vec<Box<[u32]>>>,
    /// The stratum of images without labels.
    unlabelled: [u32; 1],
}

impl<'a> Strata<'a> {
    /// Of these candidates, to be divided with this share on the smaller side.
    pub fn new(folder: &'a ImageFolder, candidates: &[usize], smallest_share: f64) -> Self {
        let names = folder.classes.len();
        let mut strata = Self {
            folder,
            count: names,
            ranges: None,
            unlabelled: [names as u32],
        };
        match folder.task.targets() {
            TargetKind::Class => {}
            TargetKind::Labels => strata.count += 1,
            TargetKind::Numbers => {
                let most = (candidates.len() as f64 * smallest_share) as usize;
                let ranges = most.clamp(1, MOST_RANGES);
                strata.count = names * ranges;
                strata.ranges = Some(ranges_of(folder, candidates, ranges));
            }
        }
        strata
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The strata of an image.
    pub fn of(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let target = &self.folder.samples[index].target;
        let (names, more) = match &self.ranges {
            Some(ranges) => (None, &ranges[index][..]),
            None if target.names().next().is_none() => (None, &self.unlabelled[..]),
            None => (Some(target.names()), &[][..]),
        };
        let more = more.iter().map(|stratum| *stratum as usize);
        names.into_iter().flatten().chain(more)
    }

    /// Whether a stratum must be on both sides of a split: a class or a label, without which nothing is learned or measured.
    pub fn is_needed(&self, stratum: usize) -> bool {
        self.ranges.is_none() && stratum < self.folder.classes.len()
    }

    /// How many of these images each stratum has.
    pub fn counts(&self, images: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.count];
        for stratum in images.iter().flat_map(|index| self.of(*index)) {
            counts[stratum] += 1;
        }
        counts
    }
}

/// The range of each number of each candidate.
fn ranges_of(folder: &ImageFolder, candidates: &[usize], ranges: usize) -> Vec<Box<[u32]>> {
    let numbers = folder.classes.len();
    let mut found = vec![Box::default(); folder.samples.len()];
    for &index in candidates {
        found[index] = vec![0u32; numbers].into_boxed_slice();
    }
    for place in 0..numbers {
        let value = |index: &usize| folder.samples[*index].target.numbers()[place];
        let mut order = candidates.to_vec();
        order.sort_by(|a, b| value(a).total_cmp(&value(b)).then(a.cmp(b)));
        let mut first = 0;
        for (rank, index) in order.iter().enumerate() {
            if value(index) != value(&order[first]) {
                first = rank;
            }
            let range = first * ranges / order.len();
            if let Some(stratum) = found[*index].get_mut(place) {
                *stratum = (place * ranges + range) as u32;
            }
        }
    }
    found
}
