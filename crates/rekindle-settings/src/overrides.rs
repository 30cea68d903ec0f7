//! Settings over settings: a file over the defaults, `key=value` over both. Owns how tables are put together, and how a key on the
//! command line finds its place.

use toml::{Table, Value};

use crate::error::{SettingError, Within};
use crate::key::{Step, node_mut, steps, written as key_of};

/// The keys by which tables of different kinds are told apart.
const TAGS: [&str; 2] = ["name", "op"];

/// Puts the written settings over the base. Tables are merged key by key, unless they are of different kinds: the new one then stands
/// alone, since the settings of another kind mean nothing to it.
///
/// A kind is what stands under `name` or `op`, or the only key of a table whose value is a table, as in
/// `{ zca = { epsilon = 1e-5 } }`. Lists are replaced as a whole.
pub fn merge(base: &mut Table, written: Table) {
    for (key, value) in written {
        match base.get_mut(&key) {
            Some(old) => put(old, value),
            None => {
                base.insert(key, value);
            }
        }
    }
}

fn put(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Table(old), Value::Table(new)) if same_kind(old, &new) => merge(old, new),
        (old, new) => *old = new,
    }
}

fn same_kind(old: &Table, new: &Table) -> bool {
    if let (Some(old), Some(new)) = (only_choice(old), only_choice(new)) {
        return old == new;
    }
    TAGS.into_iter()
        .all(|tag| match (old.get(tag), new.get(tag)) {
            (Some(old_kind), Some(new_kind)) => {
                old_kind == new_kind || !new_kind.is_str() || tag_is_plain(old)
            }
            _ => true,
        })
}

/// The key of a table that holds one table and nothing else.
fn only_choice(table: &Table) -> Option<&str> {
    let (key, value) = table.iter().next()?;
    (table.len() == 1 && value.is_table()).then_some(key)
}

/// `backbone` has a `name` that is a setting like any other.
fn tag_is_plain(table: &Table) -> bool {
    table
        .keys()
        .all(|key| ["name", "weights"].contains(&key.as_str()))
}

/// Applies `a.b.c=value`; the value is TOML, or else a string.
///
/// Elements of lists are addressed by their position, `phase[1].lr=3e-4`, or by what they have as `name`, `phase.phase2.lr=3e-4`.
///
/// ```
/// let mut recipe = toml::toml! { phase = [{ name = "head", lr = 1e-3 }, { name = "tail", lr = 1e-4 }] };
/// rekindle_settings::set(&mut recipe, "phase.tail.lr=3e-4")?;
/// rekindle_settings::set(&mut recipe, "phase[0].lr=2e-3")?;
/// assert_eq!(recipe["phase"][1]["lr"].as_float(), Some(3e-4));
/// assert_eq!(recipe["phase"][0]["lr"].as_float(), Some(2e-3));
/// # Ok::<(), rekindle_settings::SettingError>(())
/// ```
///
/// # Errors
///
/// [`SettingError::Override`] where there is no `=`, no key, or no element of this position; [`SettingError::UnknownKey`] for an element
/// that there is not by its name.
pub fn set(table: &mut Table, pair: &str) -> Result<(), SettingError> {
    let wrong = |reason: &str| SettingError::Override {
        written: pair.to_owned(),
        reason: reason.to_owned(),
    };
    let (key, text) = pair
        .split_once('=')
        .ok_or_else(|| wrong("expected key=value, such as phase1.lr=3e-4"))?;
    let text = text.trim();
    let value = format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let key = key.trim();
    if key.is_empty() || key.ends_with('.') {
        return Err(wrong("the key is empty"));
    }
    let mut root = Value::Table(std::mem::take(table));
    let place = place(&root, key, pair).map(|(place, rest)| {
        let named = !rest.is_empty();
        let written = rest.into_iter().rev().fold(value, |value, key| {
            Value::Table(Table::from_iter([(key, value)]))
        });
        match (node_mut(&mut root, &place), written) {
            (Some(Value::Table(old)), Value::Table(new)) if named => merge(old, new),
            (Some(old), new) => put(old, new),
            (None, _) => {}
        }
    });
    if let Value::Table(root) = root {
        *table = root;
    }
    place
}

/// The last element of a list on the way, or the root, and the keys from there on.
fn place(root: &Value, key: &str, pair: &str) -> Result<(Vec<Step>, Vec<String>), SettingError> {
    let wrong = |reason: String| {
        Err(SettingError::Override {
            written: pair.to_owned(),
            reason,
        })
    };
    let mut place: Vec<Step> = Vec::new();
    let mut rest: Vec<String> = Vec::new();
    let mut here = Some(root);
    for step in steps(key) {
        let keys = rest.iter().cloned().map(Step::Key);
        let so_far = || {
            key_of(
                &place
                    .iter()
                    .cloned()
                    .chain(keys.clone())
                    .collect::<Vec<_>>(),
            )
        };
        let index = match (here.and_then(Value::as_array), step) {
            (None, Step::Key(key)) => {
                here = here.and_then(|value| value.get(&key));
                rest.push(key);
                continue;
            }
            (None, Step::Index(_)) => return wrong(format!("`{}` is no list", so_far())),
            (Some(items), Step::Index(index)) if index < items.len() => index,
            (Some(items), Step::Key(name)) => match named(items, &name) {
                Ok(index) => index,
                Err(known) if known.is_empty() => {
                    let list = so_far();
                    return wrong(format!(
                        "`{list}` is a list, whose elements are `{list}[0]` and so on"
                    ));
                }
                Err(known) => {
                    let key = key_of(&[Step::Key(name)]);
                    return Err(SettingError::UnknownKey { key, known }).within(&so_far());
                }
            },
            (Some(items), Step::Index(_)) => {
                let length = items.len();
                return wrong(format!(
                    "the list `{}` has {length} elements, counted from 0",
                    so_far()
                ));
            }
        };
        here = here.and_then(|value| value.get(index));
        place.extend(rest.drain(..).map(Step::Key));
        place.push(Step::Index(index));
    }
    Ok((place, rest))
}

/// The position of the element of this name; else all names.
fn named(items: &[Value], name: &str) -> Result<usize, Vec<String>> {
    let names = || {
        items
            .iter()
            .map(|item| item.get("name").and_then(Value::as_str))
    };
    names()
        .position(|found| found == Some(name))
        .ok_or_else(|| names().flatten().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::toml;

    fn base() -> Table {
        toml! {
            seed = 0
            backbone = { name = "resnet18", weights = "a.safetensors" }
            augment = { transforms = [{ op = "flip", probability = 0.5 }, { op = "hue" }] }
            head = { hidden = [64, 32] }
            phase = [
                { name = "phase1", lr = 1e-3, optim = { name = "adamw", weight_decay = 0.01 } },
                { name = "phase2", lr = 1e-4, optim = { name = "adamw", weight_decay = 0.01 } },
            ]
        }
    }

    fn with(pairs: &[&str]) -> Result<Table, SettingError> {
        let mut table = base();
        pairs.iter().try_for_each(|pair| set(&mut table, pair))?;
        Ok(table)
    }

    #[test]
    fn values_may_be_toml_or_bare_words() {
        let table = with(&["seed = 3", "a.size=[96, 96]", "a.pool=gem", "a.at = '2'"]).unwrap();
        assert_eq!(table["seed"].as_integer(), Some(3));
        assert_eq!(
            table["a"],
            toml! { size = [96, 96] pool = "gem" at = "2" }.into()
        );
    }

    #[test]
    fn elements_are_addressed_by_position_and_by_name() {
        let table = with(&["phase.phase2.lr=3e-4", "phase[0].optim.weight_decay=0"]).unwrap();
        let mut expected = base();
        expected["phase"][1]["lr"] = 3e-4.into();
        expected["phase"][0]["optim"]["weight_decay"] = 0.into();
        assert_eq!(table, expected);
        let table = with(&["head.hidden[1]=16", "phase.phase1.name=first"]).unwrap();
        assert_eq!(table["head"]["hidden"], Value::from(vec![64, 16]));
        assert_eq!(table["phase"][0]["name"].as_str(), Some("first"));
        assert_eq!(table["phase"][0]["lr"], base()["phase"][0]["lr"]);
    }

    #[test]
    fn a_whole_element_goes_over_one_of_its_kind_and_replaces_one_of_another() {
        let transforms = |pair| with(&[pair]).unwrap()["augment"]["transforms"][0].clone();
        assert_eq!(
            transforms("augment.transforms[0]={op='flip', axis='x'}"),
            toml! { op = "flip" probability = 0.5 axis = "x" }.into()
        );
        assert_eq!(
            transforms("augment.transforms[0]={op='blur'}"),
            toml! { op = "blur" }.into()
        );
    }

    #[test]
    fn elements_that_there_are_not_are_told_with_those_there_are() {
        let error = |pair: &str| with(&[pair]).unwrap_err().to_string();
        assert_eq!(
            error("phase.phase3.lr=1"),
            "there is no setting `phase.phase3`; did you mean `phase.phase1`?"
        );
        assert!(error("phase[2].lr=1").contains("`phase` has 2 elements"));
        assert!(error("seed[0]=1").contains("`seed` is no list"));
        assert!(error("augment.transforms.op=hue").contains("`augment.transforms[0]`"));
    }

    #[test]
    fn an_override_without_key_or_value_is_refused_and_changes_nothing() {
        let mut table = base();
        for (pair, reason) in [
            ("phase1.epochs", "expected key=value"),
            ("=3", "the key is empty"),
            (" .=3", "the key is empty"),
            ("phase[7]=3", "elements"),
        ] {
            let error = set(&mut table, pair).unwrap_err();
            assert_eq!(error.key(), pair);
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert_eq!(table, base());
    }

    #[test]
    fn tables_of_one_kind_are_merged_and_others_replaced() {
        let optim = |pair| with(&[pair]).unwrap()["phase"][1]["optim"].clone();
        assert_eq!(
            optim("phase.phase2.optim.beta=0.8"),
            toml! { name = "adamw" weight_decay = 0.01 beta = 0.8 }.into()
        );
        assert_eq!(
            optim("phase.phase2.optim={name='sgd', momentum=0.5}"),
            toml! { name = "sgd" momentum = 0.5 }.into()
        );
        // What is no name is left for the reader to refuse.
        assert_eq!(
            optim("phase.phase2.optim.name=3")["weight_decay"].as_float(),
            Some(0.01)
        );
        let table = with(&["backbone.name=resnet50"]).unwrap();
        assert_eq!(table["backbone"]["weights"].as_str(), Some("a.safetensors"));
    }

    #[test]
    fn tables_with_their_kind_as_their_only_key_are_merged_within_a_kind() {
        let written = "input.rescale={standardise={mean=[0.5], std=[0.2]}}";
        let rescale = |pair| with(&[written, pair]).unwrap()["input"]["rescale"].clone();
        assert_eq!(
            rescale("input.rescale.zca.epsilon=1e-3"),
            toml! { zca = { epsilon = 1e-3 } }.into()
        );
        assert_eq!(
            rescale("input.rescale.standardise.mean=[0.1]"),
            toml! { standardise = { mean = [0.1], std = [0.2] } }.into()
        );
        assert_eq!(rescale("input.rescale=dataset").as_str(), Some("dataset"));
    }
}
