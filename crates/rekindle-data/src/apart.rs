//! Validation images that lie apart from the training images. Owns how the two become one set.

use std::path::Path;
use std::sync::Arc;

use crate::{DataError, ImageFolder, Sample, SourceKind, SourceOptions, SplitName, open_data_as};

/// The training images, with those of `validation` as validation images. Paths of the latter are absolute.
///
/// # Errors
/// The data has validation images of its own; the two have other classes, labels or numbers; tar shards.
pub(crate) fn with_validation(
    data: ImageFolder,
    validation: &Path,
    options: &SourceOptions,
) -> Result<ImageFolder, DataError> {
    let unused = |path: &Path| DataError::UnusedSetting {
        path: path.to_path_buf(),
        key: "data.validation",
    };
    if data.has(SplitName::Validation) {
        return Err(unused(&data.source));
    }
    let other = open_data_as(validation, options, data.task, &data.classes)?;
    if other.kind == SourceKind::Shards {
        return Err(unused(&other.source));
    }
    let mut joined = data;
    for sample in &mut joined.samples {
        sample.split.get_or_insert(SplitName::Train);
    }
    let known = joined.groups.len() as u32;
    let renamed = |name: &Arc<str>| {
        let place = joined.groups.iter().position(|group| group == name);
        place.map(|place| place as u32)
    };
    let groups: Vec<Option<u32>> = other.groups.iter().map(renamed).collect();
    let mut fresh = known;
    let groups: Vec<u32> = groups
        .into_iter()
        .zip(&other.groups)
        .map(|(place, name)| {
            place.unwrap_or_else(|| {
                joined.groups.push(name.clone());
                fresh += 1;
                fresh - 1
            })
        })
        .collect();
    // Their own folder may have splits: all of them are for validation here, but a training set of that name is no place to measure.
    let apart = other.samples.iter().filter(|sample| match sample.split {
        None | Some(SplitName::Validation) => true,
        Some(_) => !other.has(SplitName::Validation),
    });
    let apart = apart.map(|sample| {
        let path = other.root.join(&sample.path);
        Sample {
            path: std::path::absolute(&path).unwrap_or(path),
            split: Some(SplitName::Validation),
            group: sample.group.map(|group| groups[group as usize]),
            ..sample.clone()
        }
    });
    let apart: Vec<Sample> = apart.collect();
    let place = joined
        .samples
        .iter()
        .position(|sample| sample.split == Some(SplitName::Test));
    let place = place.unwrap_or(joined.samples.len());
    joined.samples.splice(place..place, apart);
    joined.least_per_class = joined.least_per_class.min(1);
    joined.warnings.extend(other.warnings);
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_data;

    fn folder(images: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for image in images {
            let path = folder.path().join(image);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    #[test]
    fn images_apart_are_the_validation_images() {
        let options = SourceOptions::default();
        let data = folder(&["a/1.png", "a/2.png", "b/1.png", "b/2.png"]);
        let apart = folder(&["a/3.png", "b/4.png"]);
        let opened = open_data(data.path(), &options).unwrap();
        let joined = with_validation(opened.clone(), apart.path(), &options).unwrap();
        assert_eq!(joined.samples_of(SplitName::Train).len(), 4);
        let validation = joined.samples_of(SplitName::Validation);
        let classes = validation.iter().map(|&at| joined.samples[at].class());
        assert_eq!(classes.collect::<Vec<_>>(), [Some(0), Some(1)]);
        let path = joined.root.join(&joined.samples[validation[0]].path);
        assert!(path.ends_with("a/3.png") && path.is_file());
        let again = with_validation(joined, apart.path(), &options).unwrap_err();
        assert!(again.to_string().contains("data.validation"), "{again}");
        let foreign = folder(&["a/3.png", "c/4.png"]);
        assert!(with_validation(opened, foreign.path(), &options).is_err());
    }
}
