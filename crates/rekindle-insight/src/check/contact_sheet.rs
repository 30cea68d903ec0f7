//! The findings of a check as a picture: what is wrong first, then a few images of each class.
//!
//! Owns: which images are shown. The few that are shown are decoded once more, since a check keeps none.

use std::collections::HashMap;

use rayon::prelude::*;
use rekindle_augment::{DecodeLimits, LargeInTurn, RgbImage, decode, shown};

use super::report::{CheckReport, DuplicateGroup, DuplicateImage};
use crate::sheet::{CAPTION_LETTERS, Sheet, Tile};
use rekindle_data::{ImageFolder, Sample, SplitName, TargetKind};

/// Pictures in a row.
const COLUMNS: usize = 8;
/// Most classes with a row of their own.
const MOST_CLASSES: usize = 40;
/// Most groups of duplicates of each kind, two of their pictures each.
const MOST_GROUPS: usize = 8;
/// Most unusual images.
const MOST_ODD: usize = 16;
/// Most images whose label is in doubt, and most that are least like any class.
const MOST_DOUBTED: usize = 40;
const MOST_OUTLIERS: usize = 16;
/// Most names of images that cannot be decoded.
const MOST_NAMES: usize = 8;

/// Draws the contact sheet of a report on this folder.
///
/// An image that can no longer be read is left out.
pub fn contact_sheet(report: &CheckReport, folder: &ImageFolder) -> RgbImage {
    let mut sheet = Sheet::new(COLUMNS);
    let words = report.task.words();
    let of = match report.task.targets() {
        TargetKind::Numbers => format!("{} {}", words.of, words.more),
        _ => format!("{} {} {}", words.of, report.classes.len(), words.more),
    };
    sheet.heading(format!(
        "{}: {} images {of}, {} can be decoded",
        report.data.display(),
        report.images,
        report.usable_images
    ));
    sheet.heading("");
    add_duplicates(&mut sheet, report, folder);
    if !report.unreadable.is_empty() {
        sheet.alarm(format!("cannot be decoded: {}", report.unreadable.len()));
        for image in report.unreadable.iter().take(MOST_NAMES) {
            sheet.note(format!("  {}: {}", image.path, image.reason));
        }
        if report.unreadable.len() > MOST_NAMES {
            sheet.note(format!(
                "  and {} more",
                report.unreadable.len() - MOST_NAMES
            ));
        }
        sheet.heading("");
    }
    if !report.odd.is_empty() {
        sheet.alarm(format!("unusual: {}", report.odd.len()));
        let captions = report.odd.iter().take(MOST_ODD).map(|odd| {
            let kind = odd.kind.name().replace('_', " ");
            (odd.path.clone(), [kind, name_of(&odd.path)])
        });
        sheet.tiles(tiles(folder, &report.decoding, captions));
    }
    add_doubts(&mut sheet, report, folder);
    for (index, class) in report.classes.iter().enumerate().take(MOST_CLASSES) {
        sheet.heading(format!(
            "{}: {} train, {} validation, {} test",
            class.class, class.train, class.validation, class.test
        ));
        let of_class = |sample: &&Sample| sample.target.names().any(|name| name == index);
        let samples = folder.samples.iter().filter(of_class).collect();
        let captions = spread_out(report, samples)
            .into_iter()
            .map(|path| (path.clone(), in_two_lines(&name_of(&path))));
        sheet.tiles(tiles(folder, &report.decoding, captions));
    }
    for (place, number) in report.numbers.iter().enumerate() {
        let (min, max) = (number.min, number.max);
        sheet.heading(format!(
            "{}: {min} to {max}, from the least to the greatest",
            number.name
        ));
        let value = |sample: &Sample| sample.target.numbers()[place];
        let mut samples: Vec<&Sample> = folder.samples.iter().collect();
        samples.sort_by(|a, b| value(a).total_cmp(&value(b)));
        let values: HashMap<String, f64> = samples.iter().map(|s| (s.key(), value(s))).collect();
        let captions = spread_out(report, samples).into_iter().map(|path| {
            let caption = [values[&path].to_string(), name_of(&path)];
            (path, caption)
        });
        sheet.tiles(tiles(folder, &report.decoding, captions));
    }
    if report.classes.len() > MOST_CLASSES {
        sheet.note(format!(
            "and {} more classes",
            report.classes.len() - MOST_CLASSES
        ));
    }
    sheet.draw()
}

/// Labels that models doubt, with what they say, and pictures least like any class.
fn add_doubts(sheet: &mut Sheet, report: &CheckReport, folder: &ImageFolder) {
    let Some(labels) = &report.labels else {
        return;
    };
    if !labels.wrong.is_empty() {
        sheet.alarm(format!(
            "labels that may be wrong, and the likeliest class: {}",
            labels.wrong.len()
        ));
        let shown = labels.wrong.iter().take(MOST_DOUBTED).map(|doubt| {
            let lines = [format!("{}?", doubt.label), doubt.likeliest.clone()];
            (doubt.path.clone(), lines)
        });
        sheet.tiles(tiles(folder, &report.decoding, shown));
    }
    if !labels.outliers.is_empty() {
        sheet.heading(format!(
            "least like any class, of {} whose classes are surer as a rule",
            labels.outliers.len()
        ));
        let shown = labels.outliers.iter().take(MOST_OUTLIERS).map(|doubt| {
            (
                doubt.path.clone(),
                [doubt.label.clone(), name_of(&doubt.path)],
            )
        });
        sheet.tiles(tiles(folder, &report.decoding, shown));
    }
}

fn add_duplicates(sheet: &mut Sheet, report: &CheckReport, folder: &ImageFolder) {
    let conflict = format!("the same picture {}", report.task.words().differ);
    type Kind<'a> = (&'a str, fn(&DuplicateGroup) -> bool);
    let kinds: [Kind; 3] = [
        (&conflict, |group| group.crosses_classes),
        ("the same picture in several splits", |group| {
            group.crosses_splits && !group.crosses_classes
        }),
        ("the same picture several times", |group| {
            !group.crosses_splits && !group.crosses_classes
        }),
    ];
    for (words, matches) in kinds {
        let groups: Vec<&DuplicateGroup> = report
            .duplicates
            .iter()
            .filter(|group| matches(group))
            .collect();
        if groups.is_empty() {
            continue;
        }
        sheet.alarm(format!("{words}: {}", groups.len()));
        let captions = groups
            .iter()
            .take(MOST_GROUPS)
            .flat_map(|group| pair_of(group))
            .map(|image| {
                let split = image.split.map(SplitName::short).unwrap_or_default();
                let place = format!("{split} {}", image.class);
                (image.path.clone(), [place, name_of(&image.path)])
            });
        sheet.tiles(tiles(folder, &report.decoding, captions));
    }
}

/// The first picture of a group, and the first one that differs from it in class, or else in split.
fn pair_of(group: &DuplicateGroup) -> Vec<&DuplicateImage> {
    let Some((first, rest)) = group.images.split_first() else {
        return Vec::new();
    };
    let other = rest
        .iter()
        .find(|image| image.class != first.class)
        .or_else(|| rest.iter().find(|image| image.split != first.split))
        .or_else(|| rest.first());
    std::iter::once(first).chain(other).collect()
}

/// Those of these images that can be decoded, evenly from the list.
fn spread_out(report: &CheckReport, samples: Vec<&Sample>) -> Vec<String> {
    let unreadable: std::collections::HashSet<&str> = report
        .unreadable
        .iter()
        .map(|image| image.path.as_str())
        .collect();
    let paths: Vec<String> = samples
        .into_iter()
        .map(Sample::key)
        .filter(|path| !unreadable.contains(path.as_str()))
        .collect();
    let shown = paths.len().min(COLUMNS);
    (0..shown)
        .map(|place| paths[place * paths.len() / shown].clone())
        .collect()
}

fn tiles<const N: usize>(
    folder: &ImageFolder,
    limits: &DecodeLimits,
    captions: impl Iterator<Item = (String, [String; N])>,
) -> Vec<Tile> {
    let captions: Vec<(String, [String; N])> = captions.collect();
    let turns = LargeInTurn::default();
    let samples: HashMap<String, &Sample> = folder
        .samples
        .iter()
        .map(|sample| (sample.key(), sample))
        .collect();
    captions
        .into_par_iter()
        .filter_map(|(path, caption)| {
            let bytes = folder.read(samples.get(&path)?).ok()?;
            let _turn = turns.wait(&bytes, limits).ok()?;
            let decoded = decode(&bytes, limits).ok()?;
            Some(Tile::new(&shown(&decoded.image, limits.channels), caption))
        })
        .collect()
}

/// A name without its extension, broken where the first line is full; what is too long for two lines loses its middle.
fn in_two_lines(name: &str) -> [String; 2] {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let first = stem.chars().take(CAPTION_LETTERS).collect();
    [first, stem.chars().skip(CAPTION_LETTERS).collect()]
}

fn name_of(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::report::Likeness;

    #[test]
    fn long_names_take_two_lines() {
        assert_eq!(in_two_lines("owl.webp"), ["owl", ""]);
        assert_eq!(
            in_two_lines("front-facing-baby-chick.webp"),
            ["front-facing", "-baby-chick"]
        );
    }

    #[test]
    fn a_pair_shows_what_makes_the_group_serious() {
        let image = |path: &str, class: &str, split| DuplicateImage {
            path: path.into(),
            class: class.into(),
            split: Some(split),
        };
        let mut group = DuplicateGroup {
            likeness: Likeness::Near,
            distance_bits: 2,
            crosses_splits: true,
            crosses_classes: true,
            images: vec![
                image("a", "cat", SplitName::Train),
                image("b", "cat", SplitName::Train),
                image("c", "cat", SplitName::Test),
                image("d", "dog", SplitName::Train),
            ],
        };
        let paths = |group: &DuplicateGroup| -> Vec<String> {
            pair_of(group)
                .iter()
                .map(|image| image.path.clone())
                .collect()
        };
        assert_eq!(paths(&group), ["a", "d"]);
        group.images.pop();
        assert_eq!(paths(&group), ["a", "c"]);
        group.images.pop();
        assert_eq!(paths(&group), ["a", "b"]);
    }
}
