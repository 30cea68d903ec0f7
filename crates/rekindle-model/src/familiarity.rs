//! Whether a picture is like those that a network was trained on at all. Owns the distance, which training pictures stand for all of them,
//! and what makes a distance a share of held-out pictures; the features are the network's own.
//!
//! The distance of a picture is that of its features, the input of the head, to those of the nearest training picture, all of them
//! divided by their length ([Sun et al. 2022](https://arxiv.org/abs/2204.06507), here with the one nearest neighbour). Training pictures
//! that are kept are chosen one by one, each the farthest from those before (the greedy k-centre rule, as in
//! [Roth et al. 2022](https://arxiv.org/abs/2106.08265)): so few of them cover all nearly as well. Checked against scikit-learn
//! (`tests/data/familiarity.py`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::ModelError;

/// Most training pictures that are kept.
const MOST_KEPT: usize = 256;
/// Most bytes that they take, before they are written as text, which takes a third more.
const MOST_BYTES: usize = 384 << 10;
/// Most distances of held-out pictures that are kept; of more, so many evenly spaced ones.
const MOST_DISTANCES: usize = 1000;
/// Fewer held-out pictures say nothing of a share.
const FEWEST: usize = 20;

/// What a model file keeps of the pictures that its network was trained on.
///
/// The features of those that are kept, divided by their length and rounded to 8 bits, are part of what a file says of itself, so that its
/// tensors stay those of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Familiarity {
    /// Training pictures whose features are kept.
    pub kept: usize,
    /// Those that they were chosen from.
    pub chosen_from: usize,
    /// Held-out pictures whose distances make a distance a share.
    pub held_out: usize,
    /// Numbers of features.
    pub features: usize,
    /// Distances of held-out pictures, ascending.
    pub distances: Vec<f32>,
    /// The features as signed bytes, row by row, in base64.
    bank: String,
    /// XXH3 of these bytes.
    checksum: String,
}

/// What pictures are compared with.
#[derive(Debug)]
pub(crate) struct Bank {
    /// Rows of length 1.
    rows: Vec<f32>,
    features: usize,
    distances: Vec<f32>,
}

impl Familiarity {
    /// Keeps what is needed of training pictures, and what held-out pictures are like.
    ///
    /// # Shapes
    ///
    /// `trained` and `held_out`: `[pictures * features]`, what [`Predictor::features`](crate::Predictor::features) gives.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotFitted`] without training pictures, and for fewer than 20 held-out ones.
    ///
    /// # Panics
    ///
    /// Where they are no whole rows.
    pub fn of(trained: &[f32], held_out: &[f32], features: usize) -> Result<Self, ModelError> {
        let whole = |rows: &[f32]| rows.len().is_multiple_of(features);
        assert!(features > 0 && whole(trained) && whole(held_out));
        let refuse = |reason: String| ModelError::NotFitted {
            what: "familiarity",
            reason,
        };
        let held = held_out.len() / features;
        if trained.is_empty() {
            return Err(refuse("there are no training images".into()));
        }
        if held < FEWEST {
            return Err(refuse(format!(
                "{held} held-out images, and fewer than {FEWEST} say nothing of a share; give more that the model was not trained on"
            )));
        }
        let rows = unit_rows(trained, features);
        let most = (MOST_BYTES / features).clamp(1, MOST_KEPT);
        let places = spread_out(&rows, features, most);
        let kept = places
            .iter()
            .flat_map(|place| in_bytes(&rows[place * features..][..features]));
        let bytes: Vec<i8> = kept.collect();
        let bank = Bank {
            rows: of_bytes(&bytes, features),
            features,
            distances: Vec::new(),
        };
        let rows = held_out.chunks(features);
        let mut distances: Vec<f32> = rows.map(|row| bank.distance(row)).collect();
        distances.sort_by(f32::total_cmp);
        if distances.len() > MOST_DISTANCES {
            let last = (distances.len() - 1) as f64 / (MOST_DISTANCES - 1) as f64;
            let even = |at: usize| distances[(at as f64 * last).round() as usize];
            distances = (0..MOST_DISTANCES).map(even).collect();
        }
        let bytes: Vec<u8> = bytes.iter().map(|byte| *byte as u8).collect();
        Ok(Self {
            kept: places.len(),
            chosen_from: trained.len() / features,
            held_out: held,
            features,
            distances,
            checksum: checksum(&bytes),
            bank: STANDARD.encode(&bytes),
        })
    }

    /// Bytes that it takes in a file, about.
    pub fn size(&self) -> usize {
        // A distance is written as a dozen characters.
        self.bank.len() + 12 * self.distances.len()
    }

    /// The share of held-out pictures that are at least as unfamiliar as each of these, `[pictures * features]`.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotFitted`] where its own numbers do not fit together.
    pub fn shares(&self, features: &[f32]) -> Result<Vec<f32>, ModelError> {
        let bank = self.bank().map_err(|reason| ModelError::NotFitted {
            what: "familiarity",
            reason: reason.into(),
        })?;
        Ok(bank.shares(features))
    }

    /// What pictures are compared with, or what speaks against it, in words.
    pub(crate) fn bank(&self) -> Result<Bank, &'static str> {
        let bytes = STANDARD.decode(&self.bank).ok();
        let bytes = bytes.filter(|bytes| checksum(bytes) == self.checksum);
        let Some(bytes) = bytes else {
            return Err("the features of its training images are not as they were written");
        };
        let rows = self.features > 0 && bytes.len() == self.kept * self.features;
        let ascending = self.distances.is_sorted_by(|a, b| a <= b);
        let finite = self.distances.iter().all(|distance| distance.is_finite());
        if !rows || self.kept == 0 || self.distances.is_empty() || !ascending || !finite {
            return Err("what it knows of its training images does not fit together");
        }
        let bytes: Vec<i8> = bytes.iter().map(|byte| *byte as i8).collect();
        Ok(Bank {
            rows: of_bytes(&bytes, self.features),
            features: self.features,
            distances: self.distances.clone(),
        })
    }
}

impl Bank {
    /// From 0, where it lies in the direction of a training picture, to 2.
    fn distance(&self, features: &[f32]) -> f32 {
        let length = length(features);
        let nearest = self
            .rows
            .chunks(self.features)
            .map(|row| dot(row, features));
        let nearest = nearest.fold(f32::NEG_INFINITY, f32::max);
        (2.0 - 2.0 * nearest / length).max(0.0).sqrt()
    }

    /// The share of held-out pictures that are at least as far away, from 0 to 1, for each row.
    pub fn shares(&self, features: &[f32]) -> Vec<f32> {
        let all = self.distances.len();
        let share = |row: &[f32]| {
            let distance = self.distance(row);
            let nearer = self.distances.partition_point(|held| *held < distance);
            (all - nearer) as f32 / all as f32
        };
        features.chunks(self.features).map(share).collect()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums at a time, which the compiler takes as one vector.
    let mut sums = [0.0f32; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a_parts.remainder().iter().zip(b_parts.remainder());
    let rest: f32 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        let pairs = a.iter().zip(b);
        for (sum, (a, b)) in sums.iter_mut().zip(pairs) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn length(row: &[f32]) -> f32 {
    dot(row, row).sqrt().max(f32::MIN_POSITIVE)
}

fn unit_rows(rows: &[f32], features: usize) -> Vec<f32> {
    let each = |row: &[f32]| {
        let length = length(row);
        row.iter().map(|value| value / length).collect::<Vec<f32>>()
    };
    rows.chunks(features).flat_map(each).collect()
}

/// Up to so many rows that cover all: the one that is most like the mean, then each time the one that is farthest from those before.
fn spread_out(rows: &[f32], features: usize, most: usize) -> Vec<usize> {
    let count = rows.len() / features;
    let row = |at: usize| &rows[at * features..][..features];
    let mut mean = vec![0.0f32; features];
    for at in 0..count {
        mean.iter_mut()
            .zip(row(at))
            .for_each(|(sum, value)| *sum += value);
    }
    // Of equal ones the first.
    let most_of = |values: &[f32]| {
        let better = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
        (0..values.len()).fold(0, better)
    };
    let likeness: Vec<f32> = (0..count).map(|at| dot(row(at), &mean)).collect();
    let mut chosen = vec![most_of(&likeness)];
    let mut apart = vec![f32::INFINITY; count];
    while chosen.len() < most.min(count) {
        let last = *chosen.last().expect("one is chosen");
        for (at, apart) in apart.iter_mut().enumerate() {
            *apart = apart.min(1.0 - dot(row(at), row(last)));
        }
        apart[last] = f32::NEG_INFINITY;
        chosen.push(most_of(&apart));
    }
    chosen
}

/// A row in whole numbers from -127 to 127, on a scale of its own.
fn in_bytes(row: &[f32]) -> impl Iterator<Item = i8> {
    let greatest = row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let scale = 127.0 / greatest.max(f32::MIN_POSITIVE);
    row.iter().map(move |value| (value * scale).round() as i8)
}

fn of_bytes(bytes: &[i8], features: usize) -> Vec<f32> {
    let wide: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte)).collect();
    unit_rows(&wide, features)
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_augment::SampleRng;

    /// Pictures in some directions, each a little off.
    fn pictures(seed: u64, count: usize, directions: usize, features: usize) -> Vec<f32> {
        let mut random = SampleRng::new(seed, 0, 0);
        let mut rows = Vec::new();
        for picture in 0..count {
            let scale = random.uniform(0.5, 2.0);
            rows.extend((0..features).map(|at| {
                let direction = if at % directions == picture % directions {
                    1.0
                } else {
                    0.0
                };
                scale * (direction + random.uniform(0.0, 0.3))
            }));
        }
        rows
    }

    #[test]
    fn what_is_like_the_training_pictures_is_familiar_and_what_is_not_is_not() {
        let (trained, held) = (pictures(1, 60, 3, 30), pictures(2, 40, 3, 30));
        let found = Familiarity::of(&trained, &held, 30).unwrap();
        assert_eq!(
            (found.kept, found.chosen_from, found.held_out),
            (60, 60, 40)
        );
        // The training pictures themselves, but for the rounding to bytes.
        let own = found.shares(&trained).unwrap();
        assert!(own.iter().all(|share| *share == 1.0), "{own:?}");
        // The held-out ones divide the shares evenly.
        let mut shares = found.shares(&held).unwrap();
        shares.sort_by(f32::total_cmp);
        let even: Vec<f32> = (1..=40).map(|rank| rank as f32 / 40.0).collect();
        assert_eq!(shares, even);
        let strange = found.shares(&pictures(3, 10, 5, 30)).unwrap();
        assert!(strange.iter().all(|share| *share == 0.0), "{strange:?}");
        // How long a vector is says nothing.
        let longer: Vec<f32> = held.iter().map(|value| value * 8.0).collect();
        assert_eq!(found.shares(&longer).unwrap(), found.shares(&held).unwrap());
    }

    #[test]
    fn those_that_are_kept_cover_every_direction_first() {
        let rows = unit_rows(&pictures(4, 90, 6, 24), 24);
        let mut chosen: Vec<usize> = spread_out(&rows, 24, 6).iter().map(|at| at % 6).collect();
        chosen.sort_unstable();
        assert_eq!(chosen, [0, 1, 2, 3, 4, 5]);
        let all = spread_out(&rows, 24, 500);
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..90).collect::<Vec<_>>());
    }

    #[test]
    fn the_size_is_bounded_whatever_there_is() {
        let (features, held) = (4000, pictures(6, 20, 3, 4000));
        let found = Familiarity::of(&pictures(5, 300, 3, features), &held, features).unwrap();
        assert_eq!(found.kept, (384 << 10) / 4000);
        assert!(found.size() < 560 << 10, "{}", found.size());
        let many = Familiarity::of(&pictures(5, 9, 3, 6), &pictures(7, 5000, 3, 6), 6).unwrap();
        assert_eq!((many.distances.len(), many.held_out), (1000, 5000));
    }

    #[test]
    fn too_few_pictures_are_refused_and_so_is_what_was_changed() {
        let (trained, held) = (pictures(1, 9, 3, 6), pictures(2, 20, 3, 6));
        let refused = |trained: &[f32], held: &[f32]| {
            let error = Familiarity::of(trained, held, 6).unwrap_err();
            error.to_string()
        };
        assert!(refused(&[], &held).contains("no training images"));
        assert!(refused(&trained, &held[..114]).contains("19 held-out images"));
        let found = Familiarity::of(&trained, &held, 6).unwrap();
        assert!(found.bank().is_ok());
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Familiarity>(&text).unwrap(), found);
        let change = |change: fn(&mut Familiarity)| {
            let mut found = found.clone();
            change(&mut found);
            found.bank().is_err()
        };
        assert!(change(|of| of.bank.replace_range(0..1, "!")));
        assert!(change(|of| of.checksum.clear()));
        assert!(change(|of| of.kept += 1));
        assert!(change(|of| of.distances.clear()));
        assert!(change(|of| of.distances.reverse()));
        assert!(change(|of| of.distances[0] = f32::NAN));
    }
}
