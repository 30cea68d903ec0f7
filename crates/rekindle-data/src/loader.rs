//! Prepares the batches of an epoch in worker threads, ahead of their use.
//!
//! This file owns the threads and the batches' memory. Which sample comes when is `order.rs`'s, what happens to an image is the
//! pipeline's, and the upload to a device is the caller's.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rekindle_augment::{Pipeline, RgbBatch, RgbImage};

use super::{BadImage, DataError, Dataset, Draw, Target};

/// Images ready to be rescaled and uploaded, with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The samples' indices.
    pub indices: Vec<usize>,
    /// Their pixels `[batch, height, width, 3]`, all of the pipeline's size.
    pub images: RgbBatch,
    /// What is known of each.
    pub targets: Vec<Target>,
}

/// How a [`Loader`] works; no choice here changes a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Worker threads. 0 prepares each batch in the caller's thread when it is asked for.
    pub workers: usize,
    /// How many batches may be prepared ahead of the one in use, at least 1.
    pub prefetch: usize,
}

impl Default for LoaderOptions {
    /// One worker for each processor, up to 16, and two batches ahead: enough to smooth over large images, small enough for memory, which
    /// is at most those batches and a decoded picture for each worker.
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: processors.min(16),
            prefetch: 2,
        }
    }
}

/// An iterator over the batches of one epoch, prepared ahead by worker threads.
///
/// Each image is read (or taken from the cache), decoded, and run through the pipeline with the generator of its [`Draw::rng`]. Batches
/// come in the order given, and neither the number of workers nor their timing changes them. After an error the iterator ends; the error
/// is that of the first failing image in the order of the batch. Dropping the loader stops the workers.
///
/// # Panics
/// When a transform of the pipeline panics, `next` panics with the same message.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    taken: usize,
    failed: bool,
    waited: Duration,
    /// The bad images so far; none where one ends the iterator.
    left_out: Option<Vec<BadImage>>,
}

/// What became of one image: its pixels, an error, or the panic of a transform.
type Outcome = thread::Result<Result<RgbImage, DataError>>;

#[derive(Debug)]
struct Shared {
    dataset: Arc<Dataset>,
    pipeline: Arc<Pipeline>,
    batches: Vec<Vec<Draw>>,
    seed: u64,
    epoch: u64,
    prefetch: usize,
    state: Mutex<State>,
    /// A batch was taken, or the loader stops: workers may go on.
    room: Condvar,
    /// A batch is complete.
    complete: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Batch and place in it of the next image that no worker has taken yet.
    next: (usize, usize),
    /// Number of the first batch in `open`.
    first: usize,
    /// Batches under preparation.
    open: VecDeque<OpenBatch>,
    stop: bool,
}

#[derive(Debug)]
struct OpenBatch {
    outcomes: Vec<Option<Outcome>>,
    missing: usize,
}

impl Loader {
    /// Starts the workers on `batches`, lists of sample indices of `dataset`, or of [`Draw`]s. Empty lists are left out.
    ///
    /// # Errors
    /// [`DataError::StartWorker`].
    ///
    /// # Panics
    /// When a batch holds an index that is not one of `dataset`'s.
    pub fn new<D: Copy + Into<Draw>>(
        dataset: Arc<Dataset>,
        pipeline: Arc<Pipeline>,
        batches: Vec<Vec<D>>,
        seed: u64,
        epoch: u64,
        options: LoaderOptions,
    ) -> Result<Self, DataError> {
        let batches: Vec<Vec<Draw>> = batches
            .into_iter()
            .filter(|batch| !batch.is_empty())
            .map(|batch| batch.into_iter().map(Into::into).collect())
            .collect();
        let images: usize = batches.iter().map(Vec::len).sum();
        let largest = batches.iter().flatten().map(|draw| draw.sample).max();
        assert!(
            largest.is_none_or(|sample| sample < dataset.len()),
            "a batch holds an index outside the data set"
        );
        let shared = Arc::new(Shared {
            dataset,
            pipeline,
            batches,
            seed,
            epoch,
            prefetch: options.prefetch.max(1),
            state: Mutex::default(),
            room: Condvar::new(),
            complete: Condvar::new(),
        });
        let mut loader = Self {
            shared,
            workers: Vec::new(),
            taken: 0,
            failed: false,
            waited: Duration::ZERO,
            left_out: None,
        };
        for number in 0..options.workers.min(images) {
            let shared = loader.shared.clone();
            let worker = thread::Builder::new()
                .name(format!("loader-{number}"))
                .spawn(move || shared.work());
            loader
                .workers
                .push(worker.map_err(|source| DataError::StartWorker { source })?);
        }
        Ok(loader)
    }

    /// The same, but an image that cannot be read or decoded is left out of its batch in place of ending the iterator. A batch of which
    /// nothing is left does not come.
    pub fn leaving_out(mut self) -> Self {
        self.left_out = Some(Vec::new());
        self
    }

    /// The images that were left out since the last time.
    pub fn take_left_out(&mut self) -> Vec<BadImage> {
        self.left_out
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// How long `next` has taken so far, in all: the time in which training had to wait for images.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    fn take(&mut self) -> Result<Batch, DataError> {
        let number = self.taken;
        self.taken += 1;
        if self.workers.is_empty() {
            let shared = self.shared.clone();
            let draws = shared.batches[number].iter();
            let images = draws.map(|&draw| shared.prepare(draw));
            return shared.assemble(number, images, self.left_out.as_mut());
        }
        let mut state = self.shared.lock();
        while state.open.front().is_none_or(|batch| batch.missing > 0) {
            state = self
                .shared
                .complete
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let outcomes = state
            .open
            .pop_front()
            .into_iter()
            .flat_map(|batch| batch.outcomes)
            .flatten();
        state.first += 1;
        drop(state);
        self.shared.room.notify_all();
        let images = outcomes.map(|outcome| outcome.unwrap_or_else(|panic| resume_unwind(panic)));
        self.shared.assemble(number, images, self.left_out.as_mut())
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.failed || self.taken == self.shared.batches.len() {
                return None;
            }
            let start = Instant::now();
            let batch = self.take();
            self.waited += start.elapsed();
            if batch.is_err() {
                self.failed = true;
                self.shared.stop();
            }
            // Of a batch of bad images alone nothing is left.
            if !batch.as_ref().is_ok_and(|batch| batch.indices.is_empty()) {
                return Some(batch);
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = if self.failed {
            0
        } else {
            self.shared.batches.len() - self.taken
        };
        // An error ends the iterator early.
        (left.min(1), Some(left))
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.stop();
        for worker in self.workers.drain(..) {
            // A worker catches every panic of a transform, so joining it cannot fail; there is no one left to tell either way.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// The life of a worker: the next image that there is room for, until there is none or the loader stops.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            let (batch, place) = state.next;
            if state.stop || batch == self.batches.len() {
                return;
            }
            if batch >= state.first + self.prefetch {
                state = self
                    .room
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let size = self.batches[batch].len();
            if place == 0 {
                let outcomes = std::iter::repeat_with(|| None).take(size).collect();
                state.open.push_back(OpenBatch {
                    outcomes,
                    missing: size,
                });
            }
            state.next = if place + 1 < size {
                (batch, place + 1)
            } else {
                (batch + 1, 0)
            };
            drop(state);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                self.prepare(self.batches[batch][place])
            }));
            state = self.lock();
            // A batch is taken only when none of its images is missing, so this one is still open.
            let position = batch - state.first;
            let open = &mut state.open[position];
            open.outcomes[place] = Some(outcome);
            open.missing -= 1;
            if open.missing == 0 {
                self.complete.notify_one();
            }
        }
    }

    fn prepare(&self, draw: Draw) -> Result<RgbImage, DataError> {
        let mut rng = draw.rng(self.seed, self.epoch);
        self.dataset.view(draw.sample, &self.pipeline, &mut rng)
    }

    fn assemble(
        &self,
        number: usize,
        images: impl Iterator<Item = Result<RgbImage, DataError>>,
        mut left_out: Option<&mut Vec<BadImage>>,
    ) -> Result<Batch, DataError> {
        let draws = &self.batches[number];
        let samples = &self.dataset.folder().samples;
        let (width, height) = self.pipeline.size();
        let (width, height) = (width as usize, height as usize);
        let mut pixels = Vec::with_capacity(draws.len() * height * width * 3);
        let mut indices = Vec::with_capacity(draws.len());
        for (draw, image) in draws.iter().zip(images) {
            match (image, &mut left_out) {
                (Ok(image), _) => {
                    pixels.extend_from_slice(image.as_raw());
                    indices.push(draw.sample);
                }
                (Err(DataError::UnreadableImage { source: reason, .. }), Some(left_out)) => {
                    let (index, path) = (draw.sample, samples[draw.sample].path.clone());
                    left_out.push(BadImage {
                        index,
                        path,
                        reason,
                    });
                }
                (Err(error), _) => return Err(error),
            }
        }
        let targets = indices.iter().map(|&index| samples[index].target.clone());
        let targets = targets.collect();
        let images = RgbBatch::new(pixels, indices.len(), height, width)
            .map_err(|source| DataError::Batch { source })?;
        Ok(Batch {
            indices,
            images,
            targets,
        })
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
