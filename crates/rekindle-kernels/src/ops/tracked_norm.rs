//! A convolution and its normalisation on the Flex backend, with gradients: what is kept of one until its result is read.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex, tensor::FloatTensor};
use burn::tensor::Tensor;

use super::carry::Carries;
use super::flex::{Dense, from_tracked, register, small, to_tensor};
use crate::buffer::Buffer;
use crate::conv::conv_backward_deferred;
use crate::norm::Deferred;
use crate::profile::timed;
use crate::{
    Activation, ConvShape, Moments, NormActBackward, conv_backward_from_parts,
    conv_backward_input_adding, conv_backward_weight, normalize_act, takes_gradient_in_parts,
};

/// A normalisation by the batch's own moments, and the activation behind it.
#[derive(Debug)]
pub(super) struct Norm {
    mean: Vec<f32>,
    inv_std: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    activation: Activation,
    /// The gradients of beta and gamma, once the reader of a deferred map has computed them.
    gradients: Mutex<Option<(Vec<f32>, Vec<f32>)>>,
}

impl Norm {
    pub(super) fn new(
        moments: &Moments,
        gamma: &[f32],
        beta: &[f32],
        epsilon: f64,
        activation: Activation,
    ) -> Self {
        let inv_std: Vec<f32> = moments
            .variance
            .iter()
            .map(|v| (1.0 / (f64::from(*v) + epsilon).sqrt()) as f32)
            .collect();
        let scale: Vec<f32> = gamma.iter().zip(&inv_std).map(|(g, inv)| g * inv).collect();
        let shift = beta.iter().zip(&moments.mean).zip(&scale);
        let shift = shift
            .map(|((beta, mean), scale)| beta - mean * scale)
            .collect();
        Self {
            mean: moments.mean.clone(),
            inv_std,
            scale,
            shift,
            activation,
            gradients: Mutex::new(None),
        }
    }

    /// The normalised map of `y`, not yet computed.
    pub(super) fn of<'a>(&'a self, y: &'a Dense) -> Deferred<'a> {
        Deferred {
            y: y.slice(),
            scale: &self.scale,
            shift: &self.shift,
            mean: &self.mean,
            inv_std: &self.inv_std,
            activation: self.activation,
        }
    }

    fn gradients(&self) -> std::sync::MutexGuard<'_, Option<(Vec<f32>, Vec<f32>)>> {
        self.gradients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A convolution whose result is there, and whose normalisation is not.
pub(super) struct Unfinished {
    pub(super) x: FloatTensor<Autodiff<Flex>>,
    pub(super) weight: FloatTensor<Autodiff<Flex>>,
    pub(super) gamma: FloatTensor<Autodiff<Flex>>,
    pub(super) beta: FloatTensor<Autodiff<Flex>>,
    pub(super) residual: Option<FloatTensor<Autodiff<Flex>>>,
    /// Of `x` and `weight`.
    pub(super) numbers: [Dense; 2],
    pub(super) shape: ConvShape,
    pub(super) carries: Carries,
    /// The normalisation of `x`, if it is left to this operation.
    pub(super) before: Option<Arc<Norm>>,
    pub(super) y: Dense,
    pub(super) norm: Arc<Norm>,
}

impl Unfinished {
    pub(super) fn dims(&self) -> [usize; 4] {
        self.y.dims()
    }

    /// The map itself.
    pub(super) fn normalize(self) -> Tensor<4> {
        let (dims, norm) = (self.dims(), self.norm.clone());
        let residual = self
            .residual
            .clone()
            .map(|residual| Dense::new(residual.into_primitive()));
        let mut out = Buffer::unspecified(self.shape.output_len());
        timed(
            || name("normalize", dims),
            0.0,
            || {
                normalize_act(
                    self.y.slice(),
                    &norm.scale,
                    &norm.shift,
                    residual.as_ref().map(Dense::slice),
                    norm.activation,
                    &mut out,
                )
            },
        );
        from_tracked(self.finish(Some(Dense::new(to_tensor(out, &dims)))))
    }

    /// The convolution's result, whose reader normalises it.
    pub(super) fn defer(self) -> (FloatTensor<Autodiff<Flex>>, Arc<Norm>) {
        debug_assert!(self.residual.is_none());
        let norm = self.norm.clone();
        (self.finish(None), norm)
    }

    /// Records the operation with this output, or without its normalisation.
    fn finish(self, output: Option<Dense>) -> FloatTensor<Autodiff<Flex>> {
        let Self {
            x,
            weight,
            gamma,
            beta,
            residual,
            numbers,
            shape,
            mut carries,
            before,
            y,
            norm,
        } = self;
        let guards = [
            x.node(),
            weight.node(),
            gamma.node(),
            beta.node(),
            residual.as_ref().unwrap_or(&x).node(),
        ];
        let x_is_tracked = x.is_tracked();
        let residual = residual.map(|residual| Dense::new(residual.into_primitive()));
        let deferred = output.is_none();
        let output = output.unwrap_or_else(|| y.clone());
        let result = output.tensor();
        let prep = ConvNormActBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        match prep {
            OpsKind::Tracked(prep) => {
                let from_output = norm.activation.derivative_from_output();
                let has_residual = residual.is_some();
                // Given only to one who takes it, else it is registered as any gradient.
                carries.gives = carries.gives.filter(|carry| carry.is_promised());
                if let Some(carry) = carries.takes.as_ref().filter(|_| x_is_tracked) {
                    carry.promise();
                }
                let [x, weight] = numbers;
                let state = State {
                    shape,
                    x,
                    weight,
                    y,
                    // Without a residual the sum before the activation follows from y, which is read anyway.
                    output: (from_output
                        && has_residual
                        && norm.activation != Activation::Identity)
                        .then_some(output),
                    residual: residual.filter(|_| !from_output),
                    has_residual,
                    carries,
                    norm,
                    deferred,
                    before,
                };
                prep.finish(state, result)
            }
            OpsKind::UnTracked(prep) => prep.finish(result),
        }
    }
}

/// The parents are x, weight, gamma, beta, residual; where there is no residual, x stands in its place.
#[derive(Debug)]
struct ConvNormActBackward;

#[derive(Debug, Clone)]
struct State {
    shape: ConvShape,
    x: Dense,
    weight: Dense,
    /// The convolution's result.
    y: Dense,
    /// The whole result, where the activation's derivative follows from it.
    output: Option<Dense>,
    /// Where the derivative needs the sum before the activation.
    residual: Option<Dense>,
    has_residual: bool,
    carries: Carries,
    norm: Arc<Norm>,
    /// Whether the normalisation was left to the reader, whose gradient is then that in front of the activation.
    deferred: bool,
    /// The normalisation of `x`, if it was left to this operation.
    before: Option<Arc<Norm>>,
}

impl Backward<Flex, 5> for ConvNormActBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 5>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [x_node, weight_node, gamma_node, beta_node, residual_node] = ops.parents;
        let state = ops.state;
        let shape = state.shape;
        let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
        let dims = gradient.dims::<4>();
        let activation = match state.deferred {
            true => Activation::Identity,
            false => state.norm.activation,
        };
        let norm = NormActBackward {
            y: state.y.slice(),
            scale: &state.norm.scale,
            shift: &state.norm.shift,
            mean: &state.norm.mean,
            inv_std: &state.norm.inv_std,
            residual: state.residual.as_ref().map(Dense::slice),
            output: state.output.as_ref().map(Dense::slice),
            activation,
            gradient: gradient.slice(),
        };
        let count = shape.batch * shape.out_height() * shape.out_width();
        // Behind an activation that changes nothing, the residual's gradient is the result's own.
        let masks = state.has_residual && activation != Activation::Identity;
        let mut masked = masks.then(|| Buffer::unspecified(shape.output_len()));
        let known = state.norm.gradients().take();
        let (d_beta, d_gamma) = known.unwrap_or_else(|| {
            timed(
                || name("sums", dims),
                0.0,
                || norm.sums(masked.as_deref_mut()),
            )
        });
        let masked = masked.map(|masked| Dense::new(to_tensor(masked, &dims)));
        if let Some(node) = residual_node.filter(|_| state.has_residual) {
            let of_residual = masked.as_ref().unwrap_or(&gradient);
            match &state.carries.gives {
                Some(carry) => carry.give(of_residual.clone()),
                None => register(grads, node.id, of_residual.tensor()),
            }
        }
        if let Some(node) = gamma_node {
            register(grads, node.id, small(&d_gamma));
        }
        if let Some(node) = beta_node {
            register(grads, node.id, small(&d_beta));
        }
        let (x, weight) = (state.x, state.weight);
        let (x_dims, weight_dims) = (x.dims::<4>(), weight.dims::<4>());
        let weight_id = weight_node.as_ref().map(|node| node.id);
        let x_id = x_node.as_ref().map(|node| node.id);
        let carry = state.carries.takes.as_ref().filter(|_| x_id.is_some());
        let other = carry.and_then(|carry| carry.take());
        let other = other.as_ref().map(Dense::slice);
        let mut dw = Buffer::unspecified(shape.weight_len());
        if state.before.is_some() || (weight_id.is_some() && takes_gradient_in_parts(&shape)) {
            let of_masked = masked.as_ref().map(Dense::slice);
            let parts = norm.input_gradient_in_parts(&d_beta, &d_gamma, count, of_masked);
            let mut dx = x_id.map(|_| Buffer::unspecified(shape.input_len()));
            let of_input = dx.as_deref_mut();
            match &state.before {
                Some(before) => {
                    let x = before.of(&x);
                    let weight = weight.slice();
                    *before.gradients() =
                        conv_backward_deferred(&shape, &x, weight, &parts, &mut dw, of_input);
                }
                None => {
                    let (x, weight) = (x.slice(), weight.slice());
                    conv_backward_from_parts(&shape, x, weight, &parts, other, &mut dw, of_input);
                }
            }
            register_some(grads, weight_id, dw, &weight_dims);
            if let Some(dx) = dx {
                register_some(grads, x_id, dx, &x_dims);
            }
            return;
        }
        let mut dy = Buffer::unspecified(shape.output_len());
        timed(
            || name("gradient", dims),
            0.0,
            || {
                let masked = masked.as_ref().map(Dense::slice);
                norm.input_gradient(&d_beta, &d_gamma, count, masked, &mut dy)
            },
        );
        // Memory that the steps before this one in the network can have.
        drop((state.y, state.output, state.residual, gradient, masked));
        if weight_id.is_some() {
            conv_backward_weight(&shape, x.slice(), &dy, &mut dw);
            register_some(grads, weight_id, dw, &weight_dims);
        }
        if x_id.is_some() {
            drop(x);
            let mut dx = Buffer::unspecified(shape.input_len());
            conv_backward_input_adding(&shape, &dy, weight.slice(), other, &mut dx);
            register_some(grads, x_id, dx, &x_dims);
        }
    }
}

fn register_some(grads: &mut Gradients, node: Option<NodeId>, gradient: Buffer, dims: &[usize]) {
    if let Some(node) = node {
        register(grads, node, to_tensor(gradient, dims));
    }
}

fn name(what: &str, [_, height, width, channels]: [usize; 4]) -> String {
    format!("norm {what} {height}x{width}x{channels}")
}
