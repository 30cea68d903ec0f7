//! Divides the samples into training, validation and test images, and keeps that division in a file.
//!
//! This file owns which rule applies; `split/stratified.rs` and `split/grouped.rs` own the rules, `split/strata.rs` what they keep in
//! proportion, `split/file.rs` the file. The order
//! inside an epoch is `order.rs`'s.

mod file;
mod grouped;
mod strata;
mod stratified;
#[cfg(test)]
mod tests;

pub(super) use stratified::ranked;
pub use stratified::stratified_split;

use grouped::{Part, grouped_split};
use stratified::stratified_fold;

use crate::TargetKind;

use super::{DataError, ImageFolder, SplitName, folder::check_class_counts};

/// Which samples are for training, validation and test: indices into [`ImageFolder::samples`], ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// Samples that the weights are fitted to.
    pub train: Vec<usize>,
    /// Samples that choose the best epoch.
    pub validation: Vec<usize>,
    /// Samples kept for the final figures; none unless the data has test images of its own.
    pub test: Vec<usize>,
}

/// What of the training images is held out for validation, where the data has no validation images of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HoldOut {
    /// This share of each class.
    Share(f64),
    /// One part of several equal ones, for cross-validation.
    Fold {
        /// Which one, from 1 to `folds`.
        fold: usize,
        /// How many there are, at least 2.
        folds: usize,
    },
}

impl From<f64> for HoldOut {
    fn from(share: f64) -> Self {
        Self::Share(share)
    }
}

impl Split {
    /// The split of a folder: by its own folders where it has validation images; else what `hold_out` says of its training images, by
    /// [`stratified_split`] and the like, with groups kept whole where there are any. Images with several labels, or with numbers, are
    /// divided by the rule for groups, each being one: labels, and ranges of the numbers, keep their shares.
    ///
    /// `usable` are the samples that may be used, [`Verified::good`](super::Verified::good) or all indices; the others are in no part.
    ///
    /// # Errors
    /// [`DataError::ClassesTooSmall`] when a class has too few usable training images; [`DataError::SplitFraction`] where the share is
    /// needed and is not between 0 and 1; [`DataError::Fold`] for a fold that there is not; [`DataError::FoldsBesideValidation`] for folds
    /// where the data has validation images; [`DataError::FoldWithoutClasses`].
    pub fn of_folder(
        folder: &ImageFolder,
        usable: &[usize],
        hold_out: impl Into<HoldOut>,
        seed: u64,
    ) -> Result<Self, DataError> {
        check_class_counts(folder, usable)?;
        let hold_out = hold_out.into();
        let of = |split| {
            usable
                .iter()
                .copied()
                .filter(|&index| folder.samples[index].belongs_to(split))
                .collect()
        };
        let (train, validation, test): (Vec<_>, Vec<_>, Vec<_>) = (
            of(SplitName::Train),
            of(SplitName::Validation),
            of(SplitName::Test),
        );
        let part = match hold_out {
            HoldOut::Fold { fold, folds } if fold == 0 || fold > folds || folds < 2 => {
                return Err(DataError::Fold { fold, folds });
            }
            HoldOut::Fold { .. } if folder.has(SplitName::Validation) => {
                let path = folder.source.clone();
                return Err(DataError::FoldsBesideValidation { path });
            }
            HoldOut::Fold { fold, folds } => Part::Fold {
                fold: fold - 1,
                folds,
            },
            HoldOut::Share(share) => Part::Share(share),
        };
        if folder.has(SplitName::Validation) {
            return Ok(Self {
                train,
                validation,
                test,
            });
        }
        let grouped = train
            .iter()
            .any(|&index| folder.samples[index].group.is_some());
        let samples = &folder.samples;
        let split = match part {
            Part::Share(fraction) if !(fraction > 0.0 && fraction < 1.0) => {
                return Err(DataError::SplitFraction { fraction });
            }
            part if grouped || folder.task.targets() != TargetKind::Class => {
                grouped_split(folder, &train, part, seed)?
            }
            Part::Share(fraction) => stratified_split(samples, &train, fraction, seed)?,
            Part::Fold { fold, folds } => stratified_fold(samples, &train, fold, folds, seed),
        };
        Ok(Self { test, ..split })
    }
}
