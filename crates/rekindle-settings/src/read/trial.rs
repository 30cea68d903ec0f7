//! Reading changed copies of the settings, to learn where a fault is and what would be accepted there.
//!
//! Serde reads `tag`, `untagged` and `flatten` in two passes: the first puts the table aside, the second reads that copy, which has no
//! steps. So a fault in it comes with the table's place, and its own is found by a mark: a value is changed to another one of its kind,
//! and if the fault then speaks of the mark, that is where it is. Reading takes microseconds, and this happens after an error only.

use toml::{Table, Value};

use super::fault::{Fault, Found, What};
use crate::key::{Step, node, node_mut};

/// A text, and a key, that no settings have.
const MARK: &str = "\u{1}";

/// The settings, and how they are read.
pub(super) struct Trial<'a> {
    pub(super) root: &'a Value,
    /// The first fault of these settings; none if they can be read.
    pub(super) read: &'a dyn Fn(&Value) -> Option<Fault>,
}

impl Trial<'_> {
    /// The value at this place; none where there is nothing.
    pub(super) fn value(&self, place: &[Step]) -> Option<&Value> {
        node(self.root, place)
    }

    /// The first fault if this place had another value.
    fn with(&self, place: &[Step], value: Value) -> Option<Fault> {
        let mut changed = self.root.clone();
        *node_mut(&mut changed, place)? = value;
        (self.read)(&changed)
    }

    /// The place of a fault: its own, or one inside it.
    pub(super) fn place(&self, fault: &Fault) -> Vec<Step> {
        let own = fault.place();
        let mut places = Vec::new();
        if let Some(value) = self.value(&own) {
            inside(value, &own, &mut places);
        }
        let found = places
            .into_iter()
            .find(|place| self.is_at(place, &fault.what));
        found.unwrap_or(own)
    }

    /// Whether the fault is one of the value at this place.
    fn is_at(&self, place: &[Step], what: &What) -> bool {
        let Some(value) = self.value(place) else {
            return false;
        };
        match what {
            What::Kind { found, expected } => {
                if Found::of(value) != *found {
                    return false;
                }
                let marked = marked(value);
                let found = Found::of(&marked);
                let expected = expected.clone();
                self.says(place, marked, &What::Kind { found, expected })
            }
            What::UnknownVariant { found, known } => {
                let renamed = match value {
                    Value::String(text) if text == found => Some(Value::from(MARK)),
                    Value::Table(table) if table.len() == 1 => renamed(table, found),
                    _ => None,
                };
                let found = MARK.to_owned();
                let says = What::UnknownVariant { found, known };
                renamed.is_some_and(|renamed| self.says(place, renamed, &says))
            }
            What::UnknownField { found, known } => {
                let renamed = value.as_table().and_then(|table| renamed(table, found));
                let found = MARK.to_owned();
                let says = What::UnknownField { found, known };
                renamed.is_some_and(|renamed| self.says(place, renamed, &says))
            }
            What::Length { found, expected } => {
                let Some(items) = value.as_array().filter(|items| items.len() == *found) else {
                    return false;
                };
                let longer = items.iter().chain(items.last()).cloned().collect();
                let shorter = items.iter().skip(1).cloned().collect();
                // One of the two may be accepted.
                [longer, shorter].into_iter().any(|items: Vec<Value>| {
                    let (found, expected) = (items.len(), expected.clone());
                    self.says(place, items.into(), &What::Length { found, expected })
                })
            }
            What::Missing(field) => {
                let Some(table) = value.as_table().filter(|table| !table.contains_key(*field))
                else {
                    return false;
                };
                let mut filled = table.clone();
                filled.insert((*field).to_owned(), MARK.into());
                match self.with(place, filled.into()).map(|fault| fault.what) {
                    None => true,
                    Some(What::Missing(still)) => still != *field,
                    Some(What::UnknownField { found, .. }) => found != *field,
                    Some(_) => true,
                }
            }
            What::Twice(_) | What::Said(_) => false,
        }
    }

    /// Whether the first fault is this one if the place has that value.
    fn says(&self, place: &[Step], value: Value, what: &What) -> bool {
        self.with(place, value)
            .is_some_and(|fault| fault.what == *what)
    }

    /// The key by which a table in this place says which of several kinds it is, and their names; none where no such table is
    /// accepted. `form` makes of a table what is put in the place.
    pub(super) fn tag(
        &self,
        place: &[Step],
        form: impl Fn(Table) -> Value,
    ) -> Option<(&'static str, &'static [&'static str])> {
        let What::Missing(key) = self.with(place, form(Table::new()))?.what else {
            return None;
        };
        let marked = Table::from_iter([(key.to_owned(), MARK.into())]);
        match self.with(place, form(marked))?.what {
            What::UnknownVariant { found, known } if found == MARK => Some((key, known)),
            _ => None,
        }
    }
}

/// A value and all that it holds, itself first and in the order in which they are read.
fn inside(value: &Value, place: &[Step], places: &mut Vec<Vec<Step>>) {
    places.push(place.to_vec());
    let within = |step: Step| [place, &[step]].concat();
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                inside(item, &within(Step::Index(index)), places);
            }
        }
        Value::Table(table) => {
            for (key, item) in table {
                inside(item, &within(Step::Key(key.clone())), places);
            }
        }
        _ => {}
    }
}

/// Another value that is wrong wherever this one is wrong by its kind or its sign.
fn marked(value: &Value) -> Value {
    match value {
        Value::Boolean(value) => (!value).into(),
        Value::Integer(value) if *value < 0 => value.saturating_sub(1).into(),
        Value::Integer(value) => value.saturating_add(1).into(),
        Value::Float(value) if *value == 0.5 => 1.5.into(),
        Value::Float(_) => 0.5.into(),
        Value::String(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => MARK.into(),
    }
}

/// The table with the mark in place of this key.
fn renamed(table: &Table, key: &str) -> Option<Value> {
    let mut table = table.clone();
    let value = table.remove(key)?;
    table.insert(MARK.to_owned(), value);
    Some(table.into())
}
