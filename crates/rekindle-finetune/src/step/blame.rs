//! What made a loss that is not finite: a picture, the weights, or the rate that drove them. Looked for only where there is one.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use rekindle_model::{Features, Network};

/// What is to blame for a loss that is not finite.
#[derive(Debug, Clone, PartialEq)]
pub enum Blame {
    /// These images of the batch, by their places in it: what the network was given of them is not finite.
    Images(Vec<usize>),
    /// These parameters hold numbers that are not finite, by their path in the network: the step before made them so.
    Weights(Vec<String>),
    /// Neither: outputs have grown beyond what numbers hold, with the largest weight of this magnitude.
    Outputs {
        /// The magnitude of the largest weight.
        largest_weight: f64,
    },
}

impl Blame {
    /// Looks at what a step was made of.
    pub(super) fn of(tail: &Network, features: &Features) -> Self {
        let images = images_not_finite(features);
        if !images.is_empty() {
            return Self::Images(images);
        }
        let mut look = Look::default();
        tail.visit(&mut look);
        match look.not_finite.is_empty() {
            true => Self::Outputs {
                largest_weight: look.largest,
            },
            false => Self::Weights(look.not_finite),
        }
    }
}

fn images_not_finite(features: &Features) -> Vec<usize> {
    fn rows<const D: usize>(tensor: &Tensor<D>) -> Vec<bool> {
        let values: Vec<f32> = tensor.to_data().iter::<f32>().collect();
        let images = tensor.dims()[0].max(1);
        let rows = values.chunks((values.len() / images).max(1));
        let finite = |row: &[f32]| row.iter().all(|value| value.is_finite());
        rows.map(finite).collect()
    }
    let all = match features {
        Features::Joined(joined) => vec![rows(joined)],
        Features::Maps { maps, taps } => {
            let taps = taps.as_ref().map(rows);
            [rows(maps)].into_iter().chain(taps).collect()
        }
    };
    let images = all.iter().map(Vec::len).max().unwrap_or(0);
    let bad = |place: &usize| all.iter().any(|rows| rows.get(*place) == Some(&false));
    (0..images).filter(bad).collect()
}

/// The parameters that are not finite, and the largest of the others.
#[derive(Default)]
struct Look {
    path: Vec<String>,
    not_finite: Vec<String>,
    largest: f64,
}

impl ModuleVisitor for Look {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().into_data();
        let most = values
            .iter::<f32>()
            .fold(0.0f32, |most, value| most.max(value.abs()));
        match values.iter::<f32>().all(|value| value.is_finite()) {
            true => self.largest = self.largest.max(f64::from(most)),
            false => self.not_finite.push(self.path.join(".")),
        }
    }
}
