//! Where a share of all images may lie when it was seen on some of them.

/// Wilson's interval for a share at 95 %: where the true share may lie when `share` of `count` samples was seen.
///
/// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
pub fn wilson_interval(share: f64, count: u64) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    if count == 0 {
        return [0.0, 1.0];
    }
    let n = count as f64;
    let scale = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // 8 of 10 and 0 of 20: R 4.3, prop.test(x, n, correct = FALSE)$conf.int
        let close = |found: [f64; 2], wanted: [f64; 2]| {
            found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6)
        };
        assert!(
            close(wilson_interval(0.8, 10), [0.490_162_5, 0.943_317_8]),
            "{:?}",
            wilson_interval(0.8, 10)
        );
        assert!(
            close(wilson_interval(0.0, 20), [0.0, 0.161_125_2]),
            "{:?}",
            wilson_interval(0.0, 20)
        );
        assert_eq!(wilson_interval(0.0, 0), [0.0, 1.0]);
    }
}
