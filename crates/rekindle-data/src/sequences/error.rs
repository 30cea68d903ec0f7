//! What can be wrong with sequences, beyond what is wrong with their images.

use std::path::PathBuf;

use rekindle_settings::first_ten;

/// An error in sequences of frames.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// Pictures lie where folders of them are expected.
    #[error(
        "`{}` holds a picture itself, `{frame}`: expected a folder for each sequence, CLASS/SEQUENCE/FRAME; or give a list with the columns \
         path, label, group (the sequence) and frame",
        folder.display()
    )]
    OutsideSequences {
        /// The folder of a class.
        folder: PathBuf,
        /// The first picture in it.
        frame: String,
    },
    /// A file that is no list, or tar shards.
    #[error(
        "`{}` holds no sequences that can be read: give a folder CLASS/SEQUENCE/FRAME, or a list (.csv, .tsv, .jsonl) with the columns path, \
         label, group (the sequence) and frame",
        path.display()
    )]
    OtherFile {
        /// The file.
        path: PathBuf,
    },
    /// Classes with too few sequences.
    #[error(
        "too few sequences to train on: at least {least} of each class are needed, and there are {}; add sequences",
        first_ten(counts.iter().map(|(class, count)| format!("{count} of `{class}`")))
    )]
    ClassesTooSmall {
        /// How many each class needs.
        least: usize,
        /// Class names with the number of sequences they have.
        counts: Vec<(String, usize)>,
    },
    /// None of the frames of a sequence can be used.
    #[error("the sequence `{}` has no frame that can be decoded; repair its pictures, or take it out", sequence.display())]
    WithoutFrames {
        /// Its name.
        sequence: PathBuf,
    },
}
