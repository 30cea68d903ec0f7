//! How often each class is taken for each, kept by the pairs that occur: thousands of classes have millions of pairs, most of them never.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
    ser::{SerializeSeq, SerializeStruct},
};

/// Most classes of which the table is written whole, as rows of targets with columns of predictions.
pub const MOST_WRITTEN_WHOLE: usize = 100;

/// The number of samples for each pair of target and prediction.
///
/// In JSON the table of up to [`MOST_WRITTEN_WHOLE`] classes is a list of rows, a row a target and a column a prediction:
/// `[[5, 1], [0, 4]]`. That of more is `{"classes": 4000, "counts": [[target, prediction, samples], ..]}` with the pairs that occur, in
/// their order. Both are read whatever the number of classes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: BTreeMap<(usize, usize), u64>,
}

impl Confusion {
    /// No samples of this many classes.
    pub fn new(classes: usize) -> Self {
        let counts = BTreeMap::new();
        Self { classes, counts }
    }

    /// From a whole table: a row for each target, with a column for each prediction. None where it is not square.
    pub fn of_rows(rows: &[Vec<u64>]) -> Option<Self> {
        let mut table = Self::new(rows.len());
        for (target, row) in rows.iter().enumerate() {
            if row.len() != rows.len() {
                return None;
            }
            for (prediction, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                table.counts.insert((target, prediction), count);
            }
        }
        Some(table)
    }

    /// Counts a sample.
    ///
    /// # Panics
    /// When target or prediction is not the index of a class.
    pub fn add(&mut self, target: usize, prediction: usize) {
        let classes = self.classes;
        assert!(
            target < classes && prediction < classes,
            "class {target} taken for {prediction}, of {classes} classes"
        );
        *self.counts.entry((target, prediction)).or_default() += 1;
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The samples of one class that are predicted as another, or as itself.
    pub fn get(&self, target: usize, prediction: usize) -> u64 {
        let count = self.counts.get(&(target, prediction));
        count.copied().unwrap_or(0)
    }

    /// The pairs that occur: (target, prediction, samples), in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        let counts = self.counts.iter();
        counts.map(|(&(target, prediction), &count)| (target, prediction, count))
    }
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.classes <= MOST_WRITTEN_WHOLE {
            let mut rows = serializer.serialize_seq(Some(self.classes))?;
            for target in 0..self.classes {
                let row = (0..self.classes).map(|prediction| self.get(target, prediction));
                rows.serialize_element(&row.collect::<Vec<u64>>())?;
            }
            return rows.end();
        }
        let mut table = serializer.serialize_struct("Confusion", 2)?;
        table.serialize_field("classes", &self.classes)?;
        table.serialize_field("counts", &self.pairs().collect::<Vec<_>>())?;
        table.end()
    }
}

impl<'de> Deserialize<'de> for Confusion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Table)
    }
}

/// Reads both forms.
struct Table;

impl<'de> Visitor<'de> for Table {
    type Value = Confusion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a square table of counts, or an object with `classes` and `counts`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Confusion, A::Error> {
        let mut counts = BTreeMap::new();
        let mut lengths = Vec::new();
        while let Some(row) = list.next_element::<Vec<u64>>()? {
            let target = lengths.len();
            lengths.push(row.len());
            let full = row.into_iter().enumerate().filter(|(_, count)| *count > 0);
            counts.extend(full.map(|(prediction, count)| ((target, prediction), count)));
        }
        let classes = lengths.len();
        match lengths.iter().find(|length| **length != classes) {
            Some(length) => Err(A::Error::invalid_length(*length, &self)),
            None => Ok(Confusion { classes, counts }),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Confusion, A::Error> {
        let (mut classes, mut pairs) = (None, None);
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "classes" => classes = Some(object.next_value::<usize>()?),
                "counts" => pairs = Some(object.next_value::<Vec<(usize, usize, u64)>>()?),
                other => return Err(A::Error::unknown_field(other, &["classes", "counts"])),
            }
        }
        let classes = classes.ok_or_else(|| A::Error::missing_field("classes"))?;
        let pairs = pairs.ok_or_else(|| A::Error::missing_field("counts"))?;
        let mut counts = BTreeMap::new();
        for (target, prediction, count) in pairs {
            if target >= classes || prediction >= classes {
                let message = format!("the pair {target}, {prediction} of {classes} classes");
                return Err(A::Error::custom(message));
            }
            *counts.entry((target, prediction)).or_default() += count;
        }
        Ok(Confusion { classes, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_classes_are_written_as_rows_and_many_as_pairs() {
        let mut few = Confusion::new(2);
        few.add(0, 1);
        few.add(1, 1);
        assert_eq!(serde_json::to_string(&few).unwrap(), "[[0,1],[0,1]]");
        let mut many = Confusion::new(4000);
        many.add(3999, 7);
        many.add(3999, 7);
        let text = serde_json::to_string(&many).unwrap();
        assert_eq!(text, r#"{"classes":4000,"counts":[[3999,7,2]]}"#);
        for table in [few, many] {
            let text = serde_json::to_string(&table).unwrap();
            assert_eq!(serde_json::from_str::<Confusion>(&text).unwrap(), table);
        }
    }

    #[test]
    fn a_whole_table_of_many_classes_is_read() {
        let mut rows = vec![vec![0; 101]; 101];
        rows[3][100] = 7;
        let text = serde_json::to_string(&rows).unwrap();
        let table: Confusion = serde_json::from_str(&text).unwrap();
        assert_eq!(table.classes(), 101);
        assert_eq!(table.pairs().collect::<Vec<_>>(), [(3, 100, 7)]);
        assert_eq!(Confusion::of_rows(&rows), Some(table));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in [
            "[[1,2],[3]]",
            "7",
            r#"{"classes":2,"counts":[[0,2,1]]}"#,
            r#"{"classes":2}"#,
        ] {
            assert!(serde_json::from_str::<Confusion>(text).is_err(), "{text}");
        }
    }
}
