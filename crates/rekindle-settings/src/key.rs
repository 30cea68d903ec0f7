//! Keys: the steps from the outermost table to a setting, and how they are written.

use toml::Value;

/// One step from a table or a list to what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an element of a list, counted from 0.
    Index(usize),
}

/// The steps as a recipe writes them: `phase[1].optim.beta_1`. A key that TOML would quote is quoted.
pub(crate) fn written(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                match is_bare(key) {
                    true => text.push_str(key),
                    false => text.push_str(&format!("{key:?}")),
                }
            }
        }
    }
    text
}

fn is_bare(key: &str) -> bool {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    !key.is_empty() && key.chars().all(bare)
}

/// The steps of a key as the command line has it, split at its points; `phase[1]` is a key and an index. What stands in brackets
/// otherwise is part of the key.
pub(crate) fn steps(key: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in key.split('.') {
        let mut name = part;
        let mut indices = Vec::new();
        while let Some((before, index)) = indexed(name) {
            indices.push(Step::Index(index));
            name = before;
        }
        steps.push(Step::Key(name.to_owned()));
        steps.extend(indices.into_iter().rev());
    }
    steps
}

/// `phase[1]` as `phase` and 1.
fn indexed(part: &str) -> Option<(&str, usize)> {
    let (name, index) = part.strip_suffix(']')?.rsplit_once('[')?;
    Some((name, index.parse().ok()?)).filter(|_| !name.is_empty())
}

/// What the steps lead to; none where there is nothing.
pub(crate) fn node<'a>(root: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// As [`node`], to be changed.
pub(crate) fn node_mut<'a>(root: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_in_recipes_and_split_as_on_the_command_line() {
        for key in ["phase[1].optim.beta_1", "seed", "a[0][2].b"] {
            assert_eq!(written(&steps(key)), key);
        }
        assert_eq!(steps("a[x].b")[0], Step::Key("a[x]".into()));
        assert_eq!(written(&[Step::Key("a b".into())]), "\"a b\"");
    }

    #[test]
    fn steps_that_lead_nowhere_find_nothing() {
        let value: Value = toml::from_str("a = [{ b = 3 }]").unwrap();
        assert_eq!(node(&value, &steps("a[0].b")), Some(&Value::Integer(3)));
        assert_eq!(node(&value, &steps("a[1].b")), None);
        assert_eq!(node(&value, &steps("a.b")), None);
    }
}
