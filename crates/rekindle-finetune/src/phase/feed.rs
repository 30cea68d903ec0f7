//! What a phase trains on: features from a cache, or images through the frozen stages, anew each epoch.
//!
//! Owns: which view of a sample an epoch takes, and the way of a batch to its features. Steps, figures and checkpoints are `phase.rs`'s.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rekindle_augment::{Mix, MixAt, Pipeline};

use super::state::{Phase, VIEWS};
use crate::FinetuneError;
use rekindle_data::{Dataset, Draw, Loader, LoaderOptions};
use rekindle_model::Features;

use crate::features::FeatureCache;
use crate::observer::Observer;

/// Where a phase's inputs come from.
#[derive(Debug)]
pub enum Inputs<'a> {
    /// Features computed once.
    Cached(&'a mut FeatureCache),
    /// Images through the pipeline and the frozen stages, anew each epoch.
    Streamed(Arc<Pipeline>),
}

impl Inputs<'_> {
    /// How long the feature cache has waited for images so far; that of streamed ones is the loader's to tell.
    pub(super) fn waited(&self) -> Duration {
        match self {
            Self::Cached(cache) => cache.waited(),
            Self::Streamed(_) => Duration::ZERO,
        }
    }
}

/// One epoch's supply of features.
pub(super) enum Feed<'a> {
    Cached {
        cache: &'a mut FeatureCache,
        rest: Vec<(usize, usize)>,
        steps: usize,
    },
    Streamed(Loader),
}

impl Feed<'_> {
    pub(super) fn waited(&self) -> Duration {
        match self {
            Self::Cached { .. } => Duration::ZERO,
            Self::Streamed(loader) => loader.waited(),
        }
    }
}

impl Phase<'_> {
    /// Each sample with the view that the epoch takes of it.
    fn views(&self, epoch: usize, batch: &[Draw]) -> Vec<(usize, usize)> {
        if self.recipe.optim.whole_set().is_some() {
            let places = batch.iter().enumerate();
            let each = places.map(|(place, draw)| (draw.sample, place / self.samples.len()));
            return each.collect();
        }
        let recipe = &self.plan.recipe;
        let views = recipe.augment.views as u32;
        let view = |draw: &Draw| match self.number == 1 && epoch == 0 {
            true => (draw.sample, 0),
            false => {
                let mut rng = draw.rng(recipe.seed ^ VIEWS, self.epoch_id(epoch));
                (draw.sample, rng.below(views) as usize)
            }
        };
        batch.iter().map(view).collect()
    }

    pub(super) fn feed<'f>(
        &self,
        inputs: &'f mut Inputs,
        epoch: usize,
        batches: &[Vec<Draw>],
        skip: usize,
    ) -> Result<Feed<'f>, FinetuneError> {
        Ok(match inputs {
            Inputs::Cached(cache) => {
                let rest = batches[skip..]
                    .iter()
                    .flat_map(|batch| self.views(epoch, batch))
                    .collect();
                Feed::Cached {
                    cache,
                    rest,
                    steps: 0,
                }
            }
            Inputs::Streamed(pipeline) => {
                let dataset: Arc<Dataset> = self.plan.dataset.clone();
                let batches = batches[skip..].to_vec();
                let (seed, id) = (self.plan.recipe.seed, self.epoch_id(epoch));
                Feed::Streamed(Loader::new(
                    dataset,
                    pipeline.clone(),
                    batches,
                    seed,
                    id,
                    LoaderOptions::default(),
                )?)
            }
        })
    }

    /// The features of a batch, mixed or of mixed images; none when the user interrupted while they were computed.
    pub(super) fn features(
        &self,
        feed: &mut Feed,
        epoch: usize,
        batch: &[Draw],
        mix: Option<&Mix>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Features>, FinetuneError> {
        let at = self.plan.recipe.augment.mix.map(|spec| spec.at);
        let features = match feed {
            Feed::Cached { cache, rest, steps } => {
                *steps += 1;
                // The first step waits for its own images alone; behind it, what the epoch lacks is computed in one go, while
                // other threads decode ahead.
                if *steps == 2 || epoch > 0 || self.recipe.optim.whole_set().is_some() {
                    let of = cache.missing(self.cut, rest);
                    let mut done = 0;
                    let complete = cache.fill(self.network, self.cut, rest, &mut |images| {
                        done += images;
                        observer.features(done, of);
                        !self.interrupt.load(Ordering::Relaxed)
                    })?;
                    if !complete {
                        return Ok(None);
                    }
                }
                cache.get(self.network, self.cut, &self.views(epoch, batch))?
            }
            Feed::Streamed(loader) => {
                let Some(next) = loader.next() else {
                    unreachable!("the loader has a batch for every step");
                };
                let images = self.network.images(&next?.images);
                let images = match mix {
                    Some(mix) if at == Some(MixAt::Images) => mix.images(images),
                    _ => images,
                };
                self.network.features(images, self.cut)
            }
        };
        Ok(Some(match mix {
            Some(mix) if at == Some(MixAt::Features) => features.mixed(mix),
            _ => features,
        }))
    }
}
