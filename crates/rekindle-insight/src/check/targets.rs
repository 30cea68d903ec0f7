//! How many images have which class or label, and how numbers are spread.
//!
//! Owns: what is counted and how it is summed up. What is odd about it is `findings.rs`'s.

use super::examine::Examined;
use super::report::{ClassReport, NumberReport};
use rekindle_data::{ImageFolder, SplitName, TargetKind};

/// The images of each class or label; none where images have numbers.
pub(super) fn classes(
    folder: &ImageFolder,
    splits: &[Option<SplitName>],
    examined: &[Examined],
) -> Vec<ClassReport> {
    if folder.task.targets() == TargetKind::Numbers {
        return Vec::new();
    }
    let mut classes: Vec<ClassReport> = folder
        .classes
        .names()
        .iter()
        .map(|name| ClassReport {
            class: name.clone(),
            train: 0,
            validation: 0,
            test: 0,
            unreadable: 0,
        })
        .collect();
    for ((sample, split), file) in folder.samples.iter().zip(splits).zip(examined) {
        for index in sample.target.names() {
            let class = &mut classes[index];
            let count = match (&file.picture, split) {
                (Err(_), _) => &mut class.unreadable,
                (Ok(_), Some(SplitName::Validation)) => &mut class.validation,
                (Ok(_), Some(SplitName::Test)) => &mut class.test,
                (Ok(_), Some(SplitName::Train) | None) => &mut class.train,
            };
            *count += 1;
        }
    }
    classes
}

/// The spread of each number over the samples with these indices; none where images have no numbers.
pub(super) fn numbers(folder: &ImageFolder, good: &[usize]) -> Vec<NumberReport> {
    if folder.task.targets() != TargetKind::Numbers || good.is_empty() {
        return Vec::new();
    }
    let names = folder.classes.names().iter().enumerate();
    let report = |(place, name): (usize, &String)| {
        let values = good.iter().map(|&index| &folder.samples[index].target);
        let mut values: Vec<f64> = values.map(|target| target.numbers()[place]).collect();
        values.sort_by(f64::total_cmp);
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        NumberReport {
            name: name.clone(),
            min: values[0],
            median: values[(values.len() - 1) / 2],
            max: values[values.len() - 1],
            mean,
            std: (squares.sum::<f64>() / count).sqrt(),
        }
    };
    names.map(report).collect()
}
