//! Phases whose steps see every training image (L-BFGS): what else a recipe may say then, and what the plan says in its place.

use rekindle_augment::MixAt;
use rekindle_backbone::Architecture;
use rekindle_data::Sampling;
use rekindle_model::head_for;
use rekindle_settings::{SettingError, Within};

use crate::clip::ClipSpec;
use crate::recipe::PhaseRecipe;
use crate::schedule::ScheduleSpec;
use crate::{FinetuneError, Plan, Recipe};

fn phases(recipe: &Recipe) -> impl Iterator<Item = (usize, &PhaseRecipe)> {
    let phases = recipe.phase.iter().enumerate();
    phases.filter(|(_, phase)| phase.epochs > 0 && phase.optim.whole_set().is_some())
}

/// Checks that the loss of such a phase is the same function in every step, and that nothing stands between it and the weights.
///
/// # Errors
///
/// [`SettingError`] names the first setting by which it is not.
pub(super) fn check(recipe: &Recipe) -> Result<(), SettingError> {
    for (_, phase) in phases(recipe) {
        of_phase(phase).within(&phase.name)?;
        let name = &phase.name;
        let refused = |key: &str, found: String, expected: &str| {
            let expected = format!("{expected} (`{name}.optim.name` is \"lbfgs\")");
            Err(SettingError::new(key, found, expected))
        };
        let dropout = recipe.head.dropout_probability();
        if dropout > 0.0 {
            let expected = "0, since what is dropped is drawn anew and L-BFGS has to compare losses of the same function";
            return refused("head.dropout", dropout.to_string(), expected);
        }
        let norm = [
            (recipe.head.input_norm, "head.input_norm"),
            (
                recipe.head.batch_norm && !recipe.head.hidden.is_empty(),
                "head.batch_norm",
            ),
        ];
        if let Some((_, key)) = norm.into_iter().find(|(there, _)| *there) {
            let expected = "false, since the running statistics would follow the places that a search only tries";
            return refused(key, "true".into(), expected);
        }
        if recipe.data.sampling == Sampling::Balanced {
            let expected = "\"shuffle\", since a step sees every image and not those that an epoch draws; `loss.class_weights` weigh classes";
            return refused("data.sampling", "\"balanced\"".into(), expected);
        }
        if let Some(mix) = &recipe.augment.mix
            && mix.at == MixAt::Features
        {
            let expected = "\"images\", or no mixing: mixed features are others in every step, and L-BFGS has to compare losses of the same \
                            function";
            return refused("augment.mix.at", "\"features\"".into(), expected);
        }
    }
    Ok(())
}

fn of_phase(phase: &PhaseRecipe) -> Result<(), SettingError> {
    let refused = |key: &str, found: String, expected: &str| {
        let expected = format!("{expected} (`optim.name` is \"lbfgs\")");
        Err(SettingError::new(key, found, expected))
    };
    if !phase.unfreeze.is_head() {
        let expected = "\"head\": each step would take all images through the trained stages several times, and remember twenty times \
                        their weights";
        return refused("unfreeze", "stages".into(), expected);
    }
    if phase.fresh_views {
        let expected = "false, since images that are augmented anew are another loss in every epoch, and what L-BFGS remembers is of one \
                        that stays";
        return refused("fresh_views", "true".into(), expected);
    }
    if phase.clip != ClipSpec::None {
        let expected = "\"none\", since a clipped gradient is not that of the loss";
        return refused("clip.name", "another".into(), expected);
    }
    let of_steps = "0, since L-BFGS goes to a minimum of the loss itself";
    for (key, found) in [("sam", phase.sam), ("lookahead", phase.lookahead as f64)] {
        if found > 0.0 {
            return refused(key, found.to_string(), of_steps);
        }
    }
    if phase.l1 > 0.0 {
        let expected = "0, since its slope jumps where a weight is 0; `optim.weight_decay` is L2";
        return refused("l1", phase.l1.to_string(), expected);
    }
    if let Some((glob, factor)) = phase.lr_of.iter().next() {
        let expected =
            "no such factor, since L-BFGS chooses the length of a step for all weights together";
        return refused(&format!("lr_of.\"{glob}\""), factor.to_string(), expected);
    }
    Ok(())
}

/// Writes down what such a phase does whatever its recipe says: all images at once, each in all its views, and a search that begins at 1.
/// `all` counts those.
pub(super) fn settle(phases: &mut [PhaseRecipe], all: usize) {
    for phase in phases {
        if phase.epochs > 0 && phase.optim.whole_set().is_some() {
            phase.batch_size = all;
            phase.lr = 1.0;
            phase.schedule = ScheduleSpec::Constant { warmup_epochs: 0.0 };
        }
    }
}

impl Plan {
    /// Checks that the features of such a phase are kept.
    ///
    /// # Errors
    ///
    /// [`SettingError`] where `data.feature_cache_mb` is too small.
    pub(super) fn check_whole_sets(&self) -> Result<(), FinetuneError> {
        let recipe = &self.recipe;
        let Some((place, phase)) = phases(recipe).next() else {
            return Ok(());
        };
        let backbone = Architecture::from_name(&self.card.architecture)?.init(&self.device);
        let (outputs, taps) = (self.facts.classes.len(), self.joint().taps);
        let (config, seed) = (&recipe.head, recipe.seed);
        let head = head_for(config, &backbone, &taps, outputs, seed, &self.device);
        let kept = crate::run::kept_features(self, &backbone, &head);
        if kept.get(&self.cut(place)?).is_some_and(|[train, _]| *train) {
            return Ok(());
        }
        let expected = format!(
            "room for the features of {} views of images: `{}.optim.name` is \"lbfgs\", which asks for all of them several times in each step",
            phase.batch_size, phase.name
        );
        let found = recipe.data.feature_cache_mb;
        Err(SettingError::new("data.feature_cache_mb", found, expected).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_the_loss_another_one_is_refused_with_its_key() {
        let of = |more: &[&str]| {
            let all = ["phase1.optim.name=lbfgs"].iter().chain(more);
            let all: Vec<String> = all.map(|text| (*text).to_owned()).collect();
            check(&Recipe::load(None, &all).unwrap())
        };
        assert_eq!(of(&[]), Ok(()));
        assert_eq!(
            of(&["augment.mix.mixup_alpha=0.2", "phase1.freeze=['head.bias']"]),
            Ok(())
        );
        assert_eq!(of(&["phase1.epochs=0", "head.dropout=0.5"]), Ok(()));
        for (more, key) in [
            ("phase1.unfreeze=1", "phase1.unfreeze"),
            ("phase1.fresh_views=true", "phase1.fresh_views"),
            (
                "phase1.clip={name='global_norm',limit=1}",
                "phase1.clip.name",
            ),
            ("phase1.sam=0.05", "phase1.sam"),
            ("phase1.lookahead=6", "phase1.lookahead"),
            ("phase1.l1=1e-3", "phase1.l1"),
            ("phase1.lr_of={'*.bias'=2.0}", "phase1.lr_of.\"*.bias\""),
            ("head.dropout=0.5", "head.dropout"),
            ("head.input_norm=true", "head.input_norm"),
            ("head={hidden=[8],dropout=0.0}", "head.batch_norm"),
            ("data.sampling=balanced", "data.sampling"),
            (
                "augment.mix={mixup_alpha=0.2,at='features'}",
                "augment.mix.at",
            ),
        ] {
            let error = of(&[more]).unwrap_err();
            assert_eq!(error.key(), key, "{error}");
            assert!(error.to_string().contains("lbfgs"), "{error}");
        }
    }

    #[test]
    fn all_images_in_all_views_are_one_batch() {
        let settings = [
            "phase1.optim.name=lbfgs",
            "augment.views=3",
            "phase1.lr=0.1",
        ];
        let mut recipe = Recipe::load(None, &settings.map(str::to_owned)).unwrap();
        settle(&mut recipe.phase, 210);
        let [first, second] = recipe.phase.as_slice() else {
            panic!("{:?}", recipe.phase);
        };
        assert_eq!((first.batch_size, first.lr), (210, 1.0));
        assert_eq!(second, &PhaseRecipe::of_stages());
        let before = recipe.clone();
        settle(&mut recipe.phase, 210);
        assert_eq!(recipe, before);
    }
}
