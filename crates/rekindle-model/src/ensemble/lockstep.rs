//! Batches of a data set in several sizes at once, for models that want different views. Owns how loaders go side by side; which views
//! there are is `tree.rs`'s.

use std::collections::HashMap;
use std::sync::Arc;

use rekindle_augment::{Pipeline, RgbBatch};
use rekindle_data::{
    BadImage, Batch, DataError, Dataset, LastBatch, Loader, LoaderOptions, batches,
};

/// An iterator over batches of samples, each in every view: a loader for each view, all in the order of the samples.
#[derive(Debug)]
pub(crate) struct Lockstep {
    loaders: Vec<Loader>,
    /// The next batch of each loader, where it has been taken ahead of the others.
    ahead: Vec<Option<Batch>>,
    /// In which batch of the whole list a sample is; known where images may be left out, so that loaders may be apart.
    number: Option<HashMap<usize, usize>>,
    left_out: Vec<BadImage>,
}

impl Lockstep {
    /// Starts a loader for each view. Where `leaves_out`, images that cannot be decoded are left out of all.
    ///
    /// # Errors
    ///
    /// [`DataError::StartWorker`].
    pub fn new(
        dataset: &Arc<Dataset>,
        views: &[Arc<Pipeline>],
        samples: &[usize],
        batch_size: usize,
        leaves_out: bool,
    ) -> Result<Self, DataError> {
        let batches = batches(samples, batch_size, LastBatch::Keep);
        let loader = |view: &Arc<Pipeline>| {
            let options = LoaderOptions::default();
            let (dataset, view) = (dataset.clone(), view.clone());
            let loader = Loader::new(dataset, view, batches.clone(), 0, 0, options)?;
            Ok(match leaves_out {
                true => loader.leaving_out(),
                false => loader,
            })
        };
        let loaders: Vec<Loader> = views.iter().map(loader).collect::<Result<_, DataError>>()?;
        let number = (leaves_out && loaders.len() > 1).then(|| {
            let numbered = batches.iter().enumerate();
            numbered
                .flat_map(|(number, batch)| batch.iter().map(move |sample| (*sample, number)))
                .collect()
        });
        Ok(Self {
            ahead: loaders.iter().map(|_| None).collect(),
            loaders,
            number,
            left_out: Vec::new(),
        })
    }

    /// The bad images since the last time, each once.
    pub fn take_left_out(&mut self) -> Vec<BadImage> {
        let mut all = std::mem::take(&mut self.left_out);
        all.sort_by_key(|image| image.index);
        all.dedup_by_key(|image| image.index);
        all
    }

    /// The next batch with its pixels in each view; its own are those of the first. None behind the last.
    ///
    /// # Errors
    ///
    /// An image cannot be read, where none is left out.
    pub fn next(&mut self) -> Result<Option<(Batch, Vec<RgbBatch>)>, DataError> {
        loop {
            for (place, loader) in self.loaders.iter_mut().enumerate() {
                if self.ahead[place].is_none() {
                    self.ahead[place] = loader.next().transpose()?;
                    self.left_out.extend(loader.take_left_out());
                }
            }
            // Of a batch that one view has lost whole, the others are left out; a loader that is done has lost all that come.
            let of = |batch: &Batch| match &self.number {
                Some(number) => batch
                    .indices
                    .first()
                    .and_then(|sample| number.get(sample))
                    .copied(),
                None => Some(0),
            };
            let numbers: Vec<Option<usize>> = self
                .ahead
                .iter()
                .map(|batch| batch.as_ref().and_then(of))
                .collect();
            let Some(first) = numbers.iter().flatten().min().copied() else {
                return Ok(None);
            };
            let mut taken = Vec::with_capacity(numbers.len());
            for (place, number) in numbers.iter().enumerate() {
                if *number == Some(first) {
                    taken.extend(self.ahead[place].take());
                }
            }
            if taken.len() == self.loaders.len()
                && let Some(joined) = joined(taken)?
            {
                return Ok(Some(joined));
            }
        }
    }
}

/// The samples that all views have; none where there are none.
fn joined(mut views: Vec<Batch>) -> Result<Option<(Batch, Vec<RgbBatch>)>, DataError> {
    let same = views
        .windows(2)
        .all(|pair| pair[0].indices == pair[1].indices);
    if !same {
        let all: Vec<Vec<usize>> = views.iter().map(|view| view.indices.clone()).collect();
        let in_all = |sample: &usize| all.iter().all(|indices| indices.contains(sample));
        for view in &mut views {
            let places: Vec<usize> = (0..view.indices.len())
                .filter(|at| in_all(&view.indices[*at]))
                .collect();
            view.images = selected(&view.images, &places);
            view.targets = places.iter().map(|at| view.targets[*at].clone()).collect();
            view.indices = places.iter().map(|at| view.indices[*at]).collect();
        }
    }
    let images = views.iter().skip(1).map(|view| view.images.clone());
    let others: Vec<RgbBatch> = images.collect();
    let first = views
        .into_iter()
        .next()
        .filter(|batch| !batch.indices.is_empty());
    Ok(first.map(|batch| {
        let own = batch.images.clone();
        (batch, std::iter::once(own).chain(others).collect())
    }))
}

/// The images at these places.
fn selected(images: &RgbBatch, places: &[usize]) -> RgbBatch {
    let [_, height, width, channels] = images.shape();
    let size = height * width * channels;
    let each = |place: &usize| &images.pixels()[place * size..(place + 1) * size];
    let pixels: Vec<u8> = places.iter().flat_map(each).copied().collect();
    RgbBatch::new(pixels, places.len(), height, width).expect("whole images")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_augment::{DecodeLimits, Preprocessing, RgbImage};
    use rekindle_data::ImageFolder;

    fn place(images: usize, bad: &[usize]) -> (tempfile::TempDir, Arc<Dataset>) {
        let place = tempfile::tempdir().unwrap();
        let path = |number: usize| place.path().join(format!("{number:02}.ppm"));
        for number in 0..images {
            let mut bytes = b"P6 4 4 255\n".to_vec();
            bytes.extend(RgbImage::from_pixel(4, 4, [number as u8; 3].into()).into_raw());
            if bad.contains(&number) {
                bytes.truncate(14);
            }
            std::fs::write(path(number), bytes).unwrap();
        }
        let folder = ImageFolder::unlabelled((0..images).map(path).collect());
        (
            place,
            Arc::new(Dataset::new(folder, DecodeLimits::default(), 0)),
        )
    }

    fn views() -> Vec<Arc<Pipeline>> {
        let view = |side: usize| {
            Arc::new(Pipeline::evaluation(&Preprocessing {
                input_size: [side; 2],
                ..Preprocessing::default()
            }))
        };
        vec![view(4), view(8)]
    }

    #[test]
    fn every_view_shows_the_same_samples() {
        let (_place, dataset) = place(7, &[]);
        let samples: Vec<usize> = (0..7).collect();
        let mut batches = Lockstep::new(&dataset, &views(), &samples, 3, false).unwrap();
        let mut seen = Vec::new();
        while let Some((batch, images)) = batches.next().unwrap() {
            assert_eq!(images[1].shape()[1..], [8, 8, 3]);
            for (at, sample) in batch.indices.iter().enumerate() {
                assert_eq!(images[0].pixels()[at * 48], *sample as u8);
                assert_eq!(images[1].pixels()[at * 192], *sample as u8);
            }
            seen.extend(batch.indices);
        }
        assert_eq!(seen, samples);
    }

    #[test]
    fn bad_images_are_left_out_of_every_view_also_whole_batches_of_them() {
        let (_place, dataset) = place(9, &[1, 3, 4, 5, 8]);
        let samples: Vec<usize> = (0..9).collect();
        let mut batches = Lockstep::new(&dataset, &views(), &samples, 3, true).unwrap();
        let (mut seen, mut bad) = (Vec::new(), Vec::new());
        while let Some((batch, images)) = batches.next().unwrap() {
            assert!(
                images
                    .iter()
                    .all(|view| view.shape()[0] == batch.indices.len())
            );
            seen.extend(batch.indices);
        }
        bad.extend(batches.take_left_out().into_iter().map(|image| image.index));
        assert_eq!(seen, [0, 2, 6, 7]);
        assert_eq!(bad, [1, 3, 4, 5, 8]);
        let mut stopping = Lockstep::new(&dataset, &views(), &samples, 3, false).unwrap();
        assert!(stopping.next().is_err());
    }

    #[test]
    fn views_that_have_lost_different_samples_share_the_rest() {
        let batch = |indices: &[usize]| Batch {
            indices: indices.to_vec(),
            images: RgbBatch::new(
                indices.iter().flat_map(|at| [*at as u8; 3]).collect(),
                indices.len(),
                1,
                1,
            )
            .unwrap(),
            targets: indices
                .iter()
                .map(|at| rekindle_data::Target::Class(*at))
                .collect(),
        };
        let (first, images) = joined(vec![batch(&[0, 1, 3]), batch(&[1, 2, 3])])
            .unwrap()
            .unwrap();
        assert_eq!(first.indices, [1, 3]);
        assert_eq!(images[0].pixels(), [1, 1, 1, 3, 3, 3]);
        assert_eq!(images[1], images[0]);
        assert!(joined(vec![batch(&[0]), batch(&[1])]).unwrap().is_none());
    }
}
