//! Confident learning: which labels are likely wrong, from predictions of models that have not seen them.
//!
//! Owns the arithmetic of C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in dataset labels",
//! JAIR 70, 2021, as cleanlab does it (`find_label_issues`, pruning by noise rate), against which it is checked
//! (`tests/data/confident.json`).

/// A share that is reached counts as reached whatever its last digits are.
const EQUAL: f64 = 1e-6;

/// What confident learning says of a set of labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Confident {
    /// The mean probability of each class among the images with its label; none of a class without images.
    pub thresholds: Vec<Option<f64>>,
    /// Estimated numbers of images by given label (rows) and true class (columns), summing up to those of each label.
    pub joint: Vec<Vec<usize>>,
    /// Places of likely wrong labels, the least likely label first.
    pub wrong: Vec<usize>,
    /// Places of images that are like no class: none reaches its threshold. The farthest from any first.
    pub outliers: Vec<usize>,
}

/// Judges labels by probabilities, one row of all classes for each image.
///
/// # Panics
///
/// Where a row has another length than the first, or a label is no place in it.
pub fn confident(probabilities: &[Vec<f64>], labels: &[usize]) -> Confident {
    let classes = probabilities.first().map_or(0, Vec::len);
    let thresholds = thresholds(probabilities, labels, classes);
    let limit = |class: usize| thresholds[class].unwrap_or(2.0) - EQUAL;
    let mut counts = vec![vec![0usize; classes]; classes];
    let mut outliers = Vec::new();
    for (place, (row, &label)) in probabilities.iter().zip(labels).enumerate() {
        let reached = (0..classes).filter(|class| row[*class] >= limit(*class));
        let reached: Vec<usize> = reached.collect();
        match reached[..] {
            [] => outliers.push(place),
            [one] => counts[label][one] += 1,
            _ => counts[label][largest(row)] += 1,
        }
    }
    for (class, row) in counts.iter_mut().enumerate() {
        row[class] = row[class].max(1);
    }
    let joint = calibrated(&counts, labels);
    let wrong = wrong(probabilities, labels, &joint);
    let nearness = |place: &usize| {
        let row = probabilities[*place].iter().zip(&thresholds);
        let shares = row.filter_map(|(share, threshold)| Some(share / (*threshold)?));
        shares.fold(0.0, f64::max)
    };
    outliers.sort_by(|one, other| nearness(one).total_cmp(&nearness(other)));
    Confident {
        thresholds,
        joint,
        wrong,
        outliers,
    }
}

fn thresholds(probabilities: &[Vec<f64>], labels: &[usize], classes: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0usize); classes];
    for (row, &label) in probabilities.iter().zip(labels) {
        sums[label].0 += row[label];
        sums[label].1 += 1;
    }
    let mean =
        |(sum, count): (f64, usize)| (count > 0).then(|| (sum / count as f64).max(2.0 * EQUAL));
    sums.into_iter().map(mean).collect()
}

/// Counts as large as there are images of each label, in whole numbers.
fn calibrated(counts: &[Vec<usize>], labels: &[usize]) -> Vec<Vec<usize>> {
    let of_row = |(class, row): (usize, &Vec<usize>)| {
        let own = labels.iter().filter(|label| **label == class).count() as f64;
        let sum = row.iter().sum::<usize>().max(1) as f64;
        let shares: Vec<f64> = row.iter().map(|count| *count as f64 / sum * own).collect();
        rounded(&shares)
    };
    counts.iter().enumerate().map(of_row).collect()
}

/// Whole numbers with the same sum; those whose rounding was the farthest off are the ones that are changed.
fn rounded(values: &[f64]) -> Vec<usize> {
    let mut whole: Vec<f64> = values.iter().map(|value| value.round_ties_even()).collect();
    let wanted = values.iter().sum::<f64>().round_ties_even();
    loop {
        let missing = wanted - whole.iter().sum::<f64>();
        if missing.abs() < 0.5 {
            break;
        }
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|one, other| {
            (values[*one] - whole[*one]).total_cmp(&(values[*other] - whole[*other]))
        });
        if missing > 0.0 {
            order.reverse();
        }
        let changes = missing.abs() as usize;
        for place in order.into_iter().take(changes) {
            whole[place] += missing.signum();
        }
    }
    whole
        .into_iter()
        .map(|value| value.max(0.0) as usize)
        .collect()
}

/// Of the images with label k, those that are the likeliest to be j, as many as the joint counts say; but none for which the label is the
/// likeliest class.
fn wrong(probabilities: &[Vec<f64>], labels: &[usize], joint: &[Vec<usize>]) -> Vec<usize> {
    let mut found = vec![false; labels.len()];
    for (label, row) in keeping_one(joint).iter().enumerate() {
        let own: Vec<usize> = (0..labels.len())
            .filter(|at| labels[*at] == label)
            .collect();
        if own.len() <= 1 {
            continue;
        }
        for (other, &count) in row.iter().enumerate().filter(|(other, _)| *other != label) {
            let margin = |at: usize| probabilities[at][other] - probabilities[at][label];
            let mut order = own.clone();
            order.sort_by(|one, two| margin(*two).total_cmp(&margin(*one)));
            order
                .into_iter()
                .take(count)
                .for_each(|at| found[at] = true);
        }
    }
    let mut wrong: Vec<usize> = (0..labels.len())
        .filter(|at| found[*at] && largest(&probabilities[*at]) != labels[*at])
        .collect();
    let own = |at: &usize| probabilities[*at][labels[*at]];
    wrong.sort_by(|one, other| own(one).total_cmp(&own(other)));
    wrong
}

/// The joint counts with at least one image of each class rightly labelled, taken evenly from the others of its label. Rows are given
/// labels; rounding keeps the sums of true classes.
fn keeping_one(joint: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let classes = joint.len();
    let mut kept = vec![vec![0.0; classes]; classes];
    for (label, row) in joint.iter().enumerate() {
        let more = 1usize.saturating_sub(row[label]) as f64;
        let others = row.iter().filter(|count| **count > 0).count() as f64 - 1.0;
        for (other, &count) in row.iter().enumerate() {
            kept[label][other] = match other == label {
                true => count.max(1) as f64,
                false => (count as f64 - more / others.max(1.0)).max(0.0),
            };
        }
    }
    // Whole numbers before the sums are kept, as cleanlab's are.
    let mut whole = vec![vec![0; classes]; classes];
    for other in 0..classes {
        let column: Vec<f64> = kept.iter().map(|row| row[other].floor()).collect();
        for (label, count) in rounded(&column).into_iter().enumerate() {
            whole[label][other] = count;
        }
    }
    whole
}

/// The first of the largest.
fn largest(row: &[f64]) -> usize {
    let mut best = 0;
    for (place, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = place;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::Value;

    fn whole(value: &Value) -> Vec<usize> {
        let values = value.as_array().unwrap().iter();
        values
            .map(|value| value.as_u64().unwrap() as usize)
            .collect()
    }

    #[test]
    fn wrong_labels_are_those_that_cleanlab_finds() {
        let cases: Value =
            serde_json::from_str(include_str!("../../tests/data/confident.json")).unwrap();
        for case in cases["cases"].as_array().unwrap() {
            let rows = case["probabilities"].as_array().unwrap().iter();
            let rows: Vec<Vec<f64>> = rows
                .map(|row| {
                    row.as_array()
                        .unwrap()
                        .iter()
                        .map(|one| one.as_f64().unwrap())
                        .collect()
                })
                .collect();
            let labels = whole(&case["labels"]);
            let found = confident(&rows, &labels);
            let name = &case["name"];
            for (found, expected) in found
                .thresholds
                .iter()
                .zip(case["thresholds"].as_array().unwrap())
            {
                let expected = expected.as_f64().unwrap();
                // cleanlab's is 2 where there is no image of a class.
                assert!((found.unwrap_or(2.0) - expected).abs() < 1e-12, "{name}");
            }
            for (found, expected) in found.joint.iter().zip(case["joint"].as_array().unwrap()) {
                assert_eq!(*found, whole(expected), "{name}");
            }
            assert_eq!(found.wrong, whole(&case["wrong"]), "{name}");
        }
    }

    #[test]
    fn images_like_no_class_are_told_apart_from_wrong_labels() {
        let rows = [
            vec![0.9, 0.1],
            vec![0.8, 0.2],
            vec![0.1, 0.9],
            vec![0.2, 0.8],
            vec![0.55, 0.45],
            vec![0.95, 0.05],
        ];
        let found = confident(&rows, &[0, 0, 1, 1, 0, 1]);
        assert_eq!(found.wrong, [5]);
        assert_eq!(found.outliers, [4]);
        assert_eq!(confident(&[], &[]).wrong, [] as [usize; 0]);
    }
}
