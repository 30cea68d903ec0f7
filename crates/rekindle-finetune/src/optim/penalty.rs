//! L1 regularisation. Owns the term that it adds to gradients; weight decay belongs to the optimisers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Adds `strength * sign(w)`, the gradient of `strength * sum |w|`, to the gradients of weights.
///
/// Parameters of rank 1, the norm weights and biases, take no part, and neither do parameters without a gradient, so
/// frozen weights stay. A `strength` of 0 changes nothing. Call it before clipping.
pub fn add_l1<M: Module>(grads: GradientsParams, module: &M, strength: f64) -> GradientsParams {
    if strength == 0.0 {
        return grads;
    }
    let mut visitor = AddSign { grads, strength };
    module.visit(&mut visitor);
    visitor.grads
}

struct AddSign {
    grads: GradientsParams,
    strength: f64,
}

impl ModuleVisitor for AddSign {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D <= 1 {
            return;
        }
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            let sign = param.val().without_autodiff().sign();
            self.grads
                .register(param.id, grad.add(sign.mul_scalar(self.strength)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, TensorData, Tolerance};

    #[test]
    fn weights_get_their_sign_and_biases_nothing() {
        let device = Device::flex().autodiff();
        let linear = LinearConfig::new(2, 2).init(&device);
        let weight = Tensor::<2>::from_floats([[2.0, -3.0], [0.0, 0.5]], &device);
        let linear = Linear {
            weight: Param::from_tensor(weight),
            ..linear
        };
        let loss = linear
            .forward(Tensor::<2>::from_floats([[1.0, 2.0]], &device))
            .sum();
        let grads = GradientsParams::from_grads(loss.backward(), &linear);
        let grads = add_l1(grads, &linear, 0.25);
        let found = grads.get::<2>(linear.weight.id).unwrap().into_data();
        let expected = TensorData::from([[1.25f32, 0.75], [2.0, 2.25]]);
        found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
        let bias = grads
            .get::<1>(linear.bias.as_ref().unwrap().id)
            .unwrap()
            .into_data();
        bias.assert_approx_eq::<f32>(&[1.0f32, 1.0].into(), Tolerance::absolute(1e-6));
    }

    #[test]
    fn parameters_without_a_gradient_get_none() {
        let device = Device::flex().autodiff();
        let linear = LinearConfig::new(2, 2).init(&device);
        assert!(add_l1(GradientsParams::new(), &linear, 0.25).is_empty());
    }
}
