//! Muon: settings, and Burn's update for tensors of any rank.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdamW, AdjustLrFn, LearningRate, Muon as BurnMuon, MuonConfig, Optimizer, RecordState,
    StateSink, StateSource,
};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{AdamWSpec, UpdateRule};
use rekindle_settings::{SettingError, below_one, non_negative};

/// Settings of Muon, see [`Muon`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MuonSpec {
    /// Share of the last step that the next one keeps. Default 0.95.
    pub momentum: f64,
    /// Look ahead along the momentum. Default on.
    pub nesterov: bool,
    /// Weight decay, times the learning rate. Default 0.01, as AdamW's.
    pub weight_decay: f64,
    /// Weight decay for norm weights and biases too. Default off.
    pub decay_norm_and_bias: bool,
}

impl Default for MuonSpec {
    fn default() -> Self {
        Self {
            momentum: 0.95,
            nesterov: true,
            weight_decay: 0.01,
            decay_norm_and_bias: false,
        }
    }
}

impl UpdateRule for MuonSpec {
    type Update = Muon;

    fn check(&self) -> Result<(), SettingError> {
        below_one("optim.momentum", self.momentum)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(SettingError::new(
                "optim.nesterov",
                "true with a momentum of 0",
                "a momentum above 0",
            ));
        }
        non_negative("optim.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay_norm_and_bias(&self) -> bool {
        self.decay_norm_and_bias
    }

    fn update(&self, weight_decay: f64) -> Muon {
        let momentum = MomentumConfig::new()
            .with_momentum(self.momentum)
            .with_dampening(0.0)
            .with_nesterov(self.nesterov);
        let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
        Muon {
            matrices: MuonConfig::new()
                .with_momentum(momentum)
                .with_weight_decay(decay)
                .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
                .build(),
            vectors: AdamWSpec::default().update(weight_decay),
        }
    }
}

/// SGD with momentum whose step is made orthogonal, so that all directions of a matrix move alike.
///
/// A kernel `[out, in, height, width]` is a matrix `[out, in * height * width]`. Its rate is `lr * 0.2 * sqrt(max(rows, columns))`, with which the
/// rates of AdamW serve. Norm weights and biases, which are no matrices, get [`AdamW`]'s step with its default settings. For
/// matrices equal to `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"`, to the precision of its bf16 iteration.
///
/// Source: [Jordan et al. 2024](https://kellerjordan.github.io/posts/muon/), [Liu et al. 2025](https://arxiv.org/abs/2502.16982).
#[derive(Clone)]
pub struct Muon {
    matrices: BurnMuon,
    vectors: AdamW,
}

impl std::fmt::Debug for Muon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Muon").finish_non_exhaustive()
    }
}

/// What [`Muon`] keeps between the steps of one parameter.
#[expect(
    clippy::large_enum_variant,
    reason = "one value per parameter, beside its tensors"
)]
#[derive(Clone)]
pub enum MuonState<const D: usize> {
    /// Of a parameter that is a matrix.
    Matrix(<BurnMuon as Optimizer>::State<2>),
    /// Of one that is not.
    Vector(<AdamW as Optimizer>::State<D>),
}

impl<const D: usize> std::fmt::Debug for MuonState<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MuonState").finish_non_exhaustive()
    }
}

/// Written out: Burn's derive names items of its own crate.
impl<const D: usize> RecordState for MuonState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        match self {
            Self::Matrix(state) => state.state_flatten(prefix, out),
            Self::Vector(state) => state.state_flatten(prefix, out),
        }
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        match D > 1 {
            true => RecordState::state_unflatten(prefix, source, device).map(Self::Matrix),
            false => RecordState::state_unflatten(prefix, source, device).map(Self::Vector),
        }
    }
}

impl Optimizer for Muon {
    type State<const D: usize> = MuonState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        if D == 1 {
            let state = state.and_then(|state| match state {
                MuonState::Vector(state) => Some(state),
                MuonState::Matrix(_) => None,
            });
            let (tensor, state) = self.vectors.step(lr, tensor, grad, state);
            return (tensor, state.map(MuonState::Vector));
        }
        let state = state.and_then(|state| match state {
            MuonState::Matrix(state) => Some(state),
            MuonState::Vector(_) => None,
        });
        let shape = tensor.dims();
        let rows = shape[0] as i32;
        let (matrix, grad) = (tensor.reshape([rows, -1]), grad.reshape([rows, -1]));
        let (matrix, state) = self.matrices.step::<2>(lr, matrix, grad, state);
        (matrix.reshape(shape), state.map(MuonState::Matrix))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        match state {
            MuonState::Matrix(state) => MuonState::Matrix(BurnMuon::to_device::<2>(state, device)),
            MuonState::Vector(state) => MuonState::Vector(AdamW::to_device::<D>(state, device)),
        }
    }
}
