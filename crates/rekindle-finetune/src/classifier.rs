//! The part of a network that a phase trains: unfrozen stages, if any, and the head.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::{Device, Tensor};
use rekindle_augment::Mix;
use rekindle_backbone::{Backbone, Named, StateDict, StateVisitor};
use rekindle_head::{Head, HeadConfig};

use crate::FinetuneError;

/// The input of a [`Tail`].
#[expect(clippy::large_enum_variant, reason = "one value per step")]
#[derive(Debug, Clone)]
pub enum Features {
    /// What the head classifies, `[batch, features]`: pooled, and joined by the tapped stages.
    Joined(Tensor<2>),
    /// Input of the first unfrozen stage, or of the head.
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
    pub fn pool_taps(&self, maps: Vec<Tensor<4>>) -> Option<Tensor<2>> {
        let pool = |maps: Tensor<4>| self.scale(maps.mean_dims(&[2, 3]).reshape([0, -1]));
        let pooled: Vec<Tensor<2>> = maps.into_iter().map(pool).collect();
        (!pooled.is_empty()).then(|| Tensor::cat(pooled, 1))
    }

    /// A head's input: the pooled features, then the tapped stages, the finest first.
    pub fn join(&self, pooled: Tensor<2>, taps: impl IntoIterator<Item = Tensor<2>>) -> Tensor<2> {
        let mut all = vec![self.scale(pooled)];
        all.extend(taps);
        if all.len() == 1 {
            all.remove(0)
        } else {
            Tensor::cat(all, 1)
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

/// Unfrozen stages and head: what an optimiser sees.
#[derive(Module, Debug)]
pub struct Tail {
    /// The stages behind the frozen part; none while the head alone is trained.
    pub backbone: Option<Backbone>,
    /// The head.
    pub head: Head,
    /// Which of those stages the head sees.
    #[module(skip)]
    joint: Joint,
}

impl Tail {
    /// Joins stages and head, both on an autodiff device, and gives each parameter an identity that depends on its place alone,
    /// so that an optimiser's state fits the same tail in another process. `joint` counts from the first of these stages.
    pub fn new(backbone: Option<Backbone>, head: Head, joint: Joint) -> Self {
        let tail = Self {
            backbone,
            head,
            joint,
        };
        tail.map(&mut PlaceIds { path: Vec::new() })
    }

    /// From the frozen part's output to logits `[batch, classes]`.
    pub fn forward(&self, features: Features) -> Tensor<2> {
        let (maps, early) = match features {
            Features::Joined(features) => return self.head.classify(features),
            Features::Maps { maps, taps } => (maps, taps),
        };
        let (maps, kept) = match &self.backbone {
            Some(stages) => stages.forward_keeping(maps, &self.joint.taps),
            None => (maps, Vec::new()),
        };
        let taps = early.into_iter().chain(self.joint.pool_taps(kept));
        self.head
            .classify(self.joint.join(self.head.pool(maps), taps))
    }

    /// Values of the stages (under timm's keys) and of the head (under the head's own), on the host.
    pub fn state(&self) -> TailState {
        TailState {
            backbone: self
                .backbone
                .as_ref()
                .map(Backbone::state)
                .unwrap_or_default(),
            head: self.head.state().into_iter().collect(),
        }
    }

    /// Takes the values of a state of the same tail.
    ///
    /// # Errors
    ///
    /// A key is missing, unused or misshapen.
    pub fn load_state(self, state: &TailState, origin: &str) -> Result<Self, FinetuneError> {
        let backbone = match self.backbone {
            // A state of phase 1 has no stages: they are still the pretrained ones.
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

    /// The parameters of each stage with its distance from the head (1 for the last stage), for discriminative learning rates.
    /// The head's own have distance 0 and are not listed.
    pub fn groups(&self) -> Vec<(ParamGroup, usize)> {
        let Some(backbone) = &self.backbone else {
            return Vec::new();
        };
        let last = backbone.stages().len();
        let each = |(index, stage): (usize, &rekindle_backbone::Stage)| {
            let mut ids = Ids(Vec::new());
            stage.clone().visit_state(&mut ids);
            (ParamGroup::from_ids(ids.0), last - index)
        };
        backbone.stages().iter().enumerate().map(each).collect()
    }
}

/// The values of a [`Tail`] on the host.
#[derive(Debug, Clone, Default)]
pub struct TailState {
    /// The stages', by timm key.
    pub backbone: StateDict,
    /// The head's, by its own key.
    pub head: StateDict,
}

struct Ids(Vec<ParamId>);

impl StateVisitor for Ids {
    fn parameter<const D: usize>(&mut self, _: &str, parameter: &mut Param<Tensor<D>>) {
        self.0.push(parameter.id);
    }

    fn buffer(&mut self, _: &str, _: &mut burn::module::RunningState<Tensor<1>>) {}
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
