//! Images without targets, for prediction: files, folders, and those that manifests and tar shards name.
//!
//! This file owns how several of them become one list. The readers are `scan.rs`, `manifest.rs` and `shards.rs`.

use std::path::Path;

#[cfg(feature = "parquet")]
use super::manifest::read_parquet;
use super::{
    DataError, ImageFolder, Sample, SourceOptions, Target, list_images,
    manifest::{Manifest, Wanted, read_manifest},
    shards::{is_tar, read_shards},
};

/// Lists the images that paths stand for, one path after the other: an image file; a folder, in the order of
/// [`list_images`](super::list_images); a manifest, in the order of its rows; a tar file or a folder of them, in their order. What
/// manifests and tar files say of the images is left aside, so manifests need no other column than that of the paths.
///
/// # Errors
/// As [`list_images`](super::list_images), [`ManifestError`](super::ManifestError) and [`ShardError`](super::ShardError).
pub fn open_unlabelled(
    paths: &[impl AsRef<Path>],
    options: &SourceOptions,
) -> Result<ImageFolder, DataError> {
    let mut all = ImageFolder::default();
    for path in paths {
        let path = path.as_ref();
        #[cfg(feature = "parquet")]
        let table = read_parquet(path, options, Wanted::Images)?;
        #[cfg(not(feature = "parquet"))]
        let table: Option<ImageFolder> = None;
        let list = match path.is_file() && table.is_none() {
            true => Manifest::open(path)?,
            false => None,
        };
        let shards = match (&list, path.is_dir() || (path.is_file() && is_tar(path))) {
            (None, true) if table.is_none() => read_shards(path, &options.columns, Wanted::Images)?,
            _ => None,
        };
        let shards = table.or(shards);
        let found = match (list, shards) {
            (Some(list), _) => read_manifest(list, options, Wanted::Images)?,
            (None, Some(shards)) => shards,
            (None, None) => ImageFolder::unlabelled(list_images(path)?),
        };
        let before = all.members.len() as u32;
        let root = &found.root;
        all.samples
            .extend(found.samples.into_iter().map(|sample| Sample {
                path: root.join(&sample.path),
                target: Target::Class(0),
                split: None,
                group: None,
                member: sample.member.map(|member| before + member),
            }));
        all.members.extend(found.members);
        all.warnings.extend(found.warnings);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_folders_manifests_and_shards_are_listed_in_order() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::create_dir_all(path("folder/in")).unwrap();
        for name in ["folder/in/b.png", "folder/a.png", "one.png"] {
            fs::write(path(name), name).unwrap();
        }
        fs::write(path("list.csv"), "path\none.png\nfolder/a.png\none.png\n").unwrap();
        for shard in ["1.tar", "2.tar"] {
            let mut tar = tar::Builder::new(fs::File::create(path(shard)).unwrap());
            let mut header = tar::Header::new_gnu();
            header.set_size(5);
            tar.append_data(&mut header, "x.png", shard.as_bytes())
                .unwrap();
            tar.into_inner().unwrap();
        }
        let given = ["list.csv", "folder", "1.tar", "2.tar", "one.png"].map(path);
        let found = open_unlabelled(&given, &SourceOptions::default()).unwrap();
        let contents: Vec<String> = found
            .samples
            .iter()
            .map(|sample| String::from_utf8(found.read(sample).unwrap()).unwrap())
            .collect();
        let expected = [
            "one.png",
            "folder/a.png",
            "one.png",
            "folder/a.png",
            "folder/in/b.png",
            "1.tar",
            "2.tar",
            "one.png",
        ];
        assert_eq!(contents, expected);
        assert_eq!(found.samples[5].path, path("1.tar/x.png"));

        // Images beside a tar file are listed, and the tar file is one of the files that are left out.
        fs::copy(path("1.tar"), path("folder/in/backup.tar")).unwrap();
        let found = open_unlabelled(&[path("folder/in")], &SourceOptions::default()).unwrap();
        assert_eq!(found.samples.len(), 1);
        assert_eq!(found.samples[0].path, path("folder/in/b.png"));

        fs::write(path("list.csv"), "picture\n1\n").unwrap();
        let error = open_unlabelled(&given[..1], &SourceOptions::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("no column for the path"), "{error}");
    }
}
