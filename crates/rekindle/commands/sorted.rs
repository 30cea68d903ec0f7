//! Copies of images in a folder for each predicted class: `predict --sort DIR`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rekindle_data::Dataset;
use rekindle_model::ensemble::AfterTraining;
use rekindle_model::{ModelInfo, Said};

/// The folder that copies go to.
#[derive(Debug)]
pub struct Sorted {
    folder: PathBuf,
}

impl Sorted {
    /// Makes the folder.
    ///
    /// # Errors
    ///
    /// It holds something already, or cannot be made.
    pub fn new(folder: &Path) -> Result<Self> {
        let context = || format!("cannot write to `{}`", folder.display());
        fs::create_dir_all(folder).with_context(context)?;
        if fs::read_dir(folder).with_context(context)?.next().is_some() {
            bail!(
                "`{}` is not empty; give --sort a folder of another name",
                folder.display()
            );
        }
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// Copies the images of a batch to their likeliest classes, or to `unknown`, also where they are less familiar than `least`.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written.
    pub fn add(
        &mut self,
        dataset: &Dataset,
        batch: &[usize],
        found: &[Said],
        info: &ModelInfo,
        least: Option<f32>,
    ) -> Result<()> {
        let images = dataset.folder();
        for (&index, said) in batch.iter().zip(found) {
            let row = &said.values;
            let pair = said.familiarity.zip(least);
            let strange = pair.is_some_and(|(share, least)| share < least);
            let best = (0..row.len())
                .rev()
                .max_by(|a, b| row[*a].total_cmp(&row[*b]));
            let class = match best {
                Some(best) if strange || info.after.is_unknown(row[best]) => {
                    Some(AfterTraining::UNKNOWN)
                }
                best => best.and_then(|best| info.classes.get(best).map(String::as_str)),
            };
            let folder = self.folder.join(folder_name(class.unwrap_or_default()));
            let sample = &images.samples[index];
            let name = sample.path.file_name().unwrap_or(sample.path.as_os_str());
            let copy = || -> io::Result<()> {
                let bytes = images.read(sample)?;
                fs::create_dir_all(&folder)?;
                create(&folder, Path::new(name))?.write_all(&bytes)
            };
            copy().with_context(|| {
                let from = sample.path.display();
                format!("cannot copy `{from}` to `{}`", folder.display())
            })?;
        }
        Ok(())
    }
}

/// A file of this name, or with a number where there is one already: images of one name may come from several folders.
fn create(folder: &Path, name: &Path) -> io::Result<File> {
    let mut number = 1u64;
    loop {
        let path = match number {
            1 => folder.join(name),
            _ => {
                let mut other = OsString::from(name.file_stem().unwrap_or_default());
                other.push(format!("-{number}"));
                if let Some(end) = name.extension() {
                    other.push(".");
                    other.push(end);
                }
                folder.join(other)
            }
        };
        match File::create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made,
        }
    }
}

/// A class as the name of one folder, whatever letters it has.
fn folder_name(class: &str) -> String {
    let plain = |letter: char| match letter {
        '/' | '\\' | ':' => '_',
        letter if letter.is_control() => '_',
        letter => letter,
    };
    let name: String = class.chars().map(plain).collect();
    match name.trim_matches('.').is_empty() {
        true => "_".repeat(name.len().max(1)),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_one_folder_whatever_its_name() {
        assert_eq!(folder_name("a cat"), "a cat");
        assert_eq!(folder_name("../etc"), ".._etc");
        assert_eq!(folder_name(".."), "__");
        assert_eq!(folder_name(""), "_");
    }

    #[test]
    fn two_files_of_one_name_are_both_kept() {
        let place = std::env::temp_dir().join(format!("rekindle-sorted-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        for _ in 0..3 {
            create(&place, Path::new("a.png")).unwrap();
        }
        for name in ["a.png", "a-2.png", "a-3.png"] {
            assert!(place.join(name).is_file(), "{name}");
        }
        fs::remove_dir_all(place).unwrap();
    }
}
