//! The order of names in which people count: `frame2` before `frame10`. Owns the comparison of two names.

use std::cmp::Ordering;

/// Compares names piece by piece, digits by their value and all else by its bytes; names that differ in leading zeros alone by these.
///
/// ```
/// # use std::cmp::Ordering;
/// assert_eq!(rekindle_data::natural_order("frame2.png", "frame10.png"), Ordering::Less);
/// assert_eq!(rekindle_data::natural_order("2", "02"), Ordering::Greater);
/// ```
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (first, rest) = number(left);
                let (second, others) = number(right);
                let order = first.len().cmp(&second.len()).then(first.cmp(second));
                if order.is_ne() {
                    return order;
                }
                (left, right) = (rest, others);
            }
            (Some(x), Some(y)) if x == y => (left, right) = (&left[1..], &right[1..]),
            (x, y) => return x.cmp(&y).then_with(|| a.cmp(b)),
        }
    }
}

/// The digits at the beginning, without leading zeros, and what is behind them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_in_the_order_of_their_values_whatever_their_length() {
        let mut names = [
            "b1", "a10.png", "a2.png", "a", "a1b3", "a1b20", "a01.png", "a1.png",
        ];
        names.sort_by(|a, b| natural_order(a, b));
        let expected = [
            "a", "a01.png", "a1.png", "a1b3", "a1b20", "a2.png", "a10.png", "b1",
        ];
        assert_eq!(names, expected);
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[a01.]{0,6}", b in "[a01.]{0,6}", c in "[a01.]{0,6}") {
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            prop_assert_eq!(natural_order(&a, &b).is_eq(), a == b);
            if natural_order(&a, &b).is_lt() && natural_order(&b, &c).is_lt() {
                prop_assert!(natural_order(&a, &c).is_lt());
            }
        }
    }
}
