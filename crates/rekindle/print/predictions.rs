//! Predictions as a table, as CSV and as JSON.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use rekindle_model::ensemble::AfterTraining;
use serde_json::{Map, Value, json};

use super::table::Table;
use super::words;

/// The likeliest classes of one image.
#[derive(Debug)]
pub struct Prediction {
    path: PathBuf,
    /// Class and probability, likeliest first.
    best: Vec<(usize, f32)>,
    /// Whether the likeliest is not probable enough to be an answer, or the image too strange.
    unknown: bool,
    /// The share of held-out images that are at least as strange, of models that know it.
    familiarity: Option<f32>,
}

/// What there is in CSV beside the path and the likeliest class.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns {
    /// Classes with their probabilities, the likeliest first.
    pub top: usize,
    /// Whether answers may be `unknown`, so that the likeliest class has a column of its own.
    pub likeliest: bool,
    /// Whether images have a familiarity.
    pub familiarity: bool,
}

impl Prediction {
    /// Keeps the `top` likeliest of all classes' probabilities; of equal ones the first class comes first.
    pub fn new(path: PathBuf, probabilities: &[f32], top: usize, after: &AfterTraining) -> Self {
        let mut best: Vec<(usize, f32)> = probabilities.iter().copied().enumerate().collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        best.truncate(top.max(1));
        let unknown = best
            .first()
            .is_some_and(|(_, share)| after.is_unknown(*share));
        Self {
            path,
            best,
            unknown,
            familiarity: None,
        }
    }

    /// The same with how familiar the image is; below `least` the answer is `unknown`.
    pub fn with_familiarity(mut self, share: Option<f32>, least: Option<f32>) -> Self {
        self.familiarity = share;
        let pair = share.zip(least);
        self.unknown |= pair.is_some_and(|(share, least)| share < least);
        self
    }

    /// The answer in words: the likeliest class, or `unknown`.
    fn answer<'a>(&self, class: &'a str) -> &'a str {
        match self.unknown {
            true => AfterTraining::UNKNOWN,
            false => class,
        }
    }

    fn named<'a>(&'a self, classes: &'a [String]) -> impl Iterator<Item = (&'a str, f32)> {
        self.best.iter().map(|&(class, probability)| {
            (classes.get(class).map_or("", String::as_str), probability)
        })
    }
}

/// A line per image, no wider than the terminal: path, class, probability, familiarity where there is one, and the next best.
///
/// # Errors
///
/// The output cannot be written.
pub fn table(
    out: &mut impl Write,
    found: &[Prediction],
    classes: &[String],
    width: Option<usize>,
) -> Result<()> {
    let path_room = width.map_or(usize::MAX, |width| (width * 2 / 5).max(12));
    let class_room = width.map_or(usize::MAX, |width| (width / 5).max(8));
    let shown = found
        .iter()
        .map(|prediction| prediction.best.len())
        .max()
        .unwrap_or(1);
    let others = shown > 1 || found.iter().any(|prediction| prediction.unknown);
    let familiar = found
        .iter()
        .any(|prediction| prediction.familiarity.is_some());
    let mut headings = vec!["path", "class", "probability"];
    headings.extend(familiar.then_some("familiarity"));
    headings.extend(others.then_some("next best"));
    let mut table = Table::new(&headings).right(&[2, if familiar { 3 } else { 2 }]);
    for prediction in found {
        let mut best = prediction.named(classes);
        let (class, probability) = best.next().unwrap_or_default();
        // Of an answer that is none, the likeliest class is the first of the others.
        let first = prediction.unknown.then_some((class, probability));
        let next: Vec<String> = first
            .into_iter()
            .chain(best)
            .map(|(class, share)| format!("{class} {}", words::percent(share.into())))
            .collect();
        let mut cells = vec![
            words::cut_front(&prediction.path.to_string_lossy(), path_room),
            words::cut_back(prediction.answer(class), class_room),
            words::percent(probability.into()),
        ];
        cells.extend(
            prediction
                .familiarity
                .map(|share| words::percent(share.into())),
        );
        cells.push(next.join(", "));
        table.row(cells);
    }
    for line in table.text().lines() {
        let line = width.map_or_else(|| line.to_owned(), |width| words::cut_back(line, width));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A header and a line per image: path, class, probability, then class and probability of the next best up to `top`. Where answers may be
/// `unknown`, `class` can be that, and the column `likeliest` behind the others has the likeliest class all the same. Of a model that knows
/// it, `familiarity` is the last.
///
/// # Errors
///
/// The output cannot be written.
pub fn csv(
    out: &mut impl Write,
    found: &[Prediction],
    classes: &[String],
    columns: Columns,
) -> io::Result<()> {
    let top = columns.top.clamp(1, classes.len().max(1));
    let mut header = String::from("path,class,probability");
    for place in 2..=top {
        header.push_str(&format!(",class_{place},probability_{place}"));
    }
    if columns.likeliest {
        header.push_str(",likeliest");
    }
    if columns.familiarity {
        header.push_str(",familiarity");
    }
    writeln!(out, "{header}")?;
    for prediction in found {
        write!(out, "{}", quoted(&prediction.path.to_string_lossy()))?;
        for (place, (class, probability)) in prediction.named(classes).enumerate() {
            let said = if place == 0 {
                prediction.answer(class)
            } else {
                class
            };
            write!(out, ",{},{probability:.6}", quoted(said))?;
        }
        if columns.likeliest {
            let likeliest = prediction.named(classes).next();
            write!(out, ",{}", quoted(likeliest.map_or("", |(class, _)| class)))?;
        }
        if columns.familiarity {
            match prediction.familiarity {
                Some(share) => write!(out, ",{share:.6}")?,
                None => write!(out, ",")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// An array with an object per image: path, class (or `unknown`), probability of the likeliest, and the probabilities of the likeliest classes by name.
///
/// # Errors
///
/// A path is not valid Unicode.
pub fn json(found: &[Prediction], classes: &[String]) -> Result<String> {
    let object = |prediction: &Prediction| {
        let mut best = prediction.named(classes);
        let (class, probability) = best.next().unwrap_or_default();
        let all: Map<String, Value> = prediction
            .named(classes)
            .map(|(class, share)| (class.to_owned(), share.into()))
            .collect();
        let mut object = json!({
            "path": prediction.path.to_string_lossy(),
            "class": prediction.answer(class),
            "probability": probability,
            "probabilities": all,
        });
        if let Some(share) = prediction.familiarity {
            object["familiarity"] = share.into();
        }
        object
    };
    let objects: Vec<Value> = found.iter().map(object).collect();
    Ok(serde_json::to_string_pretty(&objects)?)
}

/// A field of CSV, in quotes where RFC 4180 asks for them.
pub fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Vec<String> {
        ["cat", "dog, small", "emu"].map(String::from).to_vec()
    }

    #[test]
    fn csv_quotes_what_would_break_a_line() {
        let found = [Prediction::new(
            "a \"b\".png".into(),
            &[0.1, 0.7, 0.2],
            2,
            &AfterTraining::default(),
        )];
        let mut out = Vec::new();
        let columns = Columns {
            top: 2,
            ..Columns::default()
        };
        csv(&mut out, &found, &classes(), columns).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "path,class,probability,class_2,probability_2\n\"a \"\"b\"\".png\",\"dog, small\",0.700000,emu,0.200000\n"
        );
    }

    #[test]
    fn a_table_is_no_wider_than_the_terminal() {
        let long = "photos/".repeat(20);
        let found = [Prediction::new(
            long.into(),
            &[0.1, 0.7, 0.2],
            3,
            &AfterTraining::default(),
        )];
        for width in [40, 80, 120] {
            let mut out = Vec::new();
            table(&mut out, &found, &classes(), Some(width)).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(
                text.lines().all(|line| line.chars().count() <= width),
                "{text}"
            );
            assert!(text.contains("70.0 %"), "{text}");
        }
    }

    #[test]
    fn of_equal_probabilities_the_first_class_wins() {
        let found = Prediction::new(
            "a".into(),
            &[0.25, 0.375, 0.375],
            2,
            &AfterTraining::default(),
        );
        assert_eq!(found.best, [(1, 0.375), (2, 0.375)]);
    }

    #[test]
    fn a_class_below_the_threshold_is_unknown_and_still_named() {
        let after: AfterTraining = serde_json::from_value(json!({
            "threshold": {"probability": 0.5, "wished": 0.9, "precision": 0.9, "answered": 0.5, "images": 9}
        }))
        .unwrap();
        let of = |row: &[f32]| Prediction::new("a.png".into(), row, 1, &after);
        let found = [of(&[0.4, 0.35, 0.25]), of(&[0.5, 0.25, 0.25])];
        let mut out = Vec::new();
        let columns = Columns {
            top: 1,
            likeliest: true,
            familiarity: false,
        };
        csv(&mut out, &found, &classes(), columns).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "path,class,probability,likeliest\na.png,unknown,0.400000,cat\na.png,cat,0.500000,cat\n"
        );
        let mut out = Vec::new();
        table(&mut out, &found, &classes(), Some(80)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("unknown       40.0 %  cat 40.0 %"), "{text}");
        let objects: Value = serde_json::from_str(&json(&found, &classes()).unwrap()).unwrap();
        assert_eq!(objects[0]["class"], "unknown");
        assert_eq!(objects[1]["class"], "cat");
        assert!(objects[0]["probabilities"]["cat"].is_number());
    }

    #[test]
    fn a_strange_image_says_so_and_gets_no_answer_where_that_is_wished() {
        let of = |share: f32| {
            let row = [0.8, 0.15, 0.05];
            let found = Prediction::new("a.png".into(), &row, 1, &AfterTraining::default());
            found.with_familiarity(Some(share), Some(0.05))
        };
        let found = [of(0.04), of(0.05)];
        let mut out = Vec::new();
        let columns = Columns {
            top: 1,
            likeliest: true,
            familiarity: true,
        };
        csv(&mut out, &found, &classes(), columns).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "path,class,probability,likeliest,familiarity\na.png,unknown,0.800000,cat,0.040000\na.png,cat,0.800000,cat,0.050000\n"
        );
        let mut out = Vec::new();
        table(&mut out, &found, &classes(), Some(80)).unwrap();
        let text = String::from_utf8(out).unwrap();
        let heading = "path   class    probability  familiarity  next best\n";
        assert!(text.starts_with(heading), "{text}");
        assert!(text.contains("80.0 %        4.0 %  cat 80.0 %"), "{text}");
        let objects: Value = serde_json::from_str(&json(&found, &classes()).unwrap()).unwrap();
        assert!((objects[1]["familiarity"].as_f64().unwrap() - 0.05).abs() < 1e-6);
        let none = Prediction::new("a.png".into(), &[1.0], 1, &AfterTraining::default());
        let none = json(&[none.with_familiarity(None, None)], &classes()).unwrap();
        assert!(!none.contains("familiarity"), "{none}");
    }
}
