//! Student's t distribution: how likely a t is by chance, and which t is that unlikely.
//!
//! Owns the arithmetic. Checked against SciPy (`tests/data/statistics.json`).

use std::f64::consts::PI;

/// Terms of the continued fraction at most; a hundred do for a million degrees of freedom.
const MOST_TERMS: u32 = 10_000;

/// The chance that |T| is at least |t| where T has Student's distribution: the regularised incomplete beta function
/// `I(v / (v + t^2); v / 2, 1 / 2)` (Abramowitz and Stegun, 26.7.1).
pub fn two_sided(t: f64, freedom: usize) -> f64 {
    if t.is_nan() || freedom == 0 {
        return f64::NAN;
    }
    let v = freedom as f64;
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    // Whichever is small is exact.
    let (x, rest) = (v / (v + square), square / (v + square));
    incomplete_beta(freedom, x, rest)
}

/// The t that |T| reaches with this chance, between 0 and 1 without either.
pub fn critical(chance: f64, freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while two_sided(high, freedom) > chance && high < 1e300 {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        match two_sided(middle, freedom) > chance {
            true => low = middle,
            false => high = middle,
        }
    }
    0.5 * (low + high)
}

/// `I(x; v / 2, 1 / 2)`; `rest` is 1 - x.
fn incomplete_beta(freedom: usize, x: f64, rest: f64) -> f64 {
    let (a, b) = (0.5 * freedom as f64, 0.5);
    if x <= 0.0 {
        return 0.0;
    }
    if rest <= 0.0 {
        return 1.0;
    }
    let front = (a * ln_of(x, rest) + b * ln_of(rest, x) - ln_beta(freedom)).exp();
    // The fraction converges quickly on this side of the mean; the other one is its mirror.
    match x < (a + 1.0) / (a + b + 2.0) {
        true => front * fraction(a, b, x) / a,
        false => 1.0 - front * fraction(b, a, rest) / b,
    }
}

/// The logarithm of a number whose distance to 1 is known better than the number.
fn ln_of(x: f64, rest: f64) -> f64 {
    match rest < 0.5 {
        true => (-rest).ln_1p(),
        false => x.ln(),
    }
}

/// The logarithm of `B(v / 2, 1 / 2)`, from `B(1/2, 1/2) = pi`, `B(1, 1/2) = 2` and `B(a + 1, b) = B(a, b) a / (a + b)`.
fn ln_beta(freedom: usize) -> f64 {
    let mut at = 2 - freedom % 2;
    let mut value = if at == 1 { PI.ln() } else { 2f64.ln() };
    while at < freedom {
        let a = 0.5 * at as f64;
        value += (a / (a + 0.5)).ln();
        at += 2;
    }
    value
}

/// The continued fraction of the incomplete beta function (Abramowitz and Stegun, 26.5.8), by Lentz's method.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let away_from_0 = |value: f64| match value.abs() < 1e-300 {
        true => 1e-300,
        false => value,
    };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_0(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for term in 1..=MOST_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for factor in [even, odd] {
            d = 1.0 / away_from_0(1.0 + factor * d);
            c = away_from_0(1.0 + factor / c);
            change = c * d;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_closed_forms() {
        // One degree of freedom is Cauchy's distribution, two have a root.
        for t in [0.0f64, 1e-6, 0.3, 1.0, 4.0, 1e3, 1e8] {
            let cauchy = 2.0 / PI * (1.0 / t).atan();
            assert!(
                (two_sided(t, 1) - cauchy).abs() <= 1e-14 * cauchy.max(1e-3),
                "{t}"
            );
            let root = (2.0 + t * t).sqrt();
            let two = 2.0 / (root * (root + t));
            assert!((two_sided(t, 2) - two).abs() <= 1e-14, "{t}");
        }
    }

    #[test]
    fn the_critical_value_has_its_chance() {
        for freedom in [1, 2, 4, 9, 30, 1000, 10_000] {
            for chance in [0.5, 0.05, 0.001] {
                let found = two_sided(critical(chance, freedom), freedom);
                assert!(
                    (found / chance - 1.0).abs() < 1e-12,
                    "{freedom} {chance} {found}"
                );
            }
        }
        assert!((critical(0.05, 10_000) - 1.960_201).abs() < 1e-5);
    }

    #[test]
    fn nothing_is_no_chance() {
        assert!(two_sided(f64::NAN, 3).is_nan() && two_sided(1.0, 0).is_nan());
        assert_eq!(two_sided(f64::INFINITY, 3), 0.0);
        assert_eq!(two_sided(0.0, 3), 1.0);
    }
}
