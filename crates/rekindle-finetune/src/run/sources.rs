//! Which features are kept in memory, and where each phase's inputs come from then.

use std::collections::HashMap;
use std::sync::Arc;

use rekindle_augment::{MixAt, Pipeline};
use rekindle_backbone::Backbone;
use rekindle_head::Head;

use crate::features::{FeatureCache, Tap, bytes_per_image};
use crate::phase::Inputs;
use crate::{FinetuneError, Plan};

/// Where each phase's inputs come from: the feature caches, where they fit, or else the images.
pub(super) struct Sources {
    train: FeatureCache,
    validation: FeatureCache,
    /// Whether the features of the training and of the validation images are kept, for each tap.
    cached: HashMap<Tap, [bool; 2]>,
    training_pipeline: Arc<Pipeline>,
    evaluation_pipeline: Arc<Pipeline>,
}

impl Sources {
    pub(super) fn new(
        plan: &Plan,
        backbone: &Backbone,
        head: &Head,
        samples: &[usize],
    ) -> Result<Self, FinetuneError> {
        let recipe = &plan.recipe;
        let evaluation_pipeline = Arc::new(Pipeline::evaluation(&plan.preprocessing));
        let training_pipeline = Arc::new(plan.training_pipeline()?);
        let boundary = plan.facts.first_unfrozen_stage;
        let budget = recipe.data.feature_cache_mb << 20;
        let [boundary_bytes, head_bytes] =
            bytes_per_image(backbone, boundary, head, plan.preprocessing.input_size);
        let images = [
            samples.len() * recipe.augment.views,
            plan.split.validation.len(),
        ];
        // The images themselves are no features: with nothing frozen, each epoch augments anew.
        let phase2 = recipe.phase2.epochs > 0 && boundary > 0;
        let mut left = budget;
        let mut fits = |bytes: usize| {
            let fits = bytes <= left;
            left -= if fits { bytes } else { 0 };
            fits
        };
        let head_fits = images.map(|count| fits(count * head_bytes));
        // Features of mixed images are never needed twice.
        let mixes = (recipe.augment.mix).is_some_and(|mix| mix.at == MixAt::Images);
        let boundary_fits = [(!mixes, images[0]), (true, images[1])]
            .map(|(kept, count)| kept && phase2 && fits(count * boundary_bytes));
        let cache = |samples: &[usize], augmented, keep| {
            FeatureCache::new(
                plan.dataset.clone(),
                samples,
                evaluation_pipeline.clone(),
                augmented,
                keep,
                recipe.seed,
            )
        };
        Ok(Self {
            train: cache(samples, Some(training_pipeline.clone()), boundary_fits[0]),
            validation: cache(&plan.split.validation, None, boundary_fits[1]),
            cached: HashMap::from([(Tap::Head, head_fits), (Tap::Boundary, boundary_fits)]),
            training_pipeline,
            evaluation_pipeline,
        })
    }

    pub(super) fn inputs(&mut self, tap: Tap) -> (Inputs<'_>, Inputs<'_>) {
        let [train, validation] = self.cached[&tap];
        let from = |cached: bool, cache, pipeline: &Arc<Pipeline>| match cached {
            true => Inputs::Cached(cache),
            false => Inputs::Streamed(pipeline.clone()),
        };
        (
            from(train, &mut self.train, &self.training_pipeline),
            from(validation, &mut self.validation, &self.evaluation_pipeline),
        )
    }

    pub(super) fn drop_head_features(&mut self) {
        self.train.drop_head_features();
        self.validation.drop_head_features();
    }
}
