//! Names that people take for one and a computer for two: `Car` and `car`, `cat` and `cat `, é as one sign or as two.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use crate::{ImageFolder, ScanWarning, TargetKind};

/// The names in groups of those that are alike in all but case, blanks and the form of their letters; only groups of several.
pub(crate) fn similar<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        groups.entry(folded(name)).or_default().push(name);
    }
    groups
        .into_values()
        .filter(|names| names.len() > 1)
        .collect()
}

/// A name in one form, in lower case, with single blanks.
fn folded(name: &str) -> String {
    let lower: String = name.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Warns of classes or labels, and of groups, that look alike.
pub(crate) fn note_similar(folder: &mut ImageFolder) {
    let classes = folder.classes.names().iter().map(String::as_str);
    let named = folder.task.targets() != TargetKind::Numbers;
    let classes = classes.filter(|_| named);
    let mut names: Vec<String> = similar(classes)
        .into_iter()
        .map(|names| shown(&names))
        .collect();
    let groups = folder.groups.iter().map(|name| &**name);
    names.extend(
        similar(groups)
            .into_iter()
            .map(|names| format!("groups {}", shown(&names))),
    );
    if !names.is_empty() {
        folder.warnings.push(ScanWarning::SimilarNames { names });
    }
}

/// Names between signs, with what cannot be told apart on a screen written out.
fn shown(names: &[&str]) -> String {
    let plain = |name: &&str| name.nfc().collect::<String>();
    let forms: Vec<String> = names.iter().map(plain).collect();
    let same = forms.windows(2).any(|pair| pair[0] == pair[1]);
    let written = names.iter().map(|name| match same {
        true => format!("`{}`", escaped(name)),
        false => format!("`{name}`"),
    });
    written.collect::<Vec<_>>().join(" and ")
}

/// The name with letters beyond ASCII by their numbers.
fn escaped(name: &str) -> String {
    let letter = |letter: char| match letter.is_ascii() {
        true => letter.to_string(),
        false => format!("\\u{{{:x}}}", u32::from(letter)),
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_two_spellings_are_found() {
        let names = [
            "Car",
            "bird",
            "car",
            "cat",
            "cat ",
            "caf\u{e9}",
            "cafe\u{301}",
            "ox",
        ];
        let found = similar(names.into_iter());
        let expected = [
            vec!["caf\u{e9}", "cafe\u{301}"],
            vec!["Car", "car"],
            vec!["cat", "cat "],
        ];
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_key(|names| folded(names[0]));
        let mut expected = expected.to_vec();
        expected.sort_by_key(|names| folded(names[0]));
        assert_eq!(found, expected);
        assert_eq!(shown(&["Car", "car"]), "`Car` and `car`");
        let forms = shown(&["caf\u{e9}", "cafe\u{301}"]);
        assert_eq!(forms, "`caf\\u{e9}` and `cafe\\u{301}`");
    }

    #[test]
    fn different_names_stay_apart() {
        assert!(similar(["a", "b", "a b", "ab", "1", "01"].into_iter()).is_empty());
    }
}
