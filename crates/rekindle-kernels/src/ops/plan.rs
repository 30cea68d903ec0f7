//! Plans on Burn's tensors.

use burn::tensor::Tensor;

use crate::plan::InferencePlan;

/// Runs a plan on images `[batch, height, width, channels]` and gives its outputs in the same order of dimensions; none where the
/// kernels do not take over, or where gradients are recorded.
pub fn run_plan(plan: &InferencePlan, images: &Tensor<4>) -> Option<Vec<Tensor<4>>> {
    #[cfg(feature = "flex")]
    {
        use super::flex::{Dense, Route, from_plain, plain, route, to_tensor};
        if route([images]) != Some(Route::Plain) {
            return None;
        }
        let images = Dense::new(plain(images.clone()));
        let outputs = plan.run(images.slice(), images.dims());
        Some(
            outputs
                .into_iter()
                .map(|(buffer, dims)| from_plain(to_tensor(buffer, &dims)))
                .collect(),
        )
    }
    #[cfg(not(feature = "flex"))]
    {
        let _ = (plan, images);
        None
    }
}

/// A tensor that something was computed from, to find out later whether it is still the same one.
#[derive(Debug, Clone)]
pub struct Snapshot<const D: usize> {
    tensor: Tensor<D>,
}

impl<const D: usize> Snapshot<D> {
    /// Remembers a tensor; its memory stays.
    pub fn new(tensor: Tensor<D>) -> Self {
        Self { tensor }
    }

    /// Whether both are the same memory. Where that cannot be told (on other backends), no.
    pub fn same(&self, other: &Self) -> bool {
        let tensor = &other.tensor;
        #[cfg(feature = "flex")]
        {
            use super::flex::{Dense, plain, route};
            if route([&self.tensor, tensor]).is_none() {
                return false;
            }
            Dense::new(plain(self.tensor.clone())).is(&plain(tensor.clone()))
        }
        #[cfg(not(feature = "flex"))]
        {
            let _ = tensor;
            false
        }
    }

    /// The numbers.
    pub fn numbers(&self) -> Vec<f32> {
        self.tensor
            .to_data()
            .convert::<f32>()
            .try_into_vec::<f32>()
            .expect("the data was just converted")
    }
}
