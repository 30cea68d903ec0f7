//! A network: stages of a backbone, what the head sees of them, and the head. Owns the one forward pass; which part of it is trained is
//! `rekindle-finetune`'s.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor};
use rekindle_augment::Mix;
use rekindle_backbone::{Backbone, StateDict};
use rekindle_head::{Head, HeadConfig};

use crate::ModelError;

/// What goes from one part of a network to the next.
#[expect(clippy::large_enum_variant, reason = "one value per step")]
#[derive(Debug, Clone)]
pub enum Features {
    /// What the head classifies, `[batch, features]`: pooled, and joined by the tapped stages.
    Joined(Tensor<2>),
    /// Input of a stage, or of the head where its pooling has parameters.
    Maps {
        /// Feature maps or images, `[batch, channels, height, width]`.
        maps: Tensor<4>,
        /// The pooled outputs of tapped stages before it, joined, `[batch, values]`.
        taps: Option<Tensor<2>>,
    },
}

impl Features {
    /// The same values on an autodiff device, for training.
    pub fn train(self) -> Self {
        match self {
            Self::Joined(features) => Self::Joined(Tensor::from_inner(features)),
            Self::Maps { maps, taps } => Self::Maps {
                maps: Tensor::from_inner(maps),
                taps: taps.map(Tensor::from_inner),
            },
        }
    }

    /// The features of `length` images from one on.
    pub fn narrow(self, start: usize, length: usize) -> Self {
        match self {
            Self::Joined(features) => Self::Joined(features.narrow(0, start, length)),
            Self::Maps { maps, taps } => Self::Maps {
                maps: maps.narrow(0, start, length),
                taps: taps.map(|taps| taps.narrow(0, start, length)),
            },
        }
    }

    /// The features of several lots of images, one behind the other; all of one kind.
    ///
    /// # Panics
    ///
    /// If there are none, or one has no maps where another has some.
    pub fn cat(lots: Vec<Self>) -> Self {
        let (mut joined, mut all_maps, mut all_taps) = (Vec::new(), Vec::new(), Vec::new());
        for lot in lots {
            match lot {
                Self::Joined(features) => joined.push(features),
                Self::Maps { maps, taps } => {
                    all_maps.push(maps);
                    all_taps.extend(taps);
                }
            }
        }
        match all_maps.is_empty() {
            true => Self::Joined(Tensor::cat(joined, 0)),
            false => {
                assert!(joined.is_empty(), "features of two kinds");
                let taps = (!all_taps.is_empty()).then(|| Tensor::cat(all_taps, 0));
                let maps = Tensor::cat(all_maps, 0);
                Self::Maps { maps, taps }
            }
        }
    }

    /// The features between those of each sample and of its neighbour in the batch: manifold mixup.
    pub fn mixed(self, mix: &Mix) -> Self {
        match self {
            Self::Joined(features) => Self::Joined(mix.rows(features)),
            Self::Maps { maps, taps } => Self::Maps {
                maps: mix.rows(maps),
                taps: taps.map(|taps| mix.rows(taps)),
            },
        }
    }
}

/// Which stages a head sees, and on which scale.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Joint {
    /// Stages whose average-pooled outputs join the head's input, ascending.
    pub taps: Vec<usize>,
    /// Whether each part of the head's input is divided by its own root mean square.
    pub unit_rms: bool,
}

impl Joint {
    /// The average over height and width of each map, joined: `[batch, sum of the channels]`; none where there are no maps.
    pub(crate) fn pool_taps(&self, maps: Vec<Tensor<4>>) -> Option<Tensor<2>> {
        let pool = |maps: Tensor<4>| self.scale(maps.mean_dims(&[2, 3]).reshape([0, -1]));
        let pooled: Vec<Tensor<2>> = maps.into_iter().map(pool).collect();
        (!pooled.is_empty()).then(|| Tensor::cat(pooled, 1))
    }

    /// A head's input: the pooled features, then the tapped stages, the finest first.
    fn join(&self, pooled: Tensor<2>, taps: impl IntoIterator<Item = Tensor<2>>) -> Tensor<2> {
        let mut all = vec![self.scale(pooled)];
        all.extend(taps);
        if all.len() == 1 {
            all.remove(0)
        } else {
            Tensor::cat(all, 1)
        }
    }

    /// What a head classifies, of the output of the stages before it: pooled, and joined by the tapped stages.
    pub fn head_input(&self, head: &Head, features: Features) -> Tensor<2> {
        match features {
            Features::Joined(joined) => joined,
            Features::Maps { maps, taps } => self.join(head.pool(maps), taps),
        }
    }

    /// The same joint for the stages from `boundary` on, and that of the stages before it.
    pub fn split(&self, boundary: usize) -> [Self; 2] {
        let before = self
            .taps
            .iter()
            .copied()
            .filter(|stage| *stage < boundary)
            .collect();
        let behind = self
            .taps
            .iter()
            .filter_map(|stage| stage.checked_sub(boundary))
            .collect();
        [before, behind].map(|taps| Self {
            taps,
            unit_rms: self.unit_rms,
        })
    }

    /// Each image's vector divided by its root mean square over the channels, so that stages of different scales weigh alike and
    /// one learning rate suits every backbone.
    fn scale(&self, pooled: Tensor<2>) -> Tensor<2> {
        match self.unit_rms {
            true => {
                let rms = pooled
                    .clone()
                    .powf_scalar(2.0)
                    .mean_dim(1)
                    .sqrt()
                    .clamp_min(1e-6);
                pooled / rms
            }
            false => pooled,
        }
    }
}

/// Some stages of a backbone, and which of them the head sees: the part of a forward pass before the head. The default has no stages.
#[derive(Debug, Clone, Default)]
pub struct Trunk {
    /// None where there are no stages between the two places.
    stages: Option<Backbone>,
    joint: Joint,
}

impl Trunk {
    /// The stages `from..to` of a backbone with their part of its joint, frozen: batch norms are folded.
    pub fn frozen(backbone: &Backbone, joint: &Joint, from: usize, to: usize) -> Self {
        let stages = (from < to).then(|| backbone.part(from, to).fold_norms());
        let [_, joint] = joint.split(from);
        let [joint, _] = joint.split(to - from);
        Self { stages, joint }
    }

    /// From the input of the first stage to the output of the last.
    pub fn run(&self, features: Features) -> Features {
        run(self.stages.as_ref(), &self.joint, features)
    }
}

/// The one forward pass through stages: their maps, and the pooled outputs of those that the head sees, behind those from before.
fn run(stages: Option<&Backbone>, joint: &Joint, features: Features) -> Features {
    let (Some(stages), Features::Maps { maps, taps }) = (stages, &features) else {
        return features;
    };
    let (maps, kept) = stages.forward_keeping(maps.clone(), &joint.taps);
    let mut all: Vec<Tensor<2>> = taps.clone().into_iter().collect();
    all.extend(joint.pool_taps(kept));
    let taps = match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Tensor::cat(all, 1)),
    };
    Features::Maps { maps, taps }
}

/// A head for a backbone and the taps of some of its stages.
pub fn head_for(
    config: &HeadConfig,
    backbone: &Backbone,
    taps: &[usize],
    classes: usize,
    seed: u64,
    device: &Device,
) -> Head {
    let joined = taps
        .iter()
        .map(|stage| backbone.stages()[*stage].channels())
        .sum();
    config.init_joined(backbone.channels(), joined, classes, seed, device)
}

/// Stages and a head: a whole network, or what an optimiser sees of one, the unfrozen stages and the head.
#[derive(Module, Debug)]
pub struct Network {
    /// The stages; none while the head alone is trained.
    pub backbone: Option<Backbone>,
    /// The head.
    pub head: Head,
    /// Which of those stages the head sees.
    #[module(skip)]
    joint: Joint,
}

impl Network {
    /// Joins stages and head; `joint` counts from the first of these stages.
    pub fn new(backbone: Option<Backbone>, head: Head, joint: Joint) -> Self {
        Self {
            backbone,
            head,
            joint,
        }
    }

    /// The same with identities of parameters that depend on their places alone, so that an optimiser's state fits the same network in
    /// another process.
    pub fn with_place_ids(self) -> Self {
        self.map(&mut PlaceIds { path: Vec::new() })
    }

    /// The copy for inference: batch norms folded, no dropout.
    pub fn for_inference(&self) -> Self {
        Self {
            backbone: self.backbone.as_ref().map(Backbone::fold_norms),
            head: self.head.valid(),
            joint: self.joint.clone(),
        }
    }

    /// What the head sees of the stages.
    pub fn joint(&self) -> &Joint {
        &self.joint
    }

    /// What the head classifies, `[batch, features]`: the output of the stages, pooled, and joined by the tapped ones.
    pub fn features(&self, input: Features) -> Tensor<2> {
        let features = run(self.backbone.as_ref(), &self.joint, input);
        self.joint.head_input(&self.head, features)
    }

    /// From the input of the first stage, images for a whole network, to logits `[batch, outputs]`.
    pub fn logits(&self, input: Features) -> Tensor<2> {
        self.head.classify(self.features(input))
    }

    /// Values of the stages (under timm's keys) and of the head (under the head's own), on the host.
    pub fn state(&self) -> NetworkState {
        NetworkState {
            backbone: self
                .backbone
                .as_ref()
                .map(Backbone::state)
                .unwrap_or_default(),
            head: self.head.state().into_iter().collect(),
        }
    }

    /// Takes the values of a state of the same network.
    ///
    /// # Errors
    ///
    /// A key is missing, unused or misshapen.
    pub fn load_state(self, state: &NetworkState, origin: &str) -> Result<Self, ModelError> {
        let backbone = match self.backbone {
            // A state of a phase that trained the head alone has no stages: they are still as they were.
            Some(backbone) if !state.backbone.is_empty() => {
                Some(backbone.load_state(&state.backbone, origin)?)
            }
            backbone => backbone,
        };
        Ok(Self {
            backbone,
            head: self.head.load_state(&state.head)?,
            joint: self.joint,
        })
    }

    /// How many values an optimiser will change.
    pub fn trainable_parameters(&self) -> usize {
        struct Count(usize);
        impl ModuleVisitor for Count {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let value = param.val();
                if value.is_require_grad() {
                    self.0 += value.shape().num_elements();
                }
            }
        }
        let mut count = Count(0);
        self.visit(&mut count);
        count.0
    }
}

/// The values of a [`Network`] on the host.
#[derive(Debug, Clone, Default)]
pub struct NetworkState {
    /// The stages', by timm key.
    pub backbone: StateDict,
    /// The head's, by its own key.
    pub head: StateDict,
}

/// Replaces random identities by hashes of the module path.
struct PlaceIds {
    path: Vec<String>,
}

impl ModuleMapper for PlaceIds {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let mut hash = 0xCBF2_9CE4_8422_2325u64;
        for byte in self.path.join(".").bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
        let wanted = param.val().is_require_grad();
        let (_, value, mapper) = param.consume();
        Param::from_mapped_value(ParamId::from(hash), value, mapper).set_require_grad(wanted)
    }
}
