//! Sequences of folders: each folder that holds pictures is one. Classes and splits are found as for images, by `scan.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Found, SequenceError, Sequences, natural_order};
use crate::manifest::Wanted;
use crate::{DataError, ImageFolder, Sample, Target, list_images, scan_folder, scan_folder_as};

/// The sequences of a folder with classes.
pub fn labelled(path: &Path, wanted: Wanted) -> Result<Sequences, DataError> {
    let mut folder = match wanted {
        Wanted::Known { names, .. } => scan_folder_as(path, names)?,
        _ => scan_folder(path)?,
    };
    let mut found: BTreeMap<PathBuf, Found> = BTreeMap::new();
    for frame in std::mem::take(&mut folder.samples) {
        let (above, name) = apart(&frame.path);
        if is_class_folder(&folder, &frame, &above) {
            let folder = path.join(&above);
            return Err(SequenceError::OutsideSequences {
                folder,
                frame: name,
            }
            .into());
        }
        let of_folder = found.entry(above.clone()).or_insert_with(|| Found {
            sequence: Sample {
                path: above,
                ..frame.clone()
            },
            frames: Vec::new(),
        });
        of_folder.frames.push(frame);
    }
    folder.least_per_class = 0;
    Ok(Sequences::of(folder, in_order(found)))
}

/// The sequences of a folder without classes: itself where it holds pictures, and every folder with pictures below it. Their names are
/// their paths.
pub fn unlabelled(path: &Path) -> Result<Sequences, DataError> {
    let mut found: BTreeMap<PathBuf, Found> = BTreeMap::new();
    for image in list_images(path)? {
        let (above, _) = apart(&image);
        let of_folder = found.entry(above.clone()).or_insert_with(|| Found {
            sequence: Sample::file(above, 0, None),
            frames: Vec::new(),
        });
        of_folder.frames.push(Sample::file(image, 0, None));
    }
    Ok(Sequences::of(ImageFolder::default(), in_order(found)))
}

/// The folder of a path, and its last name.
fn apart(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().unwrap_or_default();
    let above = path.parent().unwrap_or(Path::new("")).to_path_buf();
    (above, name.to_string_lossy().into_owned())
}

/// Whether a folder is that of the frame's class itself: the first below its split that is called so.
fn is_class_folder(folder: &ImageFolder, frame: &Sample, above: &Path) -> bool {
    let Target::Class(class) = frame.target else {
        return false;
    };
    let name = folder.classes.names().get(class);
    let below_split = usize::from(frame.split.is_some());
    let mut parts = above.iter().skip(below_split);
    let found = parts.find(|part| name.is_some_and(|name| part.to_str() == Some(name)));
    found.is_none() || parts.next().is_none()
}

fn in_order(found: BTreeMap<PathBuf, Found>) -> Vec<Found> {
    let mut found: Vec<Found> = found.into_values().collect();
    for one in &mut found {
        one.frames
            .sort_by(|a, b| natural_order(&apart(&a.path).1, &apart(&b.path).1));
    }
    found
}
