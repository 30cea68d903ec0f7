//! On which device a restored state is made. Owns nothing of the update, which it passes on.

use burn::optim::{DynOptimizer, DynState, LearningRate, Optimizer, StateSink, StateSource};
use burn::tensor::Device;
use burn::tensor::kind::BridgeTensor;

/// An update whose restored state is made on a device of our choice.
///
/// Burn makes it on its default device, and moves it at the next step. In a program with a GPU's backend that default is the GPU, so a
/// run on the CPU would need a working driver to be resumed.
#[derive(Debug)]
pub struct Placed<O> {
    pub update: O,
    pub device: Device,
}

impl<O: Optimizer> DynOptimizer for Placed<O> {
    fn step_dyn(
        &self,
        rank: usize,
        lr: LearningRate,
        tensor: BridgeTensor,
        grad: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        self.update.step_dyn(rank, lr, tensor, grad, state)
    }

    fn to_device_dyn(&self, state: DynState, device: &Device) -> DynState {
        self.update.to_device_dyn(state, device)
    }

    fn state_flatten(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        self.update.state_flatten(prefix, state, out);
    }

    fn state_unflatten(
        &self,
        rank: usize,
        prefix: &str,
        source: &mut StateSource,
        _default: &Device,
    ) -> Option<DynState> {
        self.update
            .state_unflatten(rank, prefix, source, &self.device)
    }
}
