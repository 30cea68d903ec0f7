//! What a check found, as it is printed and as it is written in JSON.
//!
//! Owns: the types. How each part is found is the business of the file of its name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use rekindle_augment::DecodeLimits;
use rekindle_data::{SkippedFiles, SplitName, TaskKind};

use crate::labels::Doubts;

/// Everything that is known of a folder of images before training.
///
/// Paths are relative to the folder, with `/` between their parts; lists follow the order of the folder's samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// Version of rekindle.
    pub rekindle: &'static str,
    /// The folder.
    pub data: PathBuf,
    /// Images found.
    pub images: usize,
    /// Images that can be decoded.
    pub usable_images: usize,
    /// What matters most, the most serious first.
    pub findings: Vec<Finding>,
    /// Whether images have a class, labels or numbers.
    pub task: TaskKind,
    /// Usable images for training.
    pub train_images: usize,
    /// Images of each class or label, in the order of their indices; none where images have numbers.
    pub classes: Vec<ClassReport>,
    /// Usable images without any label, where images have labels.
    pub images_without_labels: usize,
    /// How each number is spread over the usable images; none where images have classes or labels.
    pub numbers: Vec<NumberReport>,
    /// Usable training and validation images of the largest class over those of the smallest; none where a class has none.
    pub imbalance_ratio: Option<f64>,
    /// Where the split comes from.
    pub split: SplitOrigin,
    /// Images that cannot be decoded.
    pub unreadable: Vec<Unreadable>,
    /// Groups of pictures that are the same, the most serious first.
    pub duplicates: Vec<DuplicateGroup>,
    /// Images that can be decoded and are unusual.
    pub odd: Vec<Odd>,
    /// Sizes of the upright pictures; none where nothing can be decoded.
    pub sizes: Option<Sizes>,
    /// Mean and standard deviation of the colours; none where nothing can be decoded.
    pub channels: Option<Channels>,
    /// How many images are of each format, by content.
    pub formats: BTreeMap<String, usize>,
    /// How many images store their pixels in each way.
    pub modes: BTreeMap<String, usize>,
    /// What the stacks are like of which one plane is used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<StackReport>,
    /// What the alpha channels are like that look like a band of their own, where most pictures have such a one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha_band: Option<AlphaBand>,
    /// How many images have each EXIF orientation; 1 is upright, the others are turned when they are read.
    pub orientations: BTreeMap<u8, usize>,
    /// Images with an embedded colour profile, which is ignored.
    pub icc_profiles: usize,
    /// Files that were left out of the list of images, by kind.
    pub left_out: SkippedFiles,
    /// Settings that suit this folder better.
    pub suggestions: Vec<Suggestion>,
    /// What trained models say of the labels, where they were asked ([`doubts`](crate::labels::doubts)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Doubts>,
    /// How the images were decoded.
    #[serde(skip)]
    pub decoding: DecodeLimits,
}

impl CheckReport {
    /// Whether something was found that stops or spoils training.
    pub fn is_serious(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Serious)
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Training stops, or its figures are worth nothing.
    Serious,
    /// Worth a look.
    Warning,
}

/// One thing that was found, with how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is, as a word for programs.
    pub kind: FindingKind,
    /// How many groups, images or classes it concerns.
    pub count: usize,
    /// The finding in a sentence.
    pub message: String,
}

/// What a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// The same picture in several classes, or with other labels or numbers.
    LabelConflict,
    /// The same picture in several splits.
    Leakage,
    /// Images that cannot be decoded.
    Unreadable,
    /// Classes with too few usable images.
    ClassTooSmall,
    /// The same picture several times in one class and split.
    Duplicates,
    /// Classes of very different sizes.
    Imbalance,
    /// Classes with too few validation images for figures of their own.
    FewValidationImages,
    /// Images that are unusual.
    Odd,
    /// Alpha channels that look like a band of their own.
    AlphaBand,
    /// Something about the folders.
    Folder,
}

/// The images of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassReport {
    /// Its name.
    pub class: String,
    /// Usable training images.
    pub train: usize,
    /// Usable validation images.
    pub validation: usize,
    /// Usable test images.
    pub test: usize,
    /// Images that cannot be decoded.
    pub unreadable: usize,
}

/// Where a split comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitOrigin {
    /// The folder has validation images of its own.
    Folders,
    /// Training will hold out the recipe's `data.validation_share`, or the fold that `data.folds` and `data.fold` name, chosen by its
    /// `seed`; the figures are those of that choice.
    Recipe,
    /// Too few images are usable for a split, or groups cannot be divided into folds.
    None,
}

/// An image that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The image.
    pub path: String,
    /// Its class, its labels or its numbers, in words.
    pub class: String,
    /// What is wrong, as a word for programs.
    pub kind: UnreadableKind,
    /// What is wrong, in words.
    pub reason: String,
}

/// Why an image cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnreadableKind {
    /// The file cannot be opened or read.
    File,
    /// It has no bytes.
    Empty,
    /// It ends before its last pixel.
    Truncated,
    /// Its content contradicts its format.
    Corrupt,
    /// Its content is no known image format.
    NotAnImage,
    /// Its format, or this kind of it, is not supported.
    Unsupported,
    /// It has more pixels, or takes more memory, than is allowed.
    TooLarge,
}

/// Pictures that are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DuplicateGroup {
    /// How alike all of them are.
    pub likeness: Likeness,
    /// Largest distance of the perceptual hashes of two neighbours in the group, in bits of 64; 0 for the same pixels.
    pub distance_bits: u32,
    /// Whether they lie in several splits: leakage.
    pub crosses_splits: bool,
    /// Whether they have different classes, labels or numbers: a label conflict. Numbers of pictures that only look the same may differ.
    pub crosses_classes: bool,
    /// The pictures, at least two.
    pub images: Vec<DuplicateImage>,
}

/// How alike the pictures of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same bytes.
    SameBytes,
    /// The same pixels in different files.
    SamePixels,
    /// Pixels that look the same.
    Near,
}

/// One of several pictures that are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DuplicateImage {
    /// The image.
    pub path: String,
    /// Its class, its labels or its numbers, in words.
    pub class: String,
    /// Its split; none where there is none.
    pub split: Option<SplitName>,
}

/// An image that can be decoded and is unusual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Odd {
    /// The image.
    pub path: String,
    /// Its class, its labels or its numbers, in words.
    pub class: String,
    /// What is unusual, as a word for programs.
    pub kind: OddKind,
    /// What is unusual, in words.
    pub reason: String,
}

/// What is unusual about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OddKind {
    /// Its name says another format than its content.
    WrongExtension,
    /// All its pixels have one colour.
    Blank,
    /// It is much smaller than the network's input.
    Tiny,
    /// It is much longer than wide, or wider than long.
    ExtremeAspect,
    /// It has so many pixels that decoding it is slow.
    Huge,
    /// It has further frames or pages, which are not used.
    Animated,
    /// It is a stack of planes by its description, and they are not used but for the first.
    Stack,
    /// Its samples have 16 bits of which only the lower ones are used, so nearly all of it is black.
    FewLevels,
}

impl OddKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongExtension => "wrong_extension",
            Self::Blank => "blank",
            Self::Tiny => "tiny",
            Self::ExtremeAspect => "extreme_aspect",
            Self::Huge => "huge",
            Self::Animated => "animated",
            Self::Stack => "stack",
            Self::FewLevels => "few_levels",
        }
    }
}

/// A setting that suits the folder better than the recipe's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// `key=value`, as `--set` takes it.
    pub setting: String,
    /// Why.
    pub reason: String,
}

/// Stacks of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StackReport {
    /// Channels of each.
    pub channels: u32,
    /// Slices of each.
    pub slices: u32,
    /// Moments of each.
    pub times: u32,
    /// Planes of each in all.
    pub planes: u32,
    /// How many images are such stacks.
    pub images: usize,
}

impl StackReport {
    /// Whether its planes are channels and nothing else, which `data.tiff_planes = "channels"` takes.
    pub fn is_channels(&self) -> bool {
        self.slices == 1 && self.times == 1
    }
}

/// Alpha channels that look like a band of their own: neither 0 nor 255 in most pixels, and not the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AlphaBand {
    /// How many have one of the images that were looked at.
    pub images: usize,
    /// At how many images' alpha was looked, evenly spread over those that have any.
    pub looked_at: usize,
    /// The middle one of their medians, from 0 to 255.
    pub median: u8,
    /// Share of their pixels that are fully opaque; every image counts the same.
    pub opaque: f64,
}

/// How a number is spread over the usable images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumberReport {
    /// Its name.
    pub name: String,
    /// The least.
    pub min: f64,
    /// The middle one; of an even number of them the lower one of two.
    pub median: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub std: f64,
}

/// Sizes of pictures in pixels, upright.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sizes {
    /// Widths.
    pub width: Spread,
    /// Heights.
    pub height: Spread,
    /// The shorter side of each picture.
    pub shorter_side: Spread,
    /// Number of pixels of each picture.
    pub pixels: Spread,
    /// How many pictures have which ratio of width to height.
    pub aspects: Vec<AspectBin>,
}

/// The least, the middle and the greatest of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The least.
    pub min: u64,
    /// The middle one; of an even number of them the lower one of two.
    pub median: u64,
    /// The greatest.
    pub max: u64,
}

/// Pictures of about one shape.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AspectBin {
    /// Width over height, at least this; none where there is no lower bound.
    pub from: Option<f64>,
    /// And below this; none where there is no upper bound.
    pub below: Option<f64>,
    /// How many pictures.
    pub count: usize,
}

/// Mean and standard deviation of the values of red, green and blue, on the scale from 0 to 1.
///
/// Every picture counts the same, whatever its size: its pixels are taken on a grid of up to 64 by 64.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Channels {
    /// The means.
    pub mean: [f64; 3],
    /// The standard deviations over all pixels of all pictures.
    pub std: [f64; 3],
}
