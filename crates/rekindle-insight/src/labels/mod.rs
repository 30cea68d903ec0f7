//! Labels that are likely wrong, and pictures like no class, by what models say of pictures that they have not seen.
//!
//! Owns which predictions are read: predictions.csv of runs, whose validation images are unseen by them; all images where the runs are the
//! folds of a comparison. The arithmetic is `confident.rs`'s.

mod confident;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rekindle_data::{ImageFolder, TargetKind};
use serde::Serialize;

pub use confident::{Confident, confident};

use crate::InsightError;
use crate::compare::{DESIGN, Design, Reference, results};
use crate::source::Source;

/// What predictions say of the labels of a folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Doubts {
    /// The runs whose predictions were read.
    pub runs: Vec<PathBuf>,
    /// Images of the folder that these runs had not seen, and were asked for.
    pub images: usize,
    /// Of them, those whose label is likely wrong, the least likely label first.
    pub wrong: Vec<Doubt>,
    /// Those that are like no class as its images are as a rule, the least first.
    pub outliers: Vec<Doubt>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Doubt {
    /// As in the folder's list.
    pub path: String,
    /// Its label.
    pub label: String,
    /// The probability of it; the mean where several runs were asked.
    pub probability: f64,
    /// The likeliest class.
    pub likeliest: String,
    /// The probability of that.
    pub of_likeliest: f64,
}

/// Reads what runs say of a folder's images. A directory is that of a run, or of a comparison, of which the runs of the best variant are read.
///
/// Images that are not in the folder any more, or have another label there than when the run was trained, are left out.
///
/// # Errors
///
/// [`InsightError::NoRun`] where a directory holds no finished run with predictions.csv, [`InsightError::Compare`] where its images have no
/// classes, or others than the folder's.
pub fn doubts(folder: &ImageFolder, directories: &[PathBuf]) -> Result<Doubts, InsightError> {
    let mut runs = Vec::new();
    for directory in directories {
        match directory.join(DESIGN).is_file() {
            true => runs.extend(best_runs(directory)?),
            false => runs.push(directory.clone()),
        }
    }
    let names = folder.classes.names();
    let label_of: BTreeMap<String, usize> = folder
        .samples
        .iter()
        .filter_map(|sample| Some((sample.key(), sample.target.class()?)))
        .collect();
    let mut said: BTreeMap<&str, (Vec<f64>, usize)> = BTreeMap::new();
    for run in &runs {
        for (path, truth, row) in predictions(run, names)? {
            let Some((path, &label)) = label_of.get_key_value(&path) else {
                continue;
            };
            if names[label] != truth {
                continue;
            }
            let (sums, count) = said
                .entry(path)
                .or_insert_with(|| (vec![0.0; names.len()], 0));
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, share)| *sum += share);
            *count += 1;
        }
    }
    let paths: Vec<&str> = said.keys().copied().collect();
    let labels: Vec<usize> = paths.iter().map(|path| label_of[*path]).collect();
    let rows: Vec<Vec<f64>> = said
        .into_values()
        .map(|(sums, count)| sums.into_iter().map(|sum| sum / count as f64).collect())
        .collect();
    let found = confident(&rows, &labels);
    let doubt = |place: usize| {
        let row = &rows[place];
        let best = (0..row.len()).fold(
            0,
            |best, class| if row[class] > row[best] { class } else { best },
        );
        Doubt {
            path: paths[place].to_owned(),
            label: names[labels[place]].clone(),
            probability: row[labels[place]],
            likeliest: names[best].clone(),
            of_likeliest: row[best],
        }
    };
    let outliers = found
        .outliers
        .iter()
        .filter(|place| !found.wrong.contains(place));
    Ok(Doubts {
        runs,
        images: rows.len(),
        outliers: outliers.map(|place| doubt(*place)).collect(),
        wrong: found.wrong.into_iter().map(doubt).collect(),
    })
}

/// The finished runs of the best variant of a comparison.
fn best_runs(directory: &Path) -> Result<Vec<PathBuf>, InsightError> {
    let design = Design::load(directory)?;
    let found = results(
        &design,
        &design.variants()?,
        directory,
        None,
        Reference::First,
    )?;
    let own = found.runs.iter();
    let own = own.filter(|run| run.variant == found.best && run.status == "finished");
    Ok(own.map(|run| directory.join(&run.run)).collect())
}

/// Path, true class and probabilities of each validation image of a run, in the order of these classes. Where predictions.csv tells of the
/// likeliest classes alone, the others have none.
fn predictions(
    run: &Path,
    names: &[String],
) -> Result<Vec<(String, String, Vec<f64>)>, InsightError> {
    let source = Source::read(run)?;
    let path = run.join("predictions.csv");
    if source.run.task.targets() != TargetKind::Class || source.names() != names {
        return Err(InsightError::Compare(format!(
            "{} is not of the classes of these images, so it cannot judge their labels",
            run.display()
        )));
    }
    let failed = |reason: String| InsightError::NoRun {
        path: path.clone(),
        reason,
    };
    let mut table = csv::Reader::from_path(&path).map_err(|error| failed(error.to_string()))?;
    let header = table
        .headers()
        .map_err(|error| failed(error.to_string()))?
        .clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let class = |name: &str| names.iter().position(|known| known == name);
    let (Some(file), Some(truth), Some(predicted), Some(of_predicted), Some(of_true)) = (
        place("path"),
        place("true"),
        place("predicted"),
        place("probability"),
        place("probability_true"),
    ) else {
        return Err(failed("its columns are not those of classes".into()));
    };
    // Of up to twenty classes each has a column; of more the next likeliest have two each.
    let columns: Vec<Option<usize>> = names
        .iter()
        .map(|name| place(&format!("probability:{name}")))
        .collect();
    let likeliest: Vec<[usize; 2]> = (2..)
        .map_while(|rank| {
            Some([
                place(&format!("class_{rank}"))?,
                place(&format!("probability_{rank}"))?,
            ])
        })
        .collect();
    let mut rows = Vec::new();
    for record in table.records() {
        let record = record.map_err(|error| failed(error.to_string()))?;
        let cell = |place: usize| record.get(place).unwrap_or_default();
        let number = |place: usize| cell(place).parse::<f64>().unwrap_or(0.0);
        let mut row = vec![0.0; names.len()];
        let pairs = likeliest.iter().map(|[name, share]| (*name, *share));
        for (name, share) in pairs.chain([(predicted, of_predicted), (truth, of_true)]) {
            if let Some(class) = class(cell(name)) {
                row[class] = number(share);
            }
        }
        for (value, column) in row.iter_mut().zip(&columns) {
            if let Some(column) = column {
                *value = number(*column);
            }
        }
        rows.push((cell(file).to_owned(), cell(truth).to_owned(), row));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn run(folder: &Path, classes: &[&str], csv: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let report =
            serde_json::json!({"status": "finished", "task": "classification", "classes": classes});
        fs::write(folder.join("run.json"), report.to_string()).unwrap();
        let plan = format!(
            "[facts]\nrekindle = \"0.1.0\"\ndata = \"d\"\nclasses = {classes:?}\n[recipe]\nseed = 0\n"
        );
        fs::write(folder.join("plan.toml"), plan).unwrap();
        fs::write(folder.join("predictions.csv"), csv).unwrap();
        folder.into()
    }

    #[test]
    fn probabilities_are_read_by_class_also_where_few_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c"].map(str::to_owned);
        let each = "path,true,predicted,loss,probability,probability_true,probability:a,probability:b,probability:c\n\
                    a/1.png,a,b,1,0.7,0.2,0.2,0.7,0.1\n";
        let few = "path,true,predicted,loss,probability,probability_true,class_2,probability_2\na/1.png,c,b,1,0.7,0.1,a,0.15\n";
        let each = run(&folder.path().join("each"), &["a", "b", "c"], each);
        let few = run(&folder.path().join("few"), &["a", "b", "c"], few);
        let row = |run: &Path| predictions(run, &names).unwrap().remove(0).2;
        assert_eq!(row(&each), [0.2, 0.7, 0.1]);
        assert_eq!(row(&few), [0.15, 0.7, 0.1]);
        let others = ["a", "b"].map(str::to_owned);
        let error = predictions(&each, &others).unwrap_err().to_string();
        assert!(error.contains("not of the classes"), "{error}");
    }

    #[test]
    fn labels_that_were_changed_since_are_not_judged() {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        for class in ["a", "b"] {
            fs::create_dir_all(data.join(class)).unwrap();
            for number in 0..4 {
                fs::write(data.join(class).join(format!("{number}.png")), "x").unwrap();
            }
        }
        let mut csv = String::from(
            "path,true,predicted,loss,probability,probability_true,probability:a,probability:b\n",
        );
        for number in 0..4 {
            // 3.png of b looks like a; so does one that has been moved since, whose path is no more.
            let own = if number == 3 { 0.05 } else { 0.9 };
            csv += &format!("a/{number}.png,a,a,0.1,0.9,0.9,0.9,0.1\n");
            csv += &format!("b/{number}.png,b,b,0.1,0.9,{own},{},{own}\n", 1.0 - own);
        }
        csv += "b/moved.png,b,a,3,0.95,0.05,0.95,0.05\n";
        let run = run(&place.path().join("run"), &["a", "b"], &csv);
        let options = rekindle_data::DataRecipe::default();
        let (folder, _) = options.open(&data, 0).unwrap();
        let found = doubts(&folder, &[run]).unwrap();
        assert_eq!(found.images, 8);
        let wrong: Vec<&str> = found.wrong.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(wrong, ["b/3.png"]);
        assert_eq!(
            (
                found.wrong[0].likeliest.as_str(),
                found.wrong[0].label.as_str()
            ),
            ("a", "b")
        );
    }
}
