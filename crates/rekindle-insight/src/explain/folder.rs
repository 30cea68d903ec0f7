//! Explanations in files: a drawing of each picture, maps that are large as arrays, and `explanations.json` with all the rest.
//!
//! Owns names of files and where they may lie: never among images, and never over what is no explanation.

use std::collections::HashSet;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use rekindle_augment::{RgbImage, shown};
use rekindle_data::{OutputKind, is_inside};
use rekindle_model::{ModelError, create_directory, write_whole};
use serde_json::{Map, Value, json};

use super::{Explainer, Explanation, HeatMap, MethodMap, drawing};
use crate::InsightError;

/// The file that says all.
pub const INDEX: &str = "explanations.json";
/// Maps of more values are files of their own.
const MOST_VALUES: usize = 1024;

/// A folder that explanations are written to.
#[derive(Debug)]
pub struct ExplanationFolder {
    path: PathBuf,
    about: Value,
    entries: Vec<Value>,
    /// Names so far, in small letters: some systems see no difference.
    taken: HashSet<String>,
}

impl ExplanationFolder {
    /// Makes the folder, or takes an empty one; with `over`, also one with earlier explanations, whose files are replaced where the names
    /// are the same. `images` are what the images are read from: files and folders.
    ///
    /// # Errors
    ///
    /// [`InsightError::ExplainFolder`] for any other folder, and for one among the images; it cannot be written.
    pub fn new(
        path: &Path,
        images: &[PathBuf],
        over: bool,
        of: &Explainer,
    ) -> Result<Self, InsightError> {
        check(path, images, over)?;
        create_directory(path).map_err(ModelError::from)?;
        let options = of.options();
        let about = json!({
            "rekindle": env!("CARGO_PKG_VERSION"),
            "architecture": of.model().info().architecture,
            "task": of.model().info().task.name(),
            "input": of.model().info().preprocessing.input_size,
            "baseline": of.baseline_colour(),
            "steps": options.steps,
            "window": of.window(),
        });
        let new = Self {
            path: path.into(),
            about,
            entries: Vec::new(),
            taken: HashSet::new(),
        };
        // So that a folder that is not finished is known as what it is.
        new.write_index()?;
        Ok(new)
    }

    /// Writes the drawing of a picture and what belongs to it; gives the drawing's path. `image` is where the picture is from, `view` what
    /// the network sees of it.
    ///
    /// # Errors
    ///
    /// A file cannot be drawn or written.
    pub fn add(
        &mut self,
        image: &Path,
        view: &RgbImage,
        explanation: &Explanation,
        of: &Explainer,
    ) -> Result<PathBuf, InsightError> {
        let task = of.model().info().task;
        let stem = self.free_name(image);
        let channels = of.model().info().preprocessing.channels();
        let sheet = drawing(&shown(view, channels), explanation, task)?;
        let mut png = Cursor::new(Vec::new());
        sheet
            .write_to(&mut png, image::ImageFormat::Png)
            .map_err(|error| InsightError::Plot {
                reason: error.to_string(),
            })?;
        let name = format!("{stem}.png");
        let path = self.write(&name, png.get_ref())?;
        let maps: Vec<Value> = explanation
            .maps
            .iter()
            .map(|map| self.map(&stem, map))
            .collect::<Result<_, _>>()?;
        let mut entry = Map::new();
        entry.insert("path".into(), image.to_string_lossy().into());
        entry.insert("drawing".into(), name.into());
        entry.insert("output".into(), explanation.name.clone().into());
        let value = match task.outputs() {
            OutputKind::Numbers => "value",
            OutputKind::Distribution | OutputKind::Indicators => "probability",
        };
        entry.insert(value.into(), explanation.value.into());
        entry.insert("score".into(), explanation.score.into());
        entry.insert("maps".into(), maps.into());
        self.entries.push(entry.into());
        Ok(path)
    }

    /// Writes `explanations.json`, and gives its path.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn finish(self) -> Result<PathBuf, InsightError> {
        self.write_index()
    }

    fn map(&self, stem: &str, found: &MethodMap) -> Result<Value, InsightError> {
        let map = &found.map;
        let [height, width] = map.size();
        let mut entry = Map::new();
        entry.insert("method".into(), found.method.name().into());
        if let Some(stage) = &found.stage {
            entry.insert("stage".into(), stage.clone().into());
        }
        entry.insert("size".into(), json!([height, width]));
        if map.is_signed() {
            entry.insert("sum".into(), map.sum().into());
        }
        if let Some(difference) = found.difference {
            entry.insert("difference".into(), difference.into());
        }
        match map.values().len() <= MOST_VALUES {
            true => {
                let rows: Vec<&[f32]> = map.values().chunks(width).collect();
                entry.insert("values".into(), json!(rows));
            }
            false => {
                let name = format!("{stem}.{}.npy", found.method);
                self.write(&name, &array(map))?;
                entry.insert("values_in".into(), name.into());
            }
        }
        Ok(entry.into())
    }

    fn write_index(&self) -> Result<PathBuf, InsightError> {
        // A line for each image: indented, each value of a map would have its own.
        let images: Vec<String> = self.entries.iter().map(Value::to_string).collect();
        let whole = format!(
            "{{\"made_with\":{},\n\"images\":[\n{}\n]}}\n",
            self.about,
            images.join(",\n")
        );
        self.write(INDEX, whole.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, InsightError> {
        let path = self.path.join(name);
        write_whole(&path, bytes).map_err(ModelError::from)?;
        Ok(path)
    }

    /// The picture's own name without its ending, with a number where there is one of that name.
    fn free_name(&mut self, image: &Path) -> String {
        let stem = image.file_stem().unwrap_or(image.as_os_str());
        let plain = |letter: char| match letter {
            '/' | '\\' | ':' => '_',
            letter if letter.is_control() => '_',
            letter => letter,
        };
        let stem: String = stem.to_string_lossy().chars().map(plain).collect();
        let mut name = stem.clone();
        let mut number = 2;
        while !self.taken.insert(name.to_lowercase()) {
            name = format!("{stem}-{number}");
            number += 1;
        }
        name
    }
}

/// Refuses places where files would do harm.
fn check(path: &Path, images: &[PathBuf], over: bool) -> Result<(), InsightError> {
    let refuse = |reason: String| {
        Err(InsightError::ExplainFolder {
            path: path.into(),
            reason,
        })
    };
    if let Some(data) = images.iter().find(|data| is_inside(data, path)) {
        let data = data.display();
        return refuse(format!(
            "it lies in the folder of images {data}, which is only read; choose a place outside it with -o"
        ));
    }
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let real = |path: &Path| path.canonicalize().ok();
    let of_images = |image: &PathBuf| {
        let folder = image.parent().filter(|folder| *folder != Path::new(""));
        real(folder.unwrap_or(Path::new("."))) == real(path)
    };
    if !path.is_dir() {
        return refuse("it is a file; choose another name with -o".into());
    }
    if images.iter().any(of_images) {
        return refuse("the images lie in it; choose another folder with -o".into());
    }
    let holds_any = fs::read_dir(path).is_ok_and(|mut files| files.next().is_some());
    match (holds_any, path.join(INDEX).is_file(), over) {
        (false, ..) | (true, true, true) => Ok(()),
        (true, true, false) => refuse(
            "it holds explanations already; --force replaces them, -o chooses another folder"
                .into(),
        ),
        (true, false, _) => refuse(
            "it is not empty and holds no explanations; choose another folder with -o".into(),
        ),
    }
}

/// The map as NumPy's array of f32, format 1.0 (`numpy.lib.format`).
fn array(map: &HeatMap) -> Vec<u8> {
    let [height, width] = map.size();
    let about =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({height}, {width}), }}");
    // All of it before the values is a multiple of 64 and ends in a new line.
    let room = (10 + about.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((room as u16).to_le_bytes());
    bytes.extend(format!("{about:<width$}\n", width = room - 1).bytes());
    bytes.extend(map.values().iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_an_array_as_numpy_writes_it() {
        let bytes = array(&HeatMap::new([1, 2], vec![1.0, -2.0], true));
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let text = std::str::from_utf8(&bytes[10..128]).unwrap();
        assert!(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }  "));
        assert!(text.ends_with(" \n"));
        assert_eq!(bytes[128..], [0, 0, 128, 63, 0, 0, 0, 192]);
    }

    #[test]
    fn explanations_stay_away_from_images_and_from_what_others_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::create_dir_all(place("photos/cat")).unwrap();
        fs::write(place("photos/cat/1.png"), "").unwrap();
        fs::create_dir(place("empty")).unwrap();
        fs::create_dir(place("notes")).unwrap();
        fs::write(place("notes/a.txt"), "").unwrap();
        fs::create_dir(place("old")).unwrap();
        fs::write(place("old").join(INDEX), "{}").unwrap();
        let photos = [place("photos")];
        let one = [place("photos/cat/1.png")];
        let why = |path: &str, images: &[PathBuf], over: bool| {
            let checked = check(&place(path), images, over);
            checked.err().map(|error| error.to_string())
        };
        assert_eq!(why("new", &photos, false), None);
        assert_eq!(why("empty", &photos, false), None);
        assert_eq!(why("old", &photos, true), None);
        assert!(why("old", &photos, false).unwrap().contains("--force"));
        for over in [false, true] {
            for inside in ["photos/new", "photos", "photos/cat"] {
                let why = why(inside, &photos, over).unwrap();
                assert!(why.contains("only read"), "{why}");
            }
            let among = why("photos/cat", &one, over).unwrap();
            assert!(among.contains("the images lie in it"), "{among}");
            let foreign = why("notes", &photos, over).unwrap();
            assert!(foreign.contains("not empty"), "{foreign}");
            assert!(
                why("notes/a.txt", &photos, over)
                    .unwrap()
                    .contains("a file")
            );
        }
    }
}
