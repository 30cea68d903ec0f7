//! A model card in Markdown: what a model is, what it was trained on, how good it is and what is not known of it.
//!
//! Source: M. Mitchell and others, "Model cards for model reporting", 2019.

use std::fmt::Write;

use super::{figures, repeat};
use crate::source::Source;

/// The card.
pub fn text(of: &Source) -> String {
    let facts = &of.facts;
    let mut text = format!("# {}\n\n", plain(&of.name()));
    let words = of.run.task.words();
    let count = of.names().len();
    let outputs = if count == 1 { words.one } else { words.more };
    let _ = writeln!(
        text,
        "{}, fine-tuned with rekindle {} on {} images {} {count} {outputs}.\n",
        plain(&facts.backbone),
        plain(&facts.rekindle),
        facts.train_images,
        words.of
    );
    let _ = writeln!(text, "| | |\n|---|---|");
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    row(
        "model",
        "`model.safetensors`, with preprocessing, names and recipe (`rekindle inspect`)".into(),
    );
    row("weights before", plain(&facts.weights));
    row("task", of.run.task.name().into());
    row("training images", facts.train_images.to_string());
    row(
        "validation images",
        format!("{}: {}", facts.validation_images, plain(&facts.divided_by)),
    );
    let _ = writeln!(
        text,
        "\n## Figures on the validation images (run.json)\n\n| figure | value | |\n|---|---|---|"
    );
    if let Some(report) = &of.run.validation {
        for (name, value, interval) in figures(of, report) {
            let _ = writeln!(
                text,
                "| {name} | {value} | {} |",
                interval.unwrap_or_default()
            );
        }
    }
    let _ = writeln!(
        text,
        "\nThe best epoch was chosen by these images, so they flatter it a little; `rekindle evaluate` measures on others.\n"
    );
    let _ = writeln!(text, "## {}\n", words.more);
    for (place, name) in of.names().iter().enumerate().take(200) {
        let images = facts.train_per_class.get(place);
        let images = images.map_or(String::new(), |images| {
            format!(": {images} training images")
        });
        let _ = writeln!(text, "- {}{images}", plain(name));
    }
    if count > 200 {
        let _ = writeln!(text, "- and {} more", count - 200);
    }
    let _ = writeln!(
        text,
        "\n## Not known\n\nWhat it says of pictures unlike these, such as of other {}, cameras or places: nothing in this run measured it.",
        words.more
    );
    if let Some(command) = repeat::command(of) {
        let _ = writeln!(text, "\n## Trained by\n\n```sh\n{command}\n```");
    }
    text
}

/// A text that Markdown does not take for marks.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => out.extend(['\\', letter]),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_marks() {
        assert_eq!(plain("a|b <i> *x*\n_y_"), "a\\|b &lt;i> \\*x\\* \\_y\\_");
    }
}
