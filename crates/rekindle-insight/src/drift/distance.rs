//! How far two sets of rows are apart, output by output, and what of it chance may have done.
//!
//! Each output has its Kolmogorov-Smirnov distance. Outputs depend on each other, and there may be a thousand of them, so chance is judged
//! for all at once: the rows are divided anew at random, many times, and each time the largest distance of any output is noted; a distance
//! counts for as much as few of these reach it (the single-step maxT of Westfall and Young 1993). That holds exactly, also where many
//! values are equal.

use rayon::prelude::*;
use rekindle_augment::SampleRng;

/// Additions that all divisions may take together: some seconds.
const WORK: usize = 4_000_000_000;
/// Fewest divisions, which tell one case of twenty from more.
const FEWEST: usize = 199;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Distances {
    /// Of each output, from 0 to 1.
    pub of_outputs: Vec<f64>,
    /// How probable it is that any output is as far apart by chance, for each output.
    pub p_values: Vec<f64>,
    /// In how many ways the rows were divided anew.
    pub permutations: usize,
}

/// An output's values, sorted: which rows they are of, and where the last of equal ones is.
struct Column {
    rows: Vec<u32>,
    is_last: Vec<bool>,
}

impl Column {
    fn new(values: impl Iterator<Item = f32>) -> Self {
        let mut sorted: Vec<(f32, u32)> = values.zip(0..).collect();
        sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
        let is_last = (0..sorted.len())
            .map(|place| {
                let next = sorted.get(place + 1);
                next.is_none_or(|next| next.0 != sorted[place].0)
            })
            .collect();
        Self {
            rows: sorted.into_iter().map(|(_, row)| row).collect(),
            is_last,
        }
    }

    /// The largest difference of both sides' shares below any value, in units of `1 / (first * second)`.
    fn distance(&self, is_second: &[bool], first: i64, second: i64) -> i64 {
        let (mut difference, mut largest) = (0, 0);
        for (row, is_last) in self.rows.iter().zip(&self.is_last) {
            difference += match is_second[*row as usize] {
                true => first,
                false => -second,
            };
            if *is_last {
                largest = largest.max(difference.abs());
            }
        }
        largest
    }
}

/// The distances of two sets of rows of the same outputs, neither of them empty.
///
/// # Panics
///
/// A set is empty, or rows differ in length.
pub fn distances(
    first: &[Vec<f32>],
    second: &[Vec<f32>],
    permutations: usize,
    seed: u64,
) -> Distances {
    assert!(!first.is_empty() && !second.is_empty(), "no rows");
    let outputs = first[0].len();
    let columns: Vec<Column> = (0..outputs)
        .into_par_iter()
        .map(|output| Column::new(first.iter().chain(second).map(|row| row[output])))
        .collect();
    let (before, behind) = (first.len(), second.len());
    let mut is_second = vec![false; before];
    is_second.resize(before + behind, true);
    let [n, m] = [before, behind].map(|count| count as i64);
    let found: Vec<i64> = columns
        .iter()
        .map(|column| column.distance(&is_second, n, m))
        .collect();
    let affordable = WORK / (outputs * (before + behind)).max(1);
    let permutations = permutations.min(affordable.max(FEWEST)).max(1);
    let largest: Vec<i64> = (0..permutations as u64)
        .into_par_iter()
        .map(|permutation| {
            let mut divided = is_second.clone();
            SampleRng::new(seed, 0, permutation).shuffle(&mut divided);
            let each = columns.iter();
            let each = each.map(|column| column.distance(&divided, n, m));
            each.max().unwrap_or(0)
        })
        .collect();
    let p_value = |distance: &i64| {
        let reached = largest.iter().filter(|largest| *largest >= distance);
        // The division as it was is one of them.
        (reached.count() + 1) as f64 / (permutations + 1) as f64
    };
    Distances {
        p_values: found.iter().map(p_value).collect(),
        of_outputs: found
            .iter()
            .map(|distance| *distance as f64 / (n * m) as f64)
            .collect(),
        permutations,
    }
}
