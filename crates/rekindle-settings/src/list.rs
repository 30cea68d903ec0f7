//! Lists in messages: the first ten and the number of the others.

use std::fmt::Display;

/// How many items a message spells out.
pub const LISTED: usize = 10;

/// The first ten of a list, with the number of those left out: `a, b .. and 3 more`.
pub fn first_ten<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items = items.into_iter();
    let shown: Vec<String> = items
        .by_ref()
        .take(LISTED)
        .map(|item| item.to_string())
        .collect();
    match items.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_spelled_out_and_the_others_counted() {
        assert_eq!(first_ten(1..=3), "1, 2, 3");
        assert_eq!(first_ten(Vec::<u8>::new()), "");
        assert_eq!(
            first_ten(1..=13),
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more"
        );
    }
}
