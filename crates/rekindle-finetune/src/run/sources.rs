//! Which features are kept in memory, and where each phase's inputs come from then.

use std::collections::BTreeMap;
use std::sync::Arc;

use rekindle_augment::{MixAt, Pipeline};
use rekindle_backbone::Backbone;
use rekindle_head::Head;

use crate::features::{Cut, FeatureCache, Stored, bytes_per_image};
use crate::phase::Inputs;
use crate::{FinetuneError, Plan};

/// Where each phase's inputs come from: the feature caches, where they fit, or else the images.
pub(crate) struct Sources {
    train: FeatureCache,
    validation: FeatureCache,
    training_pipeline: Arc<Pipeline>,
    evaluation_pipeline: Arc<Pipeline>,
}

/// The cuts at which features are kept in memory, and whether those of the training and of the validation images are.
pub(crate) fn kept_features(
    plan: &Plan,
    backbone: &Backbone,
    head: &Head,
) -> BTreeMap<Cut, [bool; 2]> {
    let recipe = &plan.recipe;
    let images = [
        plan.split.train.len() * recipe.augment.views,
        plan.split.validation.len(),
    ];
    let mut left = recipe.data.feature_cache_mb << 20;
    let size = plan.preprocessing.input_size;
    let mut fits = |count: usize, cut: Cut| {
        let bytes = count * bytes_per_image(backbone, cut, head, size);
        let fits = bytes <= left;
        left -= if fits { bytes } else { 0 };
        fits
    };
    // The head's input first: it is small and saves most. Then those of the other phases, in their order.
    let last = plan.facts.stages.len();
    let fresh = fresh_cuts(plan);
    let each = [!fresh.contains(&last), true];
    let mut kept = BTreeMap::from([(
        last,
        [0, 1].map(|which| each[which] && fits(images[which], last)),
    )]);
    // Features of mixed images are never needed twice.
    let mixes = (recipe.augment.mix).is_some_and(|mix| mix.at == MixAt::Images);
    for cut in plan.cuts() {
        // The images themselves are no features: with nothing frozen, each epoch augments anew.
        if cut > 0 && cut < last {
            let each = [
                (!mixes && !fresh.contains(&cut), images[0]),
                (true, images[1]),
            ];
            kept.entry(cut)
                .or_insert_with(|| each.map(|(kept, count)| kept && fits(count, cut)));
        }
    }
    kept
}

impl Sources {
    pub(crate) fn new(
        plan: &Plan,
        backbone: &Backbone,
        head: &Head,
        samples: &[usize],
        sha256: &str,
    ) -> Result<Self, FinetuneError> {
        let recipe = &plan.recipe;
        let evaluation_pipeline = Arc::new(Pipeline::evaluation(&plan.preprocessing));
        let training_pipeline = Arc::new(plan.training_pipeline()?);
        let kept = kept_features(plan, backbone, head);
        let cuts = |which: usize| {
            let kept = kept.iter().filter(move |(_, fits)| fits[which]);
            kept.map(|(cut, _)| *cut).collect::<Vec<Cut>>()
        };
        let keeps_any = kept.values().flatten().any(|kept| *kept);
        let stored = match plan.dataset.disk_cache() {
            // Random weights have no file that names them, and are drawn when they are first looked at.
            Some(_) if keeps_any && !sha256.is_empty() => {
                Some(Stored::new(plan, backbone, head, sha256)?)
            }
            _ => None,
        };
        let cache = |samples: &[usize], augmented, which| {
            let cache = FeatureCache::new(
                plan.dataset.clone(),
                samples,
                evaluation_pipeline.clone(),
                augmented,
                cuts(which),
                recipe.seed,
            );
            cache.with_stored(stored.clone())
        };
        Ok(Self {
            train: cache(samples, Some(training_pipeline.clone()), 0),
            validation: cache(&plan.split.validation, None, 1),
            training_pipeline,
            evaluation_pipeline,
        })
    }

    /// Where the training and the validation features at a cut come from.
    pub(crate) fn inputs(&mut self, cut: Cut) -> (Inputs<'_>, Inputs<'_>) {
        fn from<'a>(cut: Cut, cache: &'a mut FeatureCache, pipeline: &Arc<Pipeline>) -> Inputs<'a> {
            match cache.keeps(cut) {
                true => Inputs::Cached(cache),
                false => Inputs::Streamed(pipeline.clone()),
            }
        }
        (
            from(cut, &mut self.train, &self.training_pipeline),
            from(cut, &mut self.validation, &self.evaluation_pipeline),
        )
    }

    /// Drops the features at other cuts than these.
    pub(super) fn keep_only(&mut self, cuts: &[Cut]) {
        self.train.keep_only(cuts);
        self.validation.keep_only(cuts);
    }

    /// Forgets the features behind a cut, whose stages have been trained.
    pub(super) fn forget_behind(&mut self, cut: Cut) {
        self.train.forget_behind(cut);
        self.validation.forget_behind(cut);
    }
}

/// The cuts of phases that augment their images anew in every epoch, so that nothing of them can be kept.
fn fresh_cuts(plan: &Plan) -> Vec<Cut> {
    let phases = plan.recipe.phase.iter().enumerate();
    let fresh = phases.filter(|(_, phase)| phase.epochs > 0 && phase.fresh_views);
    // A checked plan has a cut for each phase.
    fresh
        .filter_map(|(place, _)| plan.cut(place).ok())
        .collect()
}
