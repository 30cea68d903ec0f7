//! Finds the known name a mistyped one was probably meant to be, for "did you mean" messages.
//!
//! This module owns the rule for "near enough" only; the callers write the messages around it.

use std::cmp::Ordering;

/// The candidate nearest to `name`, or `None` when none is near enough to be a likely slip of the keyboard.
///
/// Names are compared in lower case with `-`, `_`, `.` and spaces treated as the same sign. A candidate is near enough when its
/// Damerau-Levenshtein distance is at most a third of the longer name's length (at least 1), or when the Jaro-Winkler similarity is at
/// least 0.9, which catches shortened names such as `val` for `validation`. The smallest distance wins, then the greatest similarity,
/// then the candidate that came first.
///
/// ```
/// use rekindle_settings::nearest;
///
/// assert_eq!(nearest("resnet_81", ["resnet18", "resnet50"]), Some("resnet18"));
/// assert_eq!(nearest("aardvark", ["resnet18", "resnet50"]), None);
/// ```
pub fn nearest<'a, I, S>(name: &str, candidates: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a S>,
    S: AsRef<str> + ?Sized + 'a,
{
    let wanted = folded(name);
    let mut best: Option<(usize, f64, &'a str)> = None;
    for candidate in candidates {
        let candidate = candidate.as_ref();
        let known = folded(candidate);
        let distance = strsim::damerau_levenshtein(&wanted, &known);
        let similarity = strsim::jaro_winkler(&wanted, &known);
        let longer = wanted.chars().count().max(known.chars().count());
        if distance > (longer / 3).max(1) && similarity < 0.9 {
            continue;
        }
        // Two names of one letter each are always at distance 1: that is no likeness.
        if distance >= longer && distance > 0 {
            continue;
        }
        let better = best.is_none_or(|(least, greatest, _)| {
            distance.cmp(&least).then(greatest.total_cmp(&similarity)) == Ordering::Less
        });
        if better {
            best = Some((distance, similarity, candidate));
        }
    }
    best.map(|(_, _, candidate)| candidate)
}

/// `` (did you mean `x`?)`` with a leading space, or nothing when no candidate is [`nearest`]: made to be put after a quoted name.
pub fn did_you_mean<'a, I, S>(name: &str, candidates: I) -> String
where
    I: IntoIterator<Item = &'a S>,
    S: AsRef<str> + ?Sized + 'a,
{
    match nearest(name, candidates) {
        Some(candidate) => format!(" (did you mean `{candidate}`?)"),
        None => String::new(),
    }
}

fn folded(name: &str) -> String {
    name.chars()
        .map(|letter| match letter {
            '-' | '.' | ' ' => '_',
            other => other,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_intended_name() {
        let keys = ["learning_rate", "weight_decay", "epochs", "batch_size"];
        assert_eq!(nearest("lerning_rate", keys), Some("learning_rate"));
        assert_eq!(nearest("batchsize", keys), Some("batch_size"));
        assert_eq!(nearest("epoch", keys), Some("epochs"));
        assert_eq!(nearest("Weight-Decay", keys), Some("weight_decay"));
    }

    #[test]
    fn swapped_letters_count_as_one_slip() {
        assert_eq!(nearest("dgo", ["dog", "cat", "cow"]), Some("dog"));
    }

    #[test]
    fn a_shortened_name_finds_the_long_one() {
        assert_eq!(
            nearest("valid", ["train", "validation", "test"]),
            Some("validation")
        );
    }

    #[test]
    fn far_names_are_not_suggested() {
        assert_eq!(nearest("momentum", ["epochs", "seed"]), None);
        assert_eq!(nearest("a", ["b", "c"]), None);
        assert_eq!(nearest("anything", Vec::<&String>::new()), None);
    }

    #[test]
    fn the_first_of_equally_near_names_is_suggested() {
        assert_eq!(
            nearest("resnet10", ["resnet18", "resnet19"]),
            Some("resnet18")
        );
    }

    #[test]
    fn the_phrase_is_empty_without_a_suggestion() {
        assert_eq!(did_you_mean("dgo", ["dog"]), " (did you mean `dog`?)");
        assert_eq!(did_you_mean("zebra", ["dog"]), "");
    }
}
