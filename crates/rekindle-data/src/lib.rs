//! From labelled images to batches of pixels on the host, and what is to be learned of them.
//!
//! This crate owns: opening a folder, a manifest or tar shards ([`open_data`]), what is known of each image ([`Target`]), naming the
//! classes ([`ClassIndex`]), splitting them ([`Split`]), reading and decoding the images ([`Dataset`]), and putting them into batches in
//! an order that only the seed and the epoch decide ([`Loader`]).
//! Which kinds of tasks there are is said by [`TaskKind`], a file each in `tasks/`; how good predictions are, by [`metrics`].
//! It does not own what is done to the pixels (`rekindle-augment`) nor their upload to a device: nothing here knows Burn.
//!
//! The user's data is only ever read. Every file that is left out is counted, every image that cannot be read is an error that names
//! it, unless skipping was asked for.
//!
//! ```no_run
//! use std::sync::Arc;
//! use rekindle_augment::{DecodeLimits, Pipeline, Preprocessing};
//! use rekindle_data::{
//!     BadImages, Dataset, LastBatch, Loader, LoaderOptions, Split, batches, epoch_order, scan_folder,
//! };
//!
//! # fn run(preprocessing: &Preprocessing) -> Result<(), Box<dyn std::error::Error>> {
//! let folder = scan_folder("photos")?;
//! let dataset = Dataset::new(folder, DecodeLimits::default(), Dataset::DEFAULT_CACHE_BYTES);
//! let verified = dataset.verify_headers(BadImages::Fail)?;
//! let split = Split::of_folder(dataset.folder(), &verified.good, 0.2, 0)?;
//! let (dataset, pipeline) = (Arc::new(dataset), Arc::new(Pipeline::evaluation(preprocessing)));
//! for epoch in 0..10 {
//!     let order: Vec<_> = epoch_order(split.train.len(), 0, epoch).into_iter().map(|place| split.train[place]).collect();
//!     let batches = batches(&order, 16, LastBatch::MergeSingle);
//!     let mut loader = Loader::new(dataset.clone(), pipeline.clone(), batches, 0, epoch, LoaderOptions::default())?;
//!     for batch in &mut loader {
//!         println!("{} images", batch?.targets.len());
//!     }
//!     println!("waited {:?} for images", loader.waited());
//! }
//! # Ok(())
//! # }
//! ```

mod apart;
mod beside;
mod bytes;
mod cache;
mod classes;
mod dataset;
mod error;
mod extensions;
mod findings;
mod fingerprint;
mod fit;
mod folder;
mod levels;
mod limit;
mod loader;
mod manifest;
pub mod metrics;
mod names;
mod number_scale;
mod order;
mod output_kind;
mod outputs;
mod rows;
mod scan;
mod sequences;
mod settings;
mod shards;
mod similar;
mod source;
mod source_options;
mod split;
mod split_name;
mod target;
mod tasks;
mod unlabelled;
mod walk;

pub use cache::{
    CacheContents, DiskCache, KeptNumbers, NumbersKey, cache_contents, clear_cache,
    default_cache_directory,
};
pub use classes::ClassIndex;
pub use dataset::{BadImages, Content, Dataset, ImageSizes, Verified, read_image};
pub use error::{BadImage, DataError, ImageProblem, UnknownClass};
pub use extensions::{IMAGE_EXTENSIONS, SCIENTIFIC_EXTENSIONS, UNSUPPORTED_EXTENSIONS};
pub use findings::{ScanWarning, SkippedFiles};
pub use fingerprint::Fingerprints;
pub use fit::{fit_bands, fit_range, fit_rescale};
pub use folder::{ImageFolder, Sample, SourceKind, is_inside};
pub use levels::Ordinal;
pub use limit::limited;
pub use loader::{Batch, Loader, LoaderOptions};
pub use manifest::{ColumnNames, ManifestError};
pub use number_scale::NumberScale;
pub use order::{Draw, LastBatch, Sampling, balanced_epoch, batches, epoch_order};
pub use output_kind::OutputKind;
pub use outputs::Outputs;
pub use scan::{list_images, scan_folder, scan_folder_as, scan_folder_to_check};
pub use sequences::{SequenceError, Sequences, natural_order};
pub use settings::DataRecipe;
pub use shards::{ShardError, TarMember};
pub use source::{open_data, open_data_as, open_data_to_check};
pub use source_options::{GroupBy, NameGrouping, SourceOptions};
pub use split::{HoldOut, Split, stratified_split};
pub use split_name::SplitName;
pub use target::{Target, TargetKind};
pub use tasks::{Better, Figure, Meter, Task, TaskKind, TaskReport, Unit, Words};
pub use unlabelled::open_unlabelled;
