//! The settings under `data`: how images and labels are read, divided and drawn.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    BadImages, ColumnNames, DataError, DiskCache, GroupBy, HoldOut, ImageFolder, NameGrouping,
    Ordinal, Sampling, SourceOptions, apart::with_validation, default_cache_directory,
    levels::as_levels, limited, open_data, open_data_to_check,
};
use rekindle_augment::{AlphaUse, Reading, TiffPlanes};
use rekindle_settings::SettingError;

/// More than any machine has.
const MOST_MEGABYTES: u64 = 1_000_000_000;

/// Reading, splitting and drawing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Where the relative paths of a manifest start. Default: the manifest's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// Images to validate on, apart from the data: a folder of class folders, or a manifest. Default: the data's own validation images, or a
    /// share of its training images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<PathBuf>,
    /// The column of the paths in a manifest. Default: the one called `path`, `file`, `image` or the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_column: Option<String>,
    /// The column of the labels in a manifest, or the key in the JSON objects of tar shards. Default: `label`, `class` or `category`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// The column of several labels in a manifest, or the key of the list of labels in JSON objects. Default: `labels`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels_column: Option<String>,
    /// What separates several labels in one cell of CSV and TSV. Default `|`.
    pub label_separator: String,
    /// The column of a number, or a list of such columns, or of keys in JSON objects. Default: `number`, and all whose names begin with
    /// `number:`, such as `number:height`.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_more",
        default
    )]
    pub number_columns: Vec<String>,
    /// Columns of 0 and 1, each of which is a label. Default: all columns of nothing but 0 and 1, where no other holds labels or numbers.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_more",
        default
    )]
    pub label_columns: Vec<String>,
    /// Whether classes are levels with an order, such as grades: `true`, from the lowest number in their names to the highest; or the list of
    /// their names, the lowest first, `["none", "mild", "severe"]`. They are learned as levels then (`loss.name = "corn"`), and errors weigh
    /// by how far off they are. Levels in a column of numbers: name it with `label_column`. Default: classes have no order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<Ordinal>,
    /// What the paths of a manifest begin with and do not here, such as `/data/upload/`; it is left out. Default: found where all paths
    /// begin with the same folders, and all images are there without them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// What is put behind the paths of a manifest that do not end in it, such as `.jpg`. Default: for a name without an ending, that of the
    /// only image of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// The column that says `train`, `val` or `test`. Default: `split`, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_column: Option<String>,
    /// The column of the groups that are never divided. Default: `group`, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_column: Option<String>,
    /// `none` (default), or `prefix`: images whose file names agree up to `group_separator` are a group, in place of a group column.
    pub group_by: GroupBy,
    /// Ends the group's part of a file name. Default `_`.
    pub group_separator: String,
    /// Share of each class, of each label or of each range of numbers that is held out for validation where the data has no validation images. Default 0.2.
    pub validation_share: f64,
    /// Parts for cross-validation in place of a share; 0 (default) for none.
    pub folds: usize,
    /// Which part is held out, from 1 to `folds`. Default 1.
    pub fold: usize,
    /// `shuffle` (default): every training image once an epoch; `balanced`: every class equally often, as many images in all (for images
    /// with one class each).
    pub sampling: Sampling,
    /// Images in all, for a smoke run. Default: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Which planes of a TIFF that has several are its picture: `first`, the first page that is no thumbnail (default); `channels`, all that
    /// ImageJ's or OME's description calls channels, of one slice and one moment; `all`, every page or plane in its order. Two or three are
    /// red, green and blue; other numbers are for `input.channels`. The model file keeps it.
    #[serde(default)]
    pub tiff_planes: TiffPlanes,
    /// What becomes of an alpha channel: `white`, pictures are put over white by it (default); `ignore`, the colours are taken as they are
    /// stored, for files whose alpha is a fourth band. The model file keeps it.
    #[serde(default)]
    pub alpha: AlphaUse,
    /// What to do with images that cannot be decoded: `fail` (default) or `skip`.
    pub bad_images: BadImages,
    /// Most images whose headers are read before the start, spread evenly over all; what is wrong with another one is found when it is
    /// needed. Default 50000. With `bad_images = "skip"` all images are decoded, however many.
    pub checked_headers: usize,
    /// Megabytes of decoded images kept in memory. Default 384; 200 pictures of 800 x 800 pixels.
    pub image_cache_mb: usize,
    /// Megabytes of decoded images, and of features of frozen stages, kept on disk, for epochs beyond what memory holds and for later
    /// runs; 0 keeps none. Default 4096: 7000 pictures of 500 x 375 pixels, or 1700 photographs of 12 megapixels at the size that training
    /// needs. When it is full, the least recently used are removed.
    pub disk_cache_mb: usize,
    /// Where they are kept; outside the folders of images. Default: `rekindle` in the system's cache directory (`XDG_CACHE_HOME`, or
    /// `~/.cache`). Entries are found by the content of the image file, and features by all
    /// that decides them, so all runs can share one directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_directory: Option<PathBuf>,
    /// Decode random crops of JPEG files of more than 2 megapixels at a half, a quarter or an eighth of their size where the crop
    /// stays at least twice as large as the input; of other files of more than 16 megapixels that come row by row (PNG, TIFF, BMP, lossy
    /// WebP) at down to a sixty-fourth. Several times faster; the pixels differ by about a grey level on average.
    /// Default on. Evaluation and prediction always decode at full size.
    pub jpeg_scaling: bool,
    /// Megabytes of frozen features kept in memory; beyond that they are computed anew each epoch. Default 512.
    pub feature_cache_mb: usize,
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self {
            root: None,
            validation: None,
            path_column: None,
            label_column: None,
            labels_column: None,
            label_separator: "|".into(),
            number_columns: Vec::new(),
            label_columns: Vec::new(),
            ordinal: None,
            path_prefix: None,
            suffix: None,
            split_column: None,
            group_column: None,
            group_by: GroupBy::None,
            group_separator: "_".into(),
            validation_share: 0.2,
            folds: 0,
            fold: 1,
            sampling: Sampling::Shuffle,
            limit: None,
            tiff_planes: TiffPlanes::First,
            alpha: AlphaUse::White,
            bad_images: BadImages::Fail,
            checked_headers: 50_000,
            image_cache_mb: 384,
            disk_cache_mb: 4096,
            cache_directory: None,
            jpeg_scaling: true,
            feature_cache_mb: 512,
        }
    }
}

impl DataRecipe {
    /// What of a file becomes its picture, for [`Preprocessing::reading`](rekindle_augment::Preprocessing::reading).
    pub fn reading(&self) -> Reading {
        Reading {
            tiff_planes: self.tiff_planes,
            alpha: self.alpha,
        }
    }

    /// How the data is to be opened.
    pub fn source_options(&self) -> SourceOptions {
        let grouping = NameGrouping {
            separator: self.group_separator.clone(),
        };
        SourceOptions {
            root: self.root.clone(),
            columns: ColumnNames {
                path: self.path_column.clone(),
                label: self.label_column.clone(),
                labels: self.labels_column.clone(),
                indicators: self.label_columns.clone(),
                numbers: self.number_columns.clone(),
                split: self.split_column.clone(),
                group: self.group_column.clone(),
                ..ColumnNames::default()
            },
            label_separator: self.label_separator.clone(),
            grouping: (self.group_by == GroupBy::Prefix).then_some(grouping),
            path_prefix: self.path_prefix.clone(),
            suffix: self.suffix.clone(),
            cache_directory: self.cache_directory.clone(),
        }
    }

    /// Opens labelled images with these settings, and keeps `limit` of them, chosen by `seed`; gives how many there were before, too.
    ///
    /// # Errors
    /// As [`open_data`] and [`limited`]; `validation` where the data has validation images itself, or with classes that the data has not.
    pub fn open(&self, data: &Path, seed: u64) -> Result<(ImageFolder, usize), DataError> {
        self.open_with(data, seed, |path, options| open_data(path, options))
    }

    /// As [`open`](Self::open), for a check: see [`open_data_to_check`].
    ///
    /// # Errors
    /// As [`open`](Self::open), but for classes with too few images.
    pub fn open_to_check(&self, data: &Path, seed: u64) -> Result<(ImageFolder, usize), DataError> {
        self.open_with(data, seed, |path, options| {
            open_data_to_check(path, options)
        })
    }

    fn open_with(
        &self,
        data: &Path,
        seed: u64,
        open: impl Fn(&Path, &SourceOptions) -> Result<ImageFolder, DataError>,
    ) -> Result<(ImageFolder, usize), DataError> {
        let options = self.source_options();
        let mut folder = open(data, &options)?;
        if let Some(validation) = &self.validation {
            folder = with_validation(folder, validation, &options)?;
        }
        let folder = as_levels(folder, self.ordinal.as_ref())?;
        let found = folder.samples.len();
        let folder = match self.limit {
            Some(limit) => limited(folder, limit, self.validation_share, seed)?,
            None => folder,
        };
        Ok((folder, found))
    }

    /// What is held out for validation.
    pub fn hold_out(&self) -> HoldOut {
        match self.folds {
            0 => HoldOut::Share(self.validation_share),
            folds => HoldOut::Fold {
                fold: self.fold,
                folds,
            },
        }
    }

    /// The settings of [`source_options`](Self::source_options) that are not the defaults, as `key=value`: what another command needs to
    /// open the same data.
    pub fn source_settings(&self) -> Vec<String> {
        let text = |key: &str, value: &Option<String>| {
            let value = value.as_ref()?;
            Some(format!("data.{key}={}", toml::Value::from(value.as_str())))
        };
        let separator = Some(self.label_separator.clone());
        let separator = separator.filter(|text| *text != Self::default().label_separator);
        let list = |key: &str, columns: &Vec<String>| {
            let columns = (!columns.is_empty()).then(|| toml::Value::from(columns.clone()))?;
            Some(format!("data.{key}={columns}"))
        };
        let root = self.root.as_ref().map(|root| root.display().to_string());
        [
            text("root", &root),
            text("path_column", &self.path_column),
            text("label_column", &self.label_column),
            text("labels_column", &self.labels_column),
            text("label_separator", &separator),
            list("label_columns", &self.label_columns),
            list("number_columns", &self.number_columns),
            text("path_prefix", &self.path_prefix),
            text("suffix", &self.suffix),
            text("split_column", &self.split_column),
            text("group_column", &self.group_column),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The cache on disk for these images; none where it is turned off, or where the system's cache directory is not known or lies among
    /// the images.
    ///
    /// # Errors
    /// `cache_directory` lies in a folder of images, or is a file.
    pub fn disk_cache(&self, folder: &ImageFolder) -> Result<Option<DiskCache>, SettingError> {
        if self.disk_cache_mb == 0 {
            return Ok(None);
        }
        let budget = (self.disk_cache_mb as u64) << 20;
        let Some(directory) = &self.cache_directory else {
            let directory = default_cache_directory().filter(|place| !folder.surrounds(place));
            return Ok(directory.map(|directory| DiskCache::new(directory, budget)));
        };
        let refuse =
            |expected| SettingError::new("data.cache_directory", directory.display(), expected);
        if directory.exists() && !directory.is_dir() {
            return Err(refuse("a directory; this is a file"));
        }
        if folder.surrounds(directory) {
            let expected = "a directory outside the folders of images, which are only read";
            return Err(refuse(expected));
        }
        Ok(Some(DiskCache::new(directory.clone(), budget)))
    }

    /// Checks what can be known without the data.
    ///
    /// # Errors
    /// A setting out of range, or one that has no use beside the others.
    pub fn check(&self) -> Result<(), SettingError> {
        if self.folds == 0 && self.fold != 1 {
            let expected = "1 where `data.folds` is 0; set `data.folds` too";
            return Err(SettingError::new("data.fold", self.fold, expected));
        }
        if self.group_by == GroupBy::Prefix && self.group_separator.is_empty() {
            let expected = "at least one character, such as `_`";
            return Err(SettingError::new("data.group_separator", "empty", expected));
        }
        if self.label_separator.is_empty() {
            let expected = "at least one character, such as `|`";
            return Err(SettingError::new("data.label_separator", "empty", expected));
        }
        for (key, value, expected) in [
            ("data.suffix", &self.suffix, "an ending such as `.jpg`"),
            (
                "data.path_prefix",
                &self.path_prefix,
                "the beginning of the paths, such as `/data/upload/`",
            ),
        ] {
            if value.as_ref().is_some_and(String::is_empty) {
                return Err(SettingError::new(key, "empty", expected));
            }
        }
        if self.checked_headers == 0 {
            return Err(SettingError::new("data.checked_headers", 0, "at least 1"));
        }
        for (key, megabytes) in [
            ("data.image_cache_mb", self.image_cache_mb),
            ("data.disk_cache_mb", self.disk_cache_mb),
            ("data.feature_cache_mb", self.feature_cache_mb),
        ] {
            // As bytes it has to fit 64 bits.
            if megabytes as u64 > MOST_MEGABYTES {
                return Err(SettingError::new(key, megabytes, "at most 1000000000"));
            }
        }
        Ok(())
    }
}

/// A text, or a list of texts.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a column, or a list of columns")]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_no_machine_holds_is_refused() {
        let data = DataRecipe {
            image_cache_mb: usize::MAX >> 20,
            ..DataRecipe::default()
        };
        assert_eq!(data.check().unwrap_err().key(), "data.image_cache_mb");
    }

    #[test]
    fn a_fold_without_folds_is_refused() {
        let data = DataRecipe {
            fold: 2,
            ..DataRecipe::default()
        };
        assert_eq!(data.check().unwrap_err().key(), "data.fold");
    }
}
