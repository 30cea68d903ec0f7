//! Numbers, times and names as people read them.

use std::path::Path;
use std::time::Duration;

pub use rekindle_settings::first_ten as list;

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

/// `1 image`, `2 images`.
pub fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// The text with its first letter in upper case.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters.clone()).collect()
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

/// The text in lines of at most `width` columns where its words allow it, the first behind `first`, the others behind `others`.
pub fn wrapped(text: &str, first: &str, others: &str, width: usize) -> String {
    let mut lines = first.to_owned();
    let mut used = first.chars().count();
    let mut fresh = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !fresh && used + 1 + length > width {
            lines.push('\n');
            lines.push_str(others);
            used = others.chars().count();
            fresh = true;
        }
        if !fresh {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length;
        fresh = false;
    }
    lines
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
    }
}
