//! The parts of a data set, and the names that people and tools give them.
//!
//! This file owns which word stands for which part; which folders of a listing are parts is `scan/listing.rs`'s.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// One of the parts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitName {
    /// Images that the weights are fitted to.
    Train,
    /// Images that choose the best epoch.
    Validation,
    /// Images kept for the final figures.
    Test,
}

/// The words for each part, in lower case: those of Hugging Face's `datasets`, which Keras, torchvision and Kaggle's sets keep to.
const WORDS: [(SplitName, &[&str]); 3] = [
    (SplitName::Train, &["train", "training"]),
    (
        SplitName::Validation,
        &["val", "valid", "validation", "dev"],
    ),
    (SplitName::Test, &["test", "testing", "eval", "evaluation"]),
];

/// Words beside them that say nothing of the content, as in `train_set` and `seg_test`.
const FILLERS: [&str; 16] = [
    "set", "sets", "data", "dataset", "images", "image", "imgs", "img", "pictures", "photos",
    "seg", "split", "folder", "files", "labelled", "labeled",
];

/// The names that split folders have had from the first.
const USUAL: [&str; 5] = ["train", "val", "valid", "validation", "test"];

impl SplitName {
    /// The split that a folder or a cell of this name stands for: `train` or `training`; `val`, `valid`, `validation` or `dev`; `test`,
    /// `testing`, `eval` or `evaluation`; in upper or lower case, alone or with words such as `set`, `data` and `images` (`train_set`,
    /// `TestData`, `seg_train`).
    pub fn of_folder(name: &str) -> Option<Self> {
        let words = words(name);
        let (mut found, mut others) = (None, 0);
        for word in &words {
            match (of_word(word), found) {
                (Some(split), None) => found = Some(split),
                _ if FILLERS.contains(&word.as_str()) => others += 1,
                _ => return None,
            }
        }
        // A sentence is no name of a split.
        found.filter(|_| others <= 2)
    }

    /// Whether a name is one of the five shortest, which need no further sign.
    pub(crate) fn is_usual(name: &str) -> bool {
        USUAL.contains(&name.to_lowercase().as_str())
    }

    /// The split whose word is among those of a name, and the other words: `asl_alphabet_train` is `train` of `asl alphabet`. None where
    /// there is no such word, or several.
    pub(crate) fn within(name: &str) -> Option<(Self, String)> {
        let words = words(name);
        let splits: Vec<Self> = words.iter().filter_map(|word| of_word(word)).collect();
        let [split] = splits[..] else {
            return None;
        };
        let rest = words.iter().filter(|word| of_word(word).is_none());
        let rest: Vec<&str> = rest.map(String::as_str).collect();
        Some((split, rest.join(" ")))
    }

    /// The usual name of its folder: `train`, `val` or `test`.
    pub fn short(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Test => "test",
        }
    }
}

impl Display for SplitName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// The split of a word in lower case, also of `trainset` and `testdata`.
fn of_word(word: &str) -> Option<SplitName> {
    let known = |word: &str| {
        let mut splits = WORDS.iter();
        splits.find_map(|(split, words)| words.contains(&word).then_some(*split))
    };
    let glued = || {
        let short = ["set", "data"].into_iter();
        short
            .filter_map(|end| word.strip_suffix(end))
            .find_map(known)
    };
    known(word).or_else(glued)
}

/// The words of a name in lower case: what lies between signs and blanks, letters apart from digits, and `testSet` in two.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last: Option<char> = None;
    for letter in name.chars() {
        let apart = last.is_none_or(|last| {
            !last.is_alphanumeric()
                || last.is_numeric() != letter.is_numeric()
                || (last.is_lowercase() && letter.is_uppercase())
        });
        last = Some(letter);
        if !letter.is_alphanumeric() {
            continue;
        }
        if apart {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_known_under_the_names_that_people_give_them() {
        let (train, validation, test) = (SplitName::Train, SplitName::Validation, SplitName::Test);
        for (name, split) in [
            ("train", train),
            ("Training", train),
            ("train_set", train),
            ("trainset", train),
            ("training-data", train),
            ("TrainImages", train),
            ("seg_train", train),
            ("val", validation),
            ("VALID", validation),
            ("validation", validation),
            ("dev", validation),
            ("validation_set", validation),
            ("test", test),
            ("Testing", test),
            ("test_set", test),
            ("seg_test", test),
            ("eval", test),
            ("Evaluation", test),
        ] {
            assert_eq!(SplitName::of_folder(name), Some(split), "{name}");
        }
        for name in [
            "trains",
            "steam train",
            "test_tube",
            "train2017",
            "train_test",
            "device",
            "images",
            "set",
            "",
        ] {
            assert_eq!(SplitName::of_folder(name), None, "{name}");
        }
    }

    #[test]
    fn a_word_for_a_split_is_found_among_others() {
        let within = |name| SplitName::within(name);
        let alphabet = Some((SplitName::Test, "asl alphabet".to_owned()));
        assert_eq!(within("asl_alphabet_test"), alphabet);
        let year = Some((SplitName::Train, "2017".to_owned()));
        assert_eq!(within("train2017"), year);
        assert_eq!(within("train_and_test"), None);
        assert_eq!(within("cats"), None);
    }
}
