//! What is wrong with a recipe, in the words of TOML and with the nearest valid name.
//!
//! Owns: the wording. What is wrong is found by serde, whose messages name types of this program.

use rekindle_settings::nearest;

/// Serde's message, without names of Rust types and with the nearest name where one is unknown.
pub(super) fn explained(message: &str) -> String {
    with_suggestion(&in_plain_words(message))
}

/// Says what TOML is to have in the place of a Rust type: `expected usize` becomes `expected a whole number of at least 0`.
fn in_plain_words(message: &str) -> String {
    let Some((found, rest)) = message.split_once(", expected ") else {
        return message.to_owned();
    };
    let (expected, place) = rest.split_once('\n').unwrap_or((rest, ""));
    let key = place.trim_end_matches('`').rsplit(['.', '`']).next();
    // The key of a table that says which kind of it is meant.
    let tag = match key.unwrap_or_default() {
        "optim" | "schedule" | "clip" | "loss" => Some("name"),
        "transforms" => Some("op"),
        _ => None,
    };
    let text = found.split('"').nth(1);
    let is_table = expected == "a map"
        || ["struct ", "internally tagged enum "]
            .iter()
            .any(|start| expected.starts_with(start));
    let words = match (expected, tag, text) {
        ("a sequence", Some(tag), Some(text)) => {
            format!("a list of tables, such as [{{ {tag} = \"{text}\" }}]")
        }
        ("a sequence", ..) => "a list".into(),
        (_, Some(tag), Some(text)) if is_table => {
            format!("a table, such as {{ {tag} = \"{text}\" }}")
        }
        (_, Some(tag), None) if is_table => format!("a table with the key `{tag}`"),
        _ if is_table => "a table".into(),
        ("usize" | "u64" | "u32" | "u8", ..) => "a whole number of at least 0".into(),
        ("f64" | "f32", ..) => "a number".into(),
        _ => match expected.strip_prefix("an array of length ") {
            Some(length) => format!("a list of {length} values"),
            None => return message.to_owned(),
        },
    };
    let found = found.replace("floating point `", "number `");
    format!("{found}, expected {words}\n{place}")
        .trim_end()
        .to_owned()
}

/// Adds the nearest valid name to serde's "unknown field `x`, expected one of `a`, `b`".
fn with_suggestion(message: &str) -> String {
    let unknown = ["unknown field `", "unknown variant `"]
        .into_iter()
        .find_map(|start| message.split_once(start));
    let Some((_, rest)) = unknown else {
        return message.to_owned();
    };
    let mut names = rest.split('`').step_by(2).map(str::to_owned);
    let Some(found) = names.next() else {
        return message.to_owned();
    };
    let expected: Vec<String> = rest
        .split('`')
        .skip(2)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    match nearest(&found, expected.iter().map(String::as_str)) {
        Some(name) => format!("{message}\ndid you mean `{name}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::Recipe;

    #[test]
    fn wrong_types_are_told_in_the_words_of_toml() {
        for (setting, words) in [
            ("phase1.optim=adam", "a table, such as { name = \"adam\" }"),
            ("phase1.schedule=3", "a table with the key `name`"),
            (
                "phase2.clip=1.5",
                "number `1.5`, expected a table with the key `name`",
            ),
            ("loss=focal", "a table, such as { name = \"focal\" }"),
            (
                "augment.transforms=invert",
                "a list of tables, such as [{ op = \"invert\" }]",
            ),
            ("augment.mix=0.2", "expected a table\nin `augment.mix`"),
            ("phase1.epochs=1.5", "a whole number of at least 0"),
            ("phase1.lr=high", "string \"high\", expected a number"),
            ("input.size=160", "a list of 2 values"),
            ("data=3", "expected a table\nin `data`"),
            ("input.rescale.zca=1", "expected a table"),
        ] {
            let error = Recipe::load(None, &[setting.to_owned()]).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(words), "{setting}: {error}");
        }
    }
}
