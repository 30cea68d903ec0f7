//! Which pictures of a folder are the same.
//!
//! Owns: the rule for "the same", and the groups. Hashes are `examine.rs`'s, the search among them is `near.rs`'s.

use std::collections::HashMap;

use super::examine::{Examined, Picture, Thumbnail};
use super::near::near_pairs;
use super::report::{DuplicateGroup, DuplicateImage, Likeness};
use rekindle_data::{ImageFolder, SplitName, TargetKind};

/// Most bits by which the perceptual hashes of two pictures that look the same differ.
pub(super) const NEAR_BITS: u32 = 6;
/// Largest mean difference of two thumbnails of pictures that look the same, in grey levels. A perceptual hash sees no colour.
const NEAR_LEVELS: u32 = 6;
/// With how many of the pictures of one perceptual hash each of them is compared: those of the nearest brightness.
const COMPARED_WITHIN: usize = 64;
/// How many different pictures of one perceptual hash are compared with those of another one.
const COMPARED_ACROSS: usize = 16;

/// The groups of pictures that are the same: of the same pixels, or near each other or to a third one.
///
/// Two pictures are near when their perceptual hashes differ by at most 6 of 64 bits and their thumbnails of 8 by 8 colours by at most
/// 6 grey levels on average. `splits` says which part each sample belongs to.
pub(super) fn duplicates(
    folder: &ImageFolder,
    splits: &[Option<SplitName>],
    examined: &[Examined],
) -> Vec<DuplicateGroup> {
    let pictures: Vec<Option<&Picture>> = examined
        .iter()
        .map(|file| file.picture.as_ref().ok())
        .collect();
    let mut groups = Groups::new(examined.len());
    let different = join_same_pixels(&pictures, &mut groups);
    join_near(&pictures, &different, &mut groups);

    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for index in (0..examined.len()).filter(|&index| pictures[index].is_some()) {
        members.entry(groups.root(index)).or_default().push(index);
    }
    let mut found: Vec<(usize, DuplicateGroup)> = members
        .into_iter()
        .filter(|(_, members)| members.len() > 1)
        .map(|(root, members)| {
            let group = describe(folder, splits, examined, &members, groups.distances[root]);
            (members[0], group)
        })
        .collect();
    found.sort_by_key(|(first, group)| {
        let harmless = (!group.crosses_classes, !group.crosses_splits);
        (harmless, group.likeness, *first)
    });
    found.into_iter().map(|(_, group)| group).collect()
}

/// Joins pictures of the same pixels; gives the first one of each.
fn join_same_pixels(pictures: &[Option<&Picture>], groups: &mut Groups) -> Vec<usize> {
    let mut firsts = HashMap::new();
    let mut different = Vec::new();
    for (index, picture) in pictures.iter().enumerate() {
        let Some(picture) = picture else { continue };
        let first = *firsts.entry(picture.identity).or_insert(index);
        match first == index {
            true => different.push(index),
            false => groups.join(first, index, 0),
        }
    }
    different
}

/// Joins pictures that look the same. Where very many share one hash, each is compared with some of them only.
fn join_near(pictures: &[Option<&Picture>], different: &[usize], groups: &mut Groups) {
    let mut hashes: Vec<u64> = Vec::new();
    let mut sharing: Vec<Vec<(usize, &Picture)>> = Vec::new();
    let mut places = HashMap::new();
    for &index in different {
        // Pictures of one colour have no look to compare; they are told apart from the others already.
        let Some(picture) = pictures[index].filter(|picture| !picture.is_blank) else {
            continue;
        };
        let place = *places
            .entry(picture.perceptual_hash)
            .or_insert(hashes.len());
        if place == hashes.len() {
            hashes.push(picture.perceptual_hash);
            sharing.push(Vec::new());
        }
        sharing[place].push((index, picture));
    }
    let mut apart = Vec::with_capacity(sharing.len());
    for same in &mut sharing {
        same.sort_by_key(|(index, picture)| (brightness(&picture.thumbnail), *index));
        for (at, (index, picture)) in same.iter().enumerate() {
            for (other, near) in same.iter().skip(at + 1).take(COMPARED_WITHIN) {
                if looks_alike(&picture.thumbnail, &near.thumbnail) {
                    groups.join(*index, *other, 0);
                }
            }
        }
        let mut roots = Vec::new();
        same.retain(|(index, _)| {
            let root = groups.root(*index);
            let is_new = roots.len() < COMPARED_ACROSS && !roots.contains(&root);
            if is_new {
                roots.push(root);
            }
            is_new
        });
        apart.push(same.as_slice());
    }
    for (one, other, distance) in near_pairs(&hashes, NEAR_BITS) {
        for (a, first) in apart[one] {
            for (b, second) in apart[other] {
                if looks_alike(&first.thumbnail, &second.thumbnail) {
                    groups.join(*a, *b, distance);
                }
            }
        }
    }
}

fn brightness(thumbnail: &Thumbnail) -> u32 {
    thumbnail.iter().map(|&value| u32::from(value)).sum()
}

fn looks_alike(a: &Thumbnail, b: &Thumbnail) -> bool {
    let difference: u32 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(*b)))
        .sum();
    difference <= NEAR_LEVELS * a.len() as u32
}

fn describe(
    folder: &ImageFolder,
    splits: &[Option<SplitName>],
    examined: &[Examined],
    members: &[usize],
    distance_bits: u32,
) -> DuplicateGroup {
    let same = |of: fn(&Examined) -> Option<super::examine::Hash>| {
        let first = of(&examined[members[0]]);
        members.iter().all(|&member| of(&examined[member]) == first)
    };
    let likeness = if same(|file| file.file_hash) {
        Likeness::SameBytes
    } else if same(|file| file.picture.as_ref().ok().map(|picture| picture.identity)) {
        Likeness::SamePixels
    } else {
        Likeness::Near
    };
    let target = |member: usize| &folder.samples[member].target;
    // Frames of a scale that moves look the same and are not.
    let may_differ = folder.task.targets() == TargetKind::Numbers && likeness == Likeness::Near;
    let mut parts = members.iter().filter_map(|&member| splits[member]);
    let part = parts.next();
    DuplicateGroup {
        likeness,
        distance_bits,
        crosses_splits: parts.any(|other| Some(other) != part),
        crosses_classes: !may_differ
            && (members.iter()).any(|&other| target(other) != target(members[0])),
        images: members
            .iter()
            .map(|&member| DuplicateImage {
                path: folder.samples[member].key(),
                class: target(member).words(folder.classes.names()),
                split: splits[member],
            })
            .collect(),
    }
}

/// Disjoint sets of numbers, each with the largest distance that joined it.
struct Groups {
    parents: Vec<usize>,
    distances: Vec<u32>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self {
            parents: (0..count).collect(),
            distances: vec![0; count],
        }
    }

    /// The smallest number of the set; shortens the way to it.
    fn root(&mut self, mut of: usize) -> usize {
        while self.parents[of] != of {
            self.parents[of] = self.parents[self.parents[of]];
            of = self.parents[of];
        }
        of
    }

    /// Makes one set of two. A pair that is in one set already says nothing new: a shorter chain joined it.
    fn join(&mut self, a: usize, b: usize, distance: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.parents[a.max(b)] = a.min(b);
            self.distances[a.min(b)] = self.distances[a].max(self.distances[b]).max(distance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::examine::tests::picture;
    use rekindle_data::{ClassIndex, Sample};

    /// A folder of samples of these classes, with pictures that are made by `change` of a common one.
    fn groups_of(
        classes: &[usize],
        splits: &[Option<SplitName>],
        change: impl Fn(usize, &mut Picture),
    ) -> Vec<DuplicateGroup> {
        let names =
            (0..=classes.iter().max().copied().unwrap_or(0)).map(|class| format!("class{class}"));
        let samples = classes.iter().enumerate().map(|(index, &class)| {
            Sample::file(format!("class{class}/{index}.png").into(), class, None)
        });
        let folder = ImageFolder {
            root: "photos".into(),
            classes: ClassIndex::new(names.collect()).unwrap(),
            samples: samples.collect(),
            least_per_class: 2,
            ..ImageFolder::default()
        };
        let examined: Vec<Examined> = (0..classes.len())
            .map(|index| {
                let mut picture = picture();
                // Different files with different pixels, unless `change` says otherwise.
                picture.identity = [index as u8; 32];
                change(index, &mut picture);
                Examined {
                    file_hash: Some([index as u8; 32]),
                    picture: Ok(picture),
                }
            })
            .collect();
        duplicates(&folder, splits, &examined)
    }

    const TRAIN: Option<SplitName> = Some(SplitName::Train);
    const VALIDATION: Option<SplitName> = Some(SplitName::Validation);

    #[test]
    fn the_same_pixels_in_different_files_are_one_group() {
        let found = groups_of(&[0, 0, 1], &[TRAIN, VALIDATION, TRAIN], |index, picture| {
            picture.identity = [index.min(1) as u8; 32];
            picture.perceptual_hash = if index == 0 { 0 } else { u64::MAX };
            if index == 2 {
                picture.identity = [0; 32];
                picture.perceptual_hash = 0;
            }
        });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].likeness, Likeness::SamePixels);
        assert_eq!(found[0].distance_bits, 0);
        assert!(found[0].crosses_classes && !found[0].crosses_splits);
    }

    #[test]
    fn near_hashes_join_also_over_a_third_picture() {
        let found = groups_of(&[0, 0, 0], &[TRAIN, TRAIN, VALIDATION], |index, picture| {
            picture.perceptual_hash = [0, 0b1111, 0b1111_1111][index];
        });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].images.len(), 3);
        assert_eq!(
            (found[0].likeness, found[0].distance_bits),
            (Likeness::Near, 4)
        );
        assert!(found[0].crosses_splits && !found[0].crosses_classes);
    }

    #[test]
    fn the_same_look_in_another_colour_is_another_picture() {
        let found = groups_of(&[0, 0], &[TRAIN, TRAIN], |index, picture| {
            picture.thumbnail = [index as u8 * 7; 192];
        });
        assert_eq!(found, []);
    }

    #[test]
    fn pictures_of_one_colour_are_compared_by_their_pixels_alone() {
        let found = groups_of(&[0, 0, 0], &[TRAIN; 3], |index, picture| {
            picture.is_blank = true;
            picture.identity = [u8::from(index == 2); 32];
        });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].images.len(), 2);
    }

    #[test]
    fn conflicts_of_classes_come_first_then_leaks_then_the_rest() {
        let classes = [0, 0, 0, 0, 0, 1];
        let splits = [TRAIN, TRAIN, TRAIN, VALIDATION, TRAIN, TRAIN];
        let found = groups_of(&classes, &splits, |index, picture| {
            picture.identity = [index as u8 / 2; 32];
            picture.perceptual_hash = [0, u64::MAX, 0xffff_0000_ffff_0000][index / 2];
        });
        let crossing: Vec<_> = found
            .iter()
            .map(|group| (group.crosses_classes, group.crosses_splits))
            .collect();
        assert_eq!(crossing, [(true, false), (false, true), (false, false)]);
    }

    #[test]
    fn thousands_of_pictures_with_one_hash_end_soon() {
        let count = 3000;
        let found = groups_of(&vec![0; count], &vec![TRAIN; count], |index, picture| {
            picture.identity = std::array::from_fn(|at| (index >> (at % 4 * 8)) as u8);
            picture.thumbnail = [(index % 251) as u8; 192];
        });
        // Brightness goes in steps of one, so all are near to a neighbour.
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].images.len(), count);
    }
}
