//! Where the images of a list are, if its paths were written for another place: on another machine, on Windows, without extensions.
//!
//! This file owns looking for them, and the words about those that are missing. Only names are looked up, of few rows where the paths are
//! right; what was found out is told.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    rows::Row,
    walk::{FileKind, kind_of},
};

/// How many images are looked for before paths are taken as right or wrong.
const LOOKED_FOR: usize = 32;
/// Most folders beside a list in which its images are looked for.
const MOST_FOLDERS: usize = 64;

/// The files in folders, by their names without the ending of an image.
#[derive(Debug, Default)]
struct Folders {
    listed: HashMap<PathBuf, HashMap<String, Vec<String>>>,
}

impl Folders {
    /// The path with the ending of the only image of this name; none where there is none, or are several.
    fn completed(&mut self, root: &Path, path: &Path) -> Option<PathBuf> {
        let name = path.file_name()?.to_str()?;
        let parent = path.parent()?;
        let names = self.listed.entry(parent.to_path_buf()).or_insert_with(|| {
            let mut names: HashMap<String, Vec<String>> = HashMap::new();
            // A folder that cannot be listed has no such file.
            let entries = fs::read_dir(root.join(parent)).into_iter().flatten();
            for entry in entries.flatten() {
                if let Ok(name) = entry.file_name().into_string()
                    && kind_of(&name) == FileKind::Image
                    && let Some((stem, _)) = name.rsplit_once('.')
                {
                    names.entry(stem.to_owned()).or_default().push(name);
                }
            }
            names
        });
        match names.get(name)?.as_slice() {
            [only] => Some(parent.join(only)),
            _ => None,
        }
    }

    fn has(&mut self, root: &Path, path: &Path) -> bool {
        (is_image(path) && root.join(path).exists())
            || (!is_image(path)
                && (root.join(path).is_file() || self.completed(root, path).is_some()))
    }
}

fn is_image(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| kind_of(name) == FileKind::Image)
}

/// Corrects the paths of all rows, and gives what was done in words.
///
/// - `suffix` is put behind every path that does not end in it.
/// - Backslashes divide folders where no file has them in its name.
/// - Where none of the first images looked for is there, but all are once their first folders (the same ones) are left out, or in one
///   folder beside them, they are taken from there.
/// - A path without the ending of an image, of which there is no file, gets that of the only image of this name.
pub(super) fn settle(rows: &mut [Row], root: &Path, suffix: Option<&str>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut folders = Folders::default();
    let slashed = divide_at_backslashes(rows, root);
    if slashed > 0 {
        notes.push(format!(
            "paths with backslashes, which are read as `/`: {slashed}"
        ));
    }
    if let Some(suffix) = suffix {
        for row in rows.iter_mut() {
            let text = row.path.to_string_lossy();
            if !text.ends_with(suffix) {
                row.path = format!("{text}{suffix}").into();
            }
        }
    }
    let step = rows.len().div_ceil(LOOKED_FOR).max(1);
    let sample: Vec<PathBuf> = rows
        .iter()
        .step_by(step)
        .map(|row| row.path.clone())
        .collect();
    if !sample.is_empty() && !sample.iter().any(|path| folders.has(root, path)) {
        if let Some(prefix) = superfluous(&sample, root, &mut folders) {
            for row in rows.iter_mut() {
                if let Ok(rest) = row.path.strip_prefix(&prefix) {
                    row.path = rest.to_path_buf();
                }
            }
            notes.push(format!(
                "paths begin with `{}`, which is not here: it is left out (`data.path_prefix` names what is)",
                prefix.display()
            ));
        } else if let Some(folder) = missing_folder(&sample, root, &mut folders) {
            for row in rows.iter_mut() {
                row.path = Path::new(&folder).join(&row.path);
            }
            notes.push(format!(
                "the images are in the folder `{folder}` (`data.root` names another)"
            ));
        }
    }
    let mut completed = 0;
    for row in rows.iter_mut().filter(|row| !is_image(&row.path)) {
        if !root.join(&row.path).is_file()
            && let Some(path) = folders.completed(root, &row.path)
        {
            row.path = path;
            completed += 1;
        }
    }
    if completed > 0 {
        notes.push(format!(
            "paths without the ending of an image, which get that of the only image of their name: {completed}"
        ));
    }
    notes
}

/// How many paths had their backslashes replaced.
fn divide_at_backslashes(rows: &mut [Row], root: &Path) -> usize {
    let mut count = 0;
    if std::path::MAIN_SEPARATOR == '\\' {
        return count;
    }
    for row in rows {
        let Some(text) = row.path.to_str().filter(|text| text.contains('\\')) else {
            continue;
        };
        if root.join(&row.path).exists() {
            continue;
        }
        let parts = text.split(['\\', '/']);
        let slashed: PathBuf = parts.filter(|part| !matches!(*part, "" | ".")).collect();
        let absolute = text.starts_with(['\\', '/']);
        row.path = match absolute {
            true => Path::new("/").join(slashed),
            false => slashed,
        };
        count += 1;
    }
    count
}

/// The folders at the beginning of all paths without which all images are found; as few as will do.
fn superfluous(sample: &[PathBuf], root: &Path, folders: &mut Folders) -> Option<PathBuf> {
    let first = sample.first()?;
    let depth = first.components().count();
    (1..depth).find_map(|count| {
        let prefix: PathBuf = first.components().take(count).collect();
        let found = |path: &PathBuf| {
            let rest = path.strip_prefix(&prefix).ok();
            rest.is_some_and(|rest| folders.has(root, rest))
        };
        sample.iter().all(found).then_some(prefix)
    })
}

/// The only folder below the root that holds all of the images.
fn missing_folder(sample: &[PathBuf], root: &Path, folders: &mut Folders) -> Option<String> {
    let root_or_here = match root.as_os_str().is_empty() {
        true => Path::new("."),
        false => root,
    };
    let entries = fs::read_dir(root_or_here).ok()?.flatten();
    let inner: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .take(MOST_FOLDERS)
        .collect();
    let mut holds_all = inner.into_iter().filter(|folder| {
        let inside = |path: &PathBuf| {
            !path.is_absolute() && folders.has(root, &Path::new(folder).join(path))
        };
        sample.iter().all(inside)
    });
    let only = holds_all.next()?;
    holds_all.next().is_none().then_some(only)
}

/// What to do about missing images, where their names say it; empty otherwise.
pub(crate) fn hint(root: &Path, missing: &[PathBuf]) -> String {
    let Some(first) = missing.first() else {
        return String::new();
    };
    let text = first.to_string_lossy();
    let on_the_web = ["http:", "https:", "gs:", "s3:", "azureml:", "AmlDatastore:"];
    if on_the_web.iter().any(|start| text.starts_with(start)) {
        return "; pictures are not fetched: copy them here, and `--set data.path_prefix=PREFIX` leaves out what stands before their names".into();
    }
    if !is_image(first) {
        return "; these names have no ending of an image: `--set data.suffix=.jpg` adds one"
            .into();
    }
    let name = first.file_name().unwrap_or_default();
    if first.components().count() > 1 && root.join(name).exists() {
        return "; pictures of these names lie in that folder itself: `--set data.path_prefix=PREFIX` leaves out what stands before them".into();
    }
    if first.is_absolute() {
        return "; `--set data.path_prefix=PREFIX` leaves out the beginning of absolute paths"
            .into();
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn settled(files: &[&str], paths: &[&str], suffix: Option<&str>) -> (Vec<String>, Vec<String>) {
        let place = tempfile::tempdir().unwrap();
        for file in files {
            let path = place.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        let mut rows: Vec<Row> = paths
            .iter()
            .map(|path| Row {
                path: path.into(),
                target: Target::Class(0),
                split: None,
                group: None,
                frame: None,
                member: None,
                line: 0,
            })
            .collect();
        let notes = settle(&mut rows, place.path(), suffix);
        let paths = rows.iter().map(|row| row.path.display().to_string());
        (paths.collect(), notes)
    }

    #[test]
    fn paths_that_are_right_stay_as_they_are() {
        let files = ["a/1.png", "1.png", "2"];
        let (paths, notes) = settled(&files, &["a/1.png", "1.png", "2", "a/none.png"], None);
        assert_eq!(paths, ["a/1.png", "1.png", "2", "a/none.png"]);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn paths_of_another_place_are_found_where_all_begin_alike() {
        let files = ["cat/1.png", "dog/2.png"];
        for prefix in ["/data/upload/7/", "gs:/bucket/", "C:\\Users\\me\\", "../x/"] {
            let given = [format!("{prefix}cat/1.png"), format!("{prefix}dog/2.png")];
            let (paths, notes) = settled(&files, &given.each_ref().map(String::as_str), None);
            assert_eq!(paths, files, "{prefix}");
            assert!(
                notes.last().unwrap().contains("data.path_prefix"),
                "{notes:?}"
            );
        }
        // The pictures of one name in several places are not guessed at.
        let (paths, _) = settled(&files, &["x/cat/1.png", "y/dog/2.png"], None);
        assert_eq!(paths, ["x/cat/1.png", "y/dog/2.png"]);
        let (paths, notes) = settled(&["images/1.png", "other/2.png"], &["1.png"], None);
        assert_eq!(paths, ["images/1.png"]);
        assert!(notes[0].contains("`images`"), "{notes:?}");
    }

    #[test]
    fn endings_are_added_where_one_image_has_the_name() {
        let files = ["a/1.png", "a/2.jpg", "a/2.png", "a/3.v1.jpg"];
        let (paths, notes) = settled(&files, &["a/1", "a/2", "a/3.v1"], None);
        assert_eq!(paths, ["a/1.png", "a/2", "a/3.v1.jpg"]);
        assert!(notes[0].ends_with(": 2"), "{notes:?}");
        let (paths, _) = settled(&files, &["a/1", "a/2", "a/1.png"], Some(".png"));
        assert_eq!(paths, ["a/1.png", "a/2.png", "a/1.png"]);
    }

    #[test]
    fn backslashes_divide_folders() {
        let (paths, notes) = settled(&["a/b/1.png"], &["a\\b\\1.png", ".\\a/b\\1.png"], None);
        assert_eq!(paths, ["a/b/1.png", "a/b/1.png"]);
        assert!(notes[0].contains("backslashes"), "{notes:?}");
    }

    #[test]
    fn missing_images_are_told_with_the_setting_that_is_nearest() {
        let said = |path: &str| hint(Path::new("here"), &[path.into()]);
        assert!(said("https:/x.org/1.jpg").contains("not fetched"));
        assert!(said("a/1").contains("data.suffix"));
        assert!(said("/far/1.jpg").contains("data.path_prefix"));
        assert_eq!(said("a/1.jpg"), "");
    }
}
