//! What a phase trains: the unfrozen stages and the head, which of their parameters stay frozen by name, and each one's learning rate and
//! weight decay.
//!
//! Owns the names and the table of parameter groups. When a phase begins with which weights is `run.rs`'s.

use std::collections::{BTreeMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId, RunningState};
use burn::tensor::Tensor;
use rekindle_backbone::{Backbone, Named, StateVisitor};
use rekindle_head::Head;
use rekindle_model::{Network, head_for};
use rekindle_settings::{SettingError, did_you_mean};
use serde::Serialize;

use crate::recipe::PhaseRecipe;
use crate::{FinetuneError, Plan};

/// What the head is called among the stages.
const HEAD: &str = "head";

/// The stages that a phase trains, and the head, ready for an optimiser.
pub(crate) fn tail_of(
    plan: &Plan,
    backbone: &Backbone,
    head: &Head,
    place: usize,
) -> Result<Network, FinetuneError> {
    let (cut, stages) = (plan.cut(place)?, backbone.stages().len());
    let phase = &plan.recipe.phase[place];
    let unfrozen = (cut < stages).then(|| {
        let whole = backbone.clone().with_drop_path(phase.drop_path);
        let part = whole.part(cut, stages).train();
        part.freeze_before(0, phase.track_statistics)
    });
    let [_, joint] = plan.joint().split(cut);
    let tail = Network::new(unfrozen, head.clone().train(), joint).with_place_ids();
    if phase.freeze.is_empty() {
        return Ok(tail);
    }
    let named = names(&tail);
    let held = named
        .into_iter()
        .filter(|(_, named)| phase.freeze.iter().any(|glob| matches(glob, &named.name)));
    Ok(tail.map(&mut Hold(held.map(|(id, _)| id).collect())))
}

/// The parameters whose learning rate differs from the head's, and by which factor.
pub(crate) fn rates_of(tail: &Network, phase: &PhaseRecipe) -> Vec<(ParamGroup, f64)> {
    let mut by_factor: BTreeMap<u64, Vec<ParamId>> = BTreeMap::new();
    for (id, named) in names(tail) {
        let factor = named.factor(phase);
        if factor != 1.0 {
            by_factor.entry(factor.to_bits()).or_default().push(id);
        }
    }
    let groups = by_factor.into_iter();
    groups
        .map(|(bits, ids)| (ParamGroup::from_ids(ids), f64::from_bits(bits)))
        .collect()
}

/// Parameters that one phase treats alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterGroup {
    /// The phase.
    pub phase: String,
    /// The stage, or `head`.
    pub part: String,
    /// Whether it is trained, and if not, why.
    pub state: ParameterState,
    /// Tensors.
    pub tensors: usize,
    /// Numbers in them.
    pub parameters: usize,
    /// The learning rate before the schedule; 0 where nothing is trained.
    pub lr: f64,
    /// Weight decay, L2; 0 where nothing is trained.
    pub weight_decay: f64,
    /// The names, in the network's order.
    pub names: Vec<String>,
}

/// What becomes of a parameter in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterState {
    /// It is trained.
    Trained,
    /// Its stage is before the first one that the phase trains.
    Frozen,
    /// Its stage is trained, but `freeze` names it.
    FrozenByName,
}

impl ParameterState {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Trained => "trained",
            Self::Frozen => "frozen",
            Self::FrozenByName => "frozen by name",
        }
    }
}

impl Plan {
    /// The parameters of every phase with epochs, in groups that are treated alike, from the first stage to the head.
    ///
    /// # Errors
    ///
    /// None for a plan as it was made; its parts may have been changed since.
    pub fn parameter_groups(&self) -> Result<Vec<ParameterGroup>, FinetuneError> {
        let backbone = self.architecture()?;
        let taps = self.joint().taps;
        let (config, seed, outputs) = (
            &self.recipe.head,
            self.recipe.seed,
            self.facts.classes.len(),
        );
        let head = head_for(config, &backbone, &taps, outputs, seed, &self.device);
        let mut groups = Vec::new();
        for (place, phase) in self.recipe.phase.iter().enumerate() {
            if phase.epochs == 0 {
                continue;
            }
            let cut = self.cut(place)?;
            let frozen = (cut > 0)
                .then(|| Network::new(Some(backbone.part(0, cut)), head.clone(), self.joint()));
            let frozen = frozen.map(|below| names(&below)).unwrap_or_default();
            let below = frozen.into_iter().filter(|(_, named)| named.part != HEAD);
            let tail = tail_of(self, &backbone, &head, place)?;
            let trained = trained_ids(&tail);
            let of_below = below.map(|(_, named)| (named, ParameterState::Frozen));
            let of_tail = names(&tail).into_iter().map(|(id, named)| {
                let state = match trained.contains(&id) {
                    true => ParameterState::Trained,
                    false => ParameterState::FrozenByName,
                };
                (named, state)
            });
            let first = groups.len();
            for (named, state) in of_below.chain(of_tail) {
                let trained = state == ParameterState::Trained;
                let decays = named.rank > 1 || phase.optim.decay_norm_and_bias();
                let lr = if trained {
                    phase.lr * named.factor(phase)
                } else {
                    0.0
                };
                let weight_decay = match trained && decays {
                    true => phase.optim.weight_decay(),
                    false => 0.0,
                };
                let same = groups[first..]
                    .iter_mut()
                    .find(|group: &&mut ParameterGroup| {
                        (&group.part, group.state, group.lr, group.weight_decay)
                            == (&named.part, state, lr, weight_decay)
                    });
                match same {
                    Some(group) => {
                        group.tensors += 1;
                        group.parameters += named.count;
                        group.names.push(named.name);
                    }
                    None => groups.push(ParameterGroup {
                        phase: phase.name.clone(),
                        part: named.part,
                        state,
                        tensors: 1,
                        parameters: named.count,
                        lr,
                        weight_decay,
                        names: vec![named.name],
                    }),
                }
            }
        }
        Ok(groups)
    }

    /// Checks that each pattern under `freeze` and `lr_of` names something that its phase would train, and that something is left.
    ///
    /// # Errors
    ///
    /// [`SettingError`] with the phase's key.
    pub(crate) fn check_patterns(&self) -> Result<(), FinetuneError> {
        let phases = &self.recipe.phase;
        if phases
            .iter()
            .all(|phase| phase.freeze.is_empty() && phase.lr_of.is_empty())
        {
            return Ok(());
        }
        let groups = self.parameter_groups()?;
        for phase in phases.iter().filter(|phase| phase.epochs > 0) {
            let own = groups
                .iter()
                .filter(|group| group.phase == phase.name && group.state != ParameterState::Frozen);
            let names: Vec<&String> = own.clone().flat_map(|group| &group.names).collect();
            let patterns = phase.freeze.iter().map(|glob| ("freeze", glob));
            for (key, glob) in patterns.chain(phase.lr_of.keys().map(|glob| ("lr_of", glob))) {
                if !names.iter().any(|name| matches(glob, name)) {
                    let near = did_you_mean(glob, names.iter().copied());
                    let expected = format!(
                        "a name of what the phase trains, with `*` for any letters{near}; `--dry-run --json` lists the {} names",
                        names.len()
                    );
                    return Err(SettingError::new(key, format!("{glob:?}"), expected)
                        .within(&phase.name)
                        .into());
                }
            }
            if !own
                .clone()
                .any(|group| group.state == ParameterState::Trained)
            {
                let expected = "patterns that leave something to train";
                let found = format!("{:?}", phase.freeze);
                return Err(SettingError::new("freeze", found, expected)
                    .within(&phase.name)
                    .into());
            }
        }
        Ok(())
    }
}

/// A row for each parameter: `phase,name,part,state,lr,weight_decay`.
pub(crate) fn groups_csv(groups: &[ParameterGroup]) -> String {
    let mut text = String::from("phase,name,part,state,lr,weight_decay\n");
    for group in groups {
        for name in &group.names {
            let (phase, part, state) = (&group.phase, &group.part, group.state.words());
            let (lr, decay) = (group.lr, group.weight_decay);
            // Names of phases, stages and parameters have no commas.
            text.push_str(&format!("{phase},{name},{part},{state},{lr:e},{decay:e}\n"));
        }
    }
    text
}

/// Whether a name is of a pattern, in which `*` stands for any letters, dots included, and `?` for one.
fn matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut at, mut of_name) = (0, 0);
    // Where the last `*` stands, and up to where it has taken the name.
    let mut star: Option<(usize, usize)> = None;
    while of_name < name.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, of_name));
                at += 1;
            }
            Some(letter) if *letter == b'?' || *letter == name[of_name] => {
                at += 1;
                of_name += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    of_name = taken + 1;
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|letter| *letter == b'*')
}

/// A parameter by name: timm's for those of stages, `head.` and the head's own for those of the head.
struct NamedParameter {
    name: String,
    part: String,
    rank: usize,
    count: usize,
    /// From the head: 0 for its own, 1 for those of the last stage.
    distance: usize,
}

impl NamedParameter {
    /// The factor on the head's learning rate: that of the stage, times that of the longest pattern under `lr_of` that names it.
    fn factor(&self, phase: &PhaseRecipe) -> f64 {
        let of_stage = match self.distance {
            0 => 1.0,
            distance => phase.lr_ratio * phase.lr_decay.powi(distance as i32 - 1),
        };
        let mut own = phase
            .lr_of
            .iter()
            .filter(|(glob, _)| matches(glob, &self.name))
            .collect::<Vec<_>>();
        own.sort_by_key(|(glob, _)| glob.len());
        of_stage * own.last().map_or(1.0, |(_, factor)| **factor)
    }
}

/// The parameters of a tail, in its order.
fn names(tail: &Network) -> Vec<(ParamId, NamedParameter)> {
    let mut all = Vec::new();
    if let Some(backbone) = &tail.backbone {
        let last = backbone.stages().len();
        for (index, stage) in backbone.stages().iter().enumerate() {
            let mut found = OfStage(Vec::new());
            stage.clone().visit_state(&mut found);
            all.extend(found.0.into_iter().map(|(id, name, rank, count)| {
                let (part, distance) = (stage.name().to_owned(), last - index);
                (
                    id,
                    NamedParameter {
                        name,
                        part,
                        rank,
                        count,
                        distance,
                    },
                )
            }));
        }
    }
    let mut found = OfHead {
        path: Vec::new(),
        found: Vec::new(),
    };
    tail.head.visit(&mut found);
    all.extend(found.found.into_iter().map(|(id, name, rank, count)| {
        let part = HEAD.to_owned();
        (
            id,
            NamedParameter {
                name,
                part,
                rank,
                count,
                distance: 0,
            },
        )
    }));
    all
}

/// Identity, name, rank and count of each parameter.
type Found = Vec<(ParamId, String, usize, usize)>;

struct OfStage(Found);

impl StateVisitor for OfStage {
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>) {
        let count = parameter.val().shape().num_elements();
        self.0.push((parameter.id, key.to_owned(), D, count));
    }

    fn buffer(&mut self, _: &str, _: &mut RunningState<Tensor<1>>) {}
}

/// The head's parameters, under the names in its files.
struct OfHead {
    path: Vec<String>,
    found: Found,
}

impl ModuleVisitor for OfHead {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let parts = self.path.iter().filter_map(|part| match part.as_str() {
            "output" => None,
            "gamma" => Some("weight"),
            "beta" => Some("bias"),
            "exponent" => Some("p"),
            part => Some(part),
        });
        let name: Vec<&str> = std::iter::once(HEAD).chain(parts).collect();
        let count = param.val().shape().num_elements();
        self.found.push((param.id, name.join("."), D, count));
    }
}

fn trained_ids(tail: &Network) -> HashSet<ParamId> {
    struct Trained(HashSet<ParamId>);
    impl ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.val().is_require_grad() {
                self.0.insert(param.id);
            }
        }
    }
    let mut trained = Trained(HashSet::new());
    tail.visit(&mut trained);
    trained.0
}

/// Freezes these parameters.
struct Hold(HashSet<ParamId>);

impl ModuleMapper for Hold {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.contains(&param.id) {
            true => param.set_require_grad(false),
            false => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters_and_a_question_mark_for_one() {
        for (glob, name) in [
            ("*", "a.b"),
            ("blocks.6.*", "blocks.6.0.conv_pw.weight"),
            ("*.bn?.*", "layer4.0.bn2.weight"),
            ("*bias", "head.bias"),
            ("a*b*c", "a1b2b3c"),
            ("head.weight", "head.weight"),
        ] {
            assert!(matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in [
            ("blocks.6", "blocks.6.0"),
            ("*.bn?.*", "layer4.0.bn.weight"),
            ("a*b*c", "a1b2"),
            ("", "a"),
        ] {
            assert!(!matches(glob, name), "{glob} {name}");
        }
    }

    #[test]
    fn the_longest_pattern_counts_times_the_stages_factor() {
        let mut phase = PhaseRecipe::of_stages();
        (phase.lr_ratio, phase.lr_decay) = (0.5, 0.1);
        phase.lr_of = [("*".to_owned(), 3.0), ("blocks.*".to_owned(), 2.0)].into();
        let named = |name: &str, distance| NamedParameter {
            name: name.into(),
            part: String::new(),
            rank: 1,
            count: 1,
            distance,
        };
        assert_eq!(named("head.bias", 0).factor(&phase), 3.0);
        assert!((named("blocks.3.weight", 2).factor(&phase) - 0.1).abs() < 1e-12);
    }
}
