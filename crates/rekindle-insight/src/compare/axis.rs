//! One setting that is varied, and its values: `KEY=A,B,C`.
//!
//! Owns how values are parted. What a value means to its key is the recipe's.

use crate::InsightError;

/// Stands for what the recipe says without the axis; quoted, it is the word itself.
pub const DEFAULT: &str = "default";
/// Keys that are not varied, and what is there in their place.
const NOT_VARIED: [(&str, &str); 3] = [
    ("seed", "--seeds N"),
    ("data.fold", "--folds K"),
    ("data.folds", "--folds K"),
];

/// A setting and the values that it has in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// The whole key, as in `--set`.
    pub key: String,
    /// The values as they were written, at least one.
    pub values: Vec<String>,
}

impl Axis {
    /// Reads `KEY=A,B,C`.
    ///
    /// Commas part values unless they stand in brackets, braces or quotes, so that lists, tables and texts with commas are values:
    /// `input.size=[96,96],[128,128]`, `input.rescale=default,{zca={epsilon=1e-2}}`, `data.label_column='a,b',c`.
    ///
    /// # Errors
    ///
    /// [`InsightError::Vary`]: there is no `=`, key or value, a bracket or quote has no end, a value is there twice, or the key is the
    /// seed's or the folds', which are repeated and not varied.
    pub fn parse(text: &str) -> Result<Self, InsightError> {
        let wrong = |reason: String| InsightError::Vary {
            written: text.to_owned(),
            reason,
        };
        let example = "expected KEY=A,B,C, such as head.pool=average,gem";
        let (key, values) = text
            .split_once('=')
            .ok_or_else(|| wrong(example.to_owned()))?;
        let key = key.trim();
        if key.is_empty() {
            return Err(wrong(example.to_owned()));
        }
        if let Some((_, instead)) = NOT_VARIED.iter().find(|(name, _)| *name == key) {
            return Err(wrong(format!(
                "`{key}` makes repeats and no variants; use {instead}"
            )));
        }
        let values = parted(values).map_err(|reason| wrong(reason.to_owned()))?;
        if values.iter().any(String::is_empty) {
            return Err(wrong(format!(
                "a value is empty; write `{DEFAULT}` for what the recipe says, '' for an empty text"
            )));
        }
        for (place, value) in values.iter().enumerate() {
            if values[..place].contains(value) {
                return Err(wrong(format!("the value `{value}` is there twice")));
            }
        }
        Ok(Self {
            key: key.to_owned(),
            values,
        })
    }

    /// A value as `--set` takes it; none for what the recipe says anyhow.
    pub fn setting(&self, value: usize) -> Option<String> {
        let value = &self.values[value];
        (value != DEFAULT).then(|| format!("{}={value}", self.key))
    }

    /// `KEY=A,B,C`, which [`parse`](Self::parse) reads.
    pub fn text(&self) -> String {
        format!("{}={}", self.key, self.values.join(","))
    }
}

/// The parts between commas that stand in no brackets and quotes, without blanks around them.
fn parted(text: &str) -> Result<Vec<String>, &'static str> {
    let mut parts = vec![String::new()];
    let mut open: Vec<char> = Vec::new();
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for letter in text.chars() {
        match (quote, letter) {
            // A quote inside a word is an apostrophe.
            (None, '"' | '\'') if starts_a_value(parts.last()) || !open.is_empty() => {
                quote = Some(letter);
            }
            (None, '[') => open.push(']'),
            (None, '{') => open.push('}'),
            (None, ']' | '}') if open.pop() != Some(letter) => {
                return Err("a closing bracket has no opening one of its kind");
            }
            (None, ',') if open.is_empty() => {
                parts.push(String::new());
                continue;
            }
            (Some(_), _) if escaped => escaped = false,
            // TOML's literal texts, in single quotes, know no escapes.
            (Some('"'), '\\') => escaped = true,
            (Some(end), _) if letter == end => quote = None,
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    if quote.is_some() || !open.is_empty() {
        return Err("a bracket or quote has no end");
    }
    Ok(parts.iter().map(|part| part.trim().to_owned()).collect())
}

fn starts_a_value(part: Option<&String>) -> bool {
    part.is_none_or(|part| part.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        Axis::parse(&format!("key={text}")).unwrap().values
    }

    fn reason(text: &str) -> String {
        Axis::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn commas_part_values_but_not_those_in_brackets_and_quotes() {
        assert_eq!(values("average,gem"), ["average", "gem"]);
        assert_eq!(values(" 1 , 2 "), ["1", "2"]);
        assert_eq!(values("[96,96],[128, 128]"), ["[96,96]", "[128, 128]"]);
        assert_eq!(
            values("default,{zca={epsilon=1e-2},x=[1,2]},none"),
            ["default", "{zca={epsilon=1e-2},x=[1,2]}", "none"]
        );
        assert_eq!(values("'a,b',\"c\\\",d\",e"), ["'a,b'", "\"c\\\",d\"", "e"]);
        assert_eq!(values("[{op=\"]\"}],[]"), ["[{op=\"]\"}]", "[]"]);
        assert_eq!(values("it's,that"), ["it's", "that"]);
    }

    #[test]
    fn an_axis_is_read_from_its_own_text() {
        let axis = Axis::parse(" input.size = [96,96], default").unwrap();
        assert_eq!(Axis::parse(&axis.text()).unwrap(), axis);
        assert_eq!(axis.setting(0).unwrap(), "input.size=[96,96]");
        assert_eq!(axis.setting(1), None);
    }

    #[test]
    fn what_is_no_axis_says_what_to_write() {
        assert!(reason("head.pool").contains("KEY=A,B,C"));
        assert!(reason("=a").contains("KEY=A,B,C"));
        assert!(reason("head.pool=a,,b").contains("empty"));
        assert!(reason("head.pool=").contains("empty"));
        assert!(reason("head.pool=a,a").contains("twice"));
        assert!(reason("input.size=[96,96").contains("no end"));
        assert!(reason("input.size=96]").contains("opening"));
        assert!(reason("seed=1,2").contains("--seeds"));
        assert!(reason("data.fold=1,2").contains("--folds"));
    }
}
