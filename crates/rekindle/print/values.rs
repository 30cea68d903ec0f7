//! Predictions of labels and of numbers as a table, as CSV and as JSON. Those of one class of several are `predictions.rs`'s.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use rekindle_data::metrics::short;
use rekindle_model::Said;
use serde_json::{Map, Value, json};

use super::predictions::quoted;
use super::table::Table;
use super::words;

/// What is said of one image: a probability for each label, or each number.
pub type Row = (PathBuf, Said);

/// What the outputs are.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Probabilities of labels; a label is predicted from this one on.
    Labels {
        /// From 0 to 1.
        threshold: f32,
    },
    /// Numbers in their own units.
    Numbers,
}

/// The predicted labels with their probabilities, the likeliest first.
fn labels<'a>(names: &'a [String], row: &[f32], threshold: f32) -> Vec<(&'a str, f32)> {
    let pairs = names.iter().map(String::as_str).zip(row.iter().copied());
    let mut found: Vec<_> = pairs.filter(|(_, share)| *share >= threshold).collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}

/// A line per image, no wider than the terminal: its path and labels, or its path and a column for each number; before them its familiarity
/// where it has one.
///
/// # Errors
///
/// The output cannot be written.
pub fn table(
    out: &mut impl Write,
    found: &[Row],
    names: &[String],
    kind: Kind,
    width: Option<usize>,
) -> Result<()> {
    let room = width.map_or(usize::MAX, |width| (width * 2 / 5).max(12));
    let mut headings = vec!["path"];
    let familiar = found.iter().any(|(_, said)| said.familiarity.is_some());
    headings.extend(familiar.then_some("familiarity"));
    let first = headings.len();
    match kind {
        Kind::Labels { .. } => headings.push("labels"),
        Kind::Numbers => headings.extend(names.iter().map(String::as_str)),
    }
    let numbers: Vec<usize> = match kind {
        Kind::Labels { .. } => (1..first).collect(),
        Kind::Numbers => (1..headings.len()).collect(),
    };
    let mut table = Table::new(&headings).right(&numbers);
    for (path, said) in found {
        let row = &said.values;
        let mut cells = vec![words::cut_front(&path.to_string_lossy(), room)];
        cells.extend(said.familiarity.map(|share| words::percent(share.into())));
        match kind {
            Kind::Labels { threshold } => {
                let labels = labels(names, row, threshold).into_iter();
                let labels =
                    labels.map(|(name, share)| format!("{name} {}", words::percent(share.into())));
                let labels: Vec<String> = labels.collect();
                cells.push(match labels.is_empty() {
                    true => "(none)".into(),
                    false => labels.join(", "),
                });
            }
            Kind::Numbers => cells.extend(row.iter().map(|number| short(f64::from(*number)))),
        }
        table.row(cells);
    }
    for line in table.text().lines() {
        let line = width.map_or_else(|| line.to_owned(), |width| words::cut_back(line, width));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A header and a line per image: the path, the predicted labels with `|` between them (for labels), and a column for each label's
/// probability or each number; with `familiar` its familiarity behind them.
///
/// # Errors
///
/// The output cannot be written.
pub fn csv(
    out: &mut impl Write,
    found: &[Row],
    names: &[String],
    kind: Kind,
    familiar: bool,
) -> io::Result<()> {
    let columns: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    let labels_column = match kind {
        Kind::Labels { .. } => "labels,",
        Kind::Numbers => "",
    };
    let last = if familiar { ",familiarity" } else { "" };
    writeln!(out, "path,{labels_column}{}{last}", columns.join(","))?;
    for (path, said) in found {
        let row = &said.values;
        write!(out, "{}", quoted(&path.to_string_lossy()))?;
        if let Kind::Labels { threshold } = kind {
            let labels = labels(names, row, threshold).into_iter();
            let labels: Vec<&str> = labels.map(|(name, _)| name).collect();
            write!(out, ",{}", quoted(&labels.join("|")))?;
        }
        for value in row {
            match kind {
                Kind::Labels { .. } => write!(out, ",{value:.6}")?,
                Kind::Numbers => write!(out, ",{value}")?,
            }
        }
        if familiar {
            match said.familiarity {
                Some(share) => write!(out, ",{share:.6}")?,
                None => write!(out, ",")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// An array with an object per image: path, labels and the probabilities of all by name; or path and the numbers by name.
///
/// # Errors
///
/// None that a value could have.
pub fn json(found: &[Row], names: &[String], kind: Kind) -> Result<String> {
    let object = |(path, said): &Row| {
        let row = &said.values;
        let pairs = names.iter().zip(row);
        let all: Map<String, Value> = pairs
            .map(|(name, value)| (name.clone(), (*value).into()))
            .collect();
        let path = path.to_string_lossy();
        let mut object = match kind {
            Kind::Labels { threshold } => {
                let labels = labels(names, row, threshold).into_iter();
                let labels: Vec<&str> = labels.map(|(name, _)| name).collect();
                json!({ "path": path, "labels": labels, "probabilities": all })
            }
            Kind::Numbers => json!({ "path": path, "numbers": all }),
        };
        if let Some(share) = said.familiarity {
            object["familiarity"] = share.into();
        }
        object
    };
    let objects: Vec<Value> = found.iter().map(object).collect();
    Ok(serde_json::to_string_pretty(&objects)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["red", "round, big"].map(String::from).to_vec()
    }

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn said(values: &[f32]) -> Said {
        Said {
            values: values.to_vec(),
            familiarity: None,
        }
    }

    const LABELS: Kind = Kind::Labels { threshold: 0.5 };

    #[test]
    fn labels_from_the_threshold_on_are_listed_the_likeliest_first() {
        let found: [Row; 3] = [
            ("a.png".into(), said(&[0.5, 0.75])),
            ("b.png".into(), said(&[0.25, 0.75])),
            ("c.png".into(), said(&[0.25, 0.25])),
        ];
        let table = text(|out| table(out, &found, &names(), LABELS, Some(80)).unwrap());
        let expected = "path   labels\na.png  round, big 75.0 %, red 50.0 %\nb.png  round, big 75.0 %\nc.png  (none)\n";
        assert_eq!(table, expected);
        let csv = text(|out| csv(out, &found, &names(), LABELS, false).unwrap());
        let expected =
            "path,labels,red,\"round, big\"\na.png,\"round, big|red\",0.500000,0.750000\n";
        assert!(csv.starts_with(expected), "{csv}");
        assert!(csv.ends_with("c.png,,0.250000,0.250000\n"), "{csv}");
        let json: Value = serde_json::from_str(&json(&found, &names(), LABELS).unwrap()).unwrap();
        assert_eq!(json[0]["labels"], json!(["round, big", "red"]));
        assert_eq!(json[2]["labels"], json!([]));
        assert_eq!(json[1]["probabilities"]["red"], 0.25);
    }

    #[test]
    fn each_number_has_its_column() {
        let found: [Row; 1] = [("a.png".into(), said(&[1234.5, -0.125]))];
        let table = text(|out| table(out, &found, &names(), Kind::Numbers, Some(80)).unwrap());
        assert_eq!(
            table,
            "path      red  round, big\na.png  1234.5     -0.1250\n"
        );
        let csv = text(|out| csv(out, &found, &names(), Kind::Numbers, false).unwrap());
        assert_eq!(csv, "path,red,\"round, big\"\na.png,1234.5,-0.125\n");
        let json = json(&found, &names(), Kind::Numbers).unwrap();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json[0]["numbers"]["red"], 1234.5);
    }

    #[test]
    fn familiarity_has_its_column_where_a_model_knows_it() {
        let known = Said {
            familiarity: Some(0.25),
            ..said(&[0.75, 0.5])
        };
        let found: [Row; 1] = [("a.png".into(), known)];
        let table = text(|out| table(out, &found, &names(), LABELS, Some(80)).unwrap());
        assert_eq!(
            table,
            "path   familiarity  labels\na.png       25.0 %  red 75.0 %, round, big 50.0 %\n"
        );
        let csv = text(|out| csv(out, &found, &names(), Kind::Numbers, true).unwrap());
        assert_eq!(
            csv,
            "path,red,\"round, big\",familiarity\na.png,0.75,0.5,0.250000\n"
        );
        let json = json(&found, &names(), Kind::Numbers).unwrap();
        assert!(json.contains("\"familiarity\": 0.25"), "{json}");
    }
}
