//! Lists of labels that are written in one cell of a table.
//!
//! Label Studio writes `{"choices": ["a", "b"]}`, pandas `['a', 'b']`, other programs JSON. What separates plain labels is a setting.

use serde_json::Value;

/// The labels that a cell lists; none where it is a plain text.
pub(super) fn listed(cell: &str) -> Option<Vec<String>> {
    let plausible = (cell.starts_with('[') && cell.ends_with(']'))
        || (cell.starts_with('{') && cell.ends_with('}'));
    if !plausible {
        return None;
    }
    let value: Value = match serde_json::from_str(cell) {
        Ok(value) => value,
        // Python's way of writing a list of texts.
        Err(_) => serde_json::from_str(&cell.replace('\'', "\"")).ok()?,
    };
    labels_of(&value)
}

/// The labels of a JSON value: a list of texts or numbers, or an object with such a list, or one of them, under `choices`.
pub(super) fn labels_of(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(labels) => labels.iter().map(label_of).collect(),
        Value::Object(object) => match object.get("choices")? {
            list @ Value::Array(_) => labels_of(list),
            one => Some(vec![label_of(one)?]),
        },
        _ => None,
    }
}

/// A text or a number as a name.
pub(super) fn label_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_cells_are_told_from_names() {
        let two = Some(vec!["a b".to_owned(), "c".to_owned()]);
        assert_eq!(listed(r#"{"choices": ["a b", "c"]}"#), two);
        assert_eq!(listed(r#"["a b","c"]"#), two);
        assert_eq!(listed("['a b', 'c']"), two);
        assert_eq!(listed(r#"{"choices":"c"}"#), Some(vec!["c".into()]));
        assert_eq!(listed("[1, 2]"), Some(vec!["1".into(), "2".into()]));
        assert_eq!(listed("[]"), Some(Vec::new()));
        for name in ["cat", "[cat", "[cat]", "{cat}", "", r#"{"a": 1}"#] {
            assert_eq!(listed(name), None, "{name}");
        }
    }
}
