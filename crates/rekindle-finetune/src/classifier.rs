//! The part of a network that a phase trains: unfrozen stages, if any, and the head.

use burn::module::{Module, ModuleMapper, Param, ParamGroup, ParamId};
use burn::tensor::{Device, Tensor};
use rekindle_backbone::{Backbone, Named, StateDict, StateVisitor};
use rekindle_head::Head;

use crate::FinetuneError;

/// The input of a [`Tail`].
#[derive(Debug, Clone)]
pub enum Features {
    /// Pooled features, `[batch, features]`.
    Pooled(Tensor<2>),
    /// Feature maps or images, `[batch, channels, height, width]`.
    Maps(Tensor<4>),
}

impl Features {
    /// The same values on an autodiff device, for training.
    pub fn train(self) -> Self {
        match self {
            Self::Pooled(tensor) => Self::Pooled(Tensor::from_inner(tensor)),
            Self::Maps(tensor) => Self::Maps(Tensor::from_inner(tensor)),
        }
    }
}

/// Unfrozen stages and head: what an optimiser sees.
#[derive(Module, Debug)]
pub struct Tail {
    /// The stages behind the frozen part; none while the head alone is trained.
    pub backbone: Option<Backbone>,
    /// The head.
    pub head: Head,
}

impl Tail {
    /// Joins stages and head, both on an autodiff device, and gives each parameter an identity that depends on its place alone,
    /// so that an optimiser's state fits the same tail in another process.
    pub fn new(backbone: Option<Backbone>, head: Head) -> Self {
        let tail = Self { backbone, head };
        tail.map(&mut PlaceIds { path: Vec::new() })
    }

    /// From the frozen part's output to logits `[batch, classes]`.
    pub fn forward(&self, features: Features) -> Tensor<2> {
        match features {
            Features::Pooled(pooled) => self.head.classify(pooled),
            Features::Maps(maps) => match &self.backbone {
                Some(stages) => self.head.forward(stages.forward(maps)),
                None => self.head.forward(maps),
            },
        }
    }

    /// Values of the stages (under timm's keys) and of the head (under the head's own), on the host.
    pub fn state(&self) -> TailState {
        TailState {
            backbone: self.backbone.as_ref().map(Backbone::state).unwrap_or_default(),
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
            Some(backbone) => Some(backbone.load_state(&state.backbone, origin)?),
            None => None,
        };
        Ok(Self { backbone, head: self.head.load_state(&state.head)? })
    }

    /// The parameters of each stage with its distance from the head (1 for the last stage), for discriminative learning rates.
    /// The head's own have distance 0 and are not listed.
    pub fn groups(&self) -> Vec<(ParamGroup, usize)> {
        let Some(backbone) = &self.backbone else { return Vec::new() };
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

/// The device on which a tail trains.
pub fn training_device(device: &Device) -> Device {
    device.clone().autodiff()
}
