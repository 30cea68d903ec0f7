//! Files of features that are written row by row: NumPy's `.npy` with a list of paths and labels beside it, `.safetensors` with these in
//! its metadata, `.csv` with all in columns.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rekindle_data::ImageFolder;
use serde_json::json;

use crate::ExportError;
use crate::write::refuse_existing;

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureFormat {
    /// NumPy's array, `[images, features]` in f32; `NAME.csv` beside `NAME.npy` has a row for each image.
    Npy,
    /// The tensor `features`, `[images, features]` in f32; `paths` and `labels` are JSON arrays in the metadata.
    Safetensors,
    /// A row for each image: path, label, features.
    Csv,
}

impl FeatureFormat {
    /// That of a file's name.
    ///
    /// # Errors
    ///
    /// It ends otherwise.
    pub fn of(path: &Path) -> Result<Self, ExportError> {
        match path.extension().and_then(|end| end.to_str()) {
            Some("npy") => Ok(Self::Npy),
            Some("safetensors") => Ok(Self::Safetensors),
            Some("csv") => Ok(Self::Csv),
            _ => Err(ExportError::FeatureFile { path: path.into() }),
        }
    }
}

/// The largest header that readers of safetensors take.
const MOST_HEADER: usize = 100_000_000;

/// A file that is being written, under another name until it is whole.
#[derive(Debug)]
pub struct FeatureFile {
    format: FeatureFormat,
    path: PathBuf,
    rows: Part,
    /// The list beside an array.
    list: Option<(PathBuf, Part)>,
    features: usize,
    labelled: bool,
    left: usize,
}

/// A file under another name; it is removed unless it becomes whole.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Part {
    fn create(whole: &Path) -> Result<Self, ExportError> {
        let mut name = whole.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let path = whole.with_file_name(name);
        let file = File::create(&path).map_err(|source| unwritten(whole, source))?;
        Ok(Self {
            path,
            file: Some(BufWriter::new(file)),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        let path = &self.path;
        let file = self.file.as_mut();
        file.map_or(Ok(()), |file| file.write_all(bytes))
            .map_err(|source| unwritten(path, source))
    }

    fn finish(mut self, whole: &Path) -> Result<(), ExportError> {
        let flushed = match self.file.take() {
            Some(file) => file
                .into_inner()
                .map_err(std::io::IntoInnerError::into_error)
                .and_then(|file| file.sync_all()),
            None => Ok(()),
        };
        flushed
            .and_then(|()| fs::rename(&self.path, whole))
            .map_err(|source| unwritten(whole, source))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It has another name by now, or is of no use.
        let _ = fs::remove_file(&self.path);
    }
}

fn unwritten(path: &Path, source: std::io::Error) -> ExportError {
    ExportError::File {
        doing: "write",
        path: path.into(),
        source,
    }
}

impl FeatureFile {
    /// Begins a file for these samples of a folder, in this order, each with so many features; its name says of which kind it is. A
    /// folder without classes has no labels.
    ///
    /// # Errors
    ///
    /// The name ends otherwise, there is a file already and it may not be replaced, or it cannot be written.
    pub fn create(
        path: &Path,
        folder: &ImageFolder,
        samples: &[usize],
        features: usize,
        replace: bool,
    ) -> Result<Self, ExportError> {
        let format = FeatureFormat::of(path)?;
        refuse_existing(path, replace)?;
        let beside = (format == FeatureFormat::Npy).then(|| path.with_extension("csv"));
        if let Some(list) = &beside {
            refuse_existing(list, replace)?;
        }
        let mut rows = Part::create(path)?;
        let list = beside.map(|list| Ok::<_, ExportError>((list.clone(), Part::create(&list)?)));
        let mut list = list.transpose()?;
        let labelled = !folder.classes.names().is_empty();
        let heading = ["path", "label"][..1 + usize::from(labelled)].join(",");
        match format {
            FeatureFormat::Npy => rows.write(&npy_header(samples.len(), features))?,
            FeatureFormat::Safetensors => {
                rows.write(&safetensors_header(folder, samples, features, path)?)?;
            }
            FeatureFormat::Csv => {
                let names = (0..features).map(|number| format!(",f{number}"));
                rows.write(format!("{heading}{}\n", names.collect::<String>()).as_bytes())?;
            }
        }
        if let Some((_, list)) = &mut list {
            list.write(format!("{heading}\n").as_bytes())?;
        }
        Ok(Self {
            format,
            path: path.into(),
            rows,
            list,
            features,
            labelled,
            left: samples.len(),
        })
    }

    /// The list beside an array.
    pub fn list(&self) -> Option<&Path> {
        self.list.as_ref().map(|(path, _)| path.as_path())
    }

    /// Adds the next samples with their features, row by row.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    ///
    /// # Panics
    ///
    /// When there are more samples than the file was begun for, or not as many numbers as they have features.
    pub fn add(
        &mut self,
        folder: &ImageFolder,
        samples: &[usize],
        rows: &[f32],
    ) -> Result<(), ExportError> {
        assert_eq!(
            rows.len(),
            samples.len() * self.features,
            "rows of features"
        );
        self.left = self
            .left
            .checked_sub(samples.len())
            .expect("no more samples than the file was begun for");
        match self.format {
            FeatureFormat::Npy | FeatureFormat::Safetensors => {
                let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
                self.rows.write(&bytes)?;
            }
            FeatureFormat::Csv => {
                for (sample, row) in samples.iter().zip(rows.chunks(self.features)) {
                    let mut line = self.named(folder, *sample);
                    line.extend(row.iter().map(|value| format!(",{value}")));
                    line.push('\n');
                    self.rows.write(line.as_bytes())?;
                }
            }
        }
        for sample in samples {
            let line = self.named(folder, *sample) + "\n";
            if let Some((_, list)) = &mut self.list {
                list.write(line.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    ///
    /// # Panics
    ///
    /// When there were fewer samples than the file was begun for.
    pub fn finish(self) -> Result<(), ExportError> {
        assert_eq!(self.left, 0, "a file of features has all its samples");
        if let Some((path, list)) = self.list {
            list.finish(&path)?;
        }
        self.rows.finish(&self.path)
    }

    /// Path and label of a sample as fields of CSV.
    fn named(&self, folder: &ImageFolder, sample: usize) -> String {
        let path = quoted(&path_of(folder, sample));
        match self.labelled {
            true => format!("{path},{}", quoted(&label_of(folder, sample))),
            false => path,
        }
    }
}

fn path_of(folder: &ImageFolder, sample: usize) -> String {
    let path = &folder.samples[sample].path;
    path.to_string_lossy().into_owned()
}

fn label_of(folder: &ImageFolder, sample: usize) -> String {
    let target = &folder.samples[sample].target;
    target.words(folder.classes.names())
}

/// A field of CSV, in quotes where RFC 4180 asks for them.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// The header of version 1.0 of NumPy's format, a multiple of 64 bytes long.
fn npy_header(images: usize, features: usize) -> Vec<u8> {
    let mut dict =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({images}, {features}), }}");
    // Magic, version, length and the line's end stand around it.
    let whole = (10 + dict.len() + 1).next_multiple_of(64);
    dict.push_str(&" ".repeat(whole - 10 - dict.len() - 1));
    dict.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((dict.len() as u16).to_le_bytes());
    header.extend(dict.as_bytes());
    header
}

/// Length and header of a safetensors file with one tensor.
fn safetensors_header(
    folder: &ImageFolder,
    samples: &[usize],
    features: usize,
    path: &Path,
) -> Result<Vec<u8>, ExportError> {
    let each = |text: fn(&ImageFolder, usize) -> String| -> String {
        let all: Vec<String> = samples.iter().map(|sample| text(folder, *sample)).collect();
        json!(all).to_string()
    };
    let mut metadata = json!({"paths": each(path_of)});
    if !folder.classes.names().is_empty() {
        metadata["labels"] = each(label_of).into();
    }
    let end = samples.len() * features * size_of::<f32>();
    let header = json!({
        "__metadata__": metadata,
        "features": {"dtype": "F32", "shape": [samples.len(), features], "data_offsets": [0, end]},
    });
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() > MOST_HEADER {
        return Err(ExportError::TooManyPaths { path: path.into() });
    }
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    Ok(bytes)
}
