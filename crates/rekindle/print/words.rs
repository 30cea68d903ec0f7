//! Numbers, times and names as people read them.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use rekindle_finetune::TaskKind;

/// `92.6 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `41.2 s`, `3 min 12 s` or `1 h 05 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// What a task's outputs are called, one and several.
pub fn names_of(task: TaskKind) -> [&'static str; 2] {
    match task {
        TaskKind::Classification => ["class", "classes"],
        TaskKind::Multilabel => ["label", "labels"],
        TaskKind::Regression => ["number", "numbers"],
    }
}

/// `1 image`, `2 images`.
pub fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// The first ten, with the number of the others.
pub fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items = items.into_iter();
    let shown: Vec<String> = items
        .by_ref()
        .take(10)
        .map(|item| item.to_string())
        .collect();
    match items.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The text without control characters, which a file name may hold and a terminal would obey.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect()
}

/// The text in at most `room` characters, cut in front, where paths are alike.
pub fn cut_front(text: &str, room: usize) -> String {
    let length = text.chars().count();
    match length > room {
        true => std::iter::once('…')
            .chain(text.chars().skip(length - room.saturating_sub(1)))
            .collect(),
        false => text.to_owned(),
    }
}

/// The text in at most `room` characters, cut behind.
pub fn cut_back(text: &str, room: usize) -> String {
    match text.chars().count() > room {
        true => text
            .chars()
            .take(room.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_owned(),
    }
}

/// A path as one word of a POSIX shell.
pub fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@%=".contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

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

/// What the mean absolute error and the root of the mean squared error of all numbers are called: those of several numbers are in
/// standard deviations.
pub fn error_names(in_deviations: bool) -> [&'static str; 2] {
    match in_deviations {
        true => ["MAE / deviation", "RMSE / deviation"],
        false => ["MAE", "RMSE"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_at_a_glance() {
        let text = |seconds| duration(Duration::from_secs_f64(seconds));
        assert_eq!(text(4.25), "4.2 s");
        assert_eq!(text(59.6), "1 min 00 s");
        assert_eq!(text(192.0), "3 min 12 s");
        assert_eq!(text(3900.0), "1 h 05 min");
    }

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

    #[test]
    fn a_path_is_quoted_only_where_the_shell_needs_it() {
        assert_eq!(shell_word(Path::new("runs/a-1")), "runs/a-1");
        assert_eq!(
            shell_word(Path::new("my photos/it's")),
            r"'my photos/it'\''s'"
        );
    }

    #[test]
    fn long_texts_are_cut_to_their_room() {
        assert_eq!(cut_front("photos/cat/1.jpg", 8), "…t/1.jpg");
        assert_eq!(cut_back("hummingbird", 6), "hummi…");
        assert_eq!(cut_back("wren", 6), "wren");
        assert_eq!(clean("a\x1b[2Jb"), "a?[2Jb");
        assert_eq!(list(0..12), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }
}
