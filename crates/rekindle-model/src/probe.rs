//! A network cut behind one of its stages: what comes out there, and how outputs depend on it. Owns gradients with respect to images and
//! feature maps; those with respect to weights are training's, `rekindle-finetune`.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use crate::network::{Features, Joint, Network, Trunk};

/// A network in evaluation, cut in two: the stages before the cut run as in prediction, what is behind it is recorded for gradients.
///
/// Batch norms are folded where they follow a convolution and use their running statistics elsewhere, and nothing is dropped, so each
/// image of a batch is computed by itself.
#[derive(Debug)]
pub struct Probe {
    before: Trunk,
    after: Network,
    /// Whether the head also sees the maps at the cut.
    tapped: bool,
    joint: Joint,
}

/// What a network makes of images, and how one output of each depends on what was at the cut.
#[derive(Debug)]
pub struct Slope {
    /// Outputs row by row, `[batch, outputs]`.
    pub outputs: Vec<f32>,
    /// The derivative of the chosen output of each image, of the same shape as the maps at the cut.
    pub gradient: Tensor<4>,
}

impl Probe {
    /// Cuts a network behind this number of stages; 0 is at the images.
    ///
    /// # Panics
    ///
    /// When it has fewer stages.
    pub fn new(network: &Network, cut: usize) -> Self {
        let network = network.for_inference();
        let joint = network.joint().clone();
        let is_cut = |stage: usize| stage + 1 == cut;
        // What is seen at the cut itself is pooled behind it, so that the output's whole dependence on it is recorded.
        let others = Joint {
            taps: joint
                .taps
                .iter()
                .copied()
                .filter(|stage| !is_cut(*stage))
                .collect(),
            unit_rms: joint.unit_rms,
        };
        let stages = network
            .backbone
            .as_ref()
            .map_or(0, |stages| stages.stages().len());
        assert!(cut <= stages, "a cut behind {cut} of {stages} stages");
        let (before, behind) = match &network.backbone {
            Some(backbone) => (
                Trunk::frozen(backbone, &others, 0, cut),
                (cut < stages).then(|| backbone.part(cut, stages)),
            ),
            None => (Trunk::default(), None),
        };
        let [_, rest] = joint.split(cut);
        Self {
            before,
            after: Network::new(behind, network.head, rest).map(&mut Recorded),
            tapped: joint.taps.iter().copied().any(is_cut),
            joint,
        }
    }

    /// What is at the cut for these images, `[batch, 3, height, width]`, on a plain device: maps, and the pooled outputs of the tapped
    /// stages before them.
    pub fn at(&self, images: Tensor<4>) -> Features {
        self.before.run(Features::Maps {
            maps: images,
            taps: None,
        })
    }

    /// The outputs, and the derivative of one output of each image. `choose` gets the outputs, `[batch, outputs]` row by row, and says
    /// which.
    ///
    /// # Panics
    ///
    /// When `choose` names an output that there is not, or not one for each image; for features that are joined already, which
    /// [`at`](Self::at) never gives.
    pub fn differentiate(&self, at: Features, choose: impl FnOnce(&[f32]) -> Vec<usize>) -> Slope {
        self.along(at, |outputs, dims| one_hot(&choose(outputs), dims))
    }

    /// As [`differentiate`](Self::differentiate), of a sum of the outputs of each image; `factors` gets the outputs, and says the factor of
    /// each, `[batch, outputs]` row by row.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn differentiate_sum(
        &self,
        at: Features,
        factors: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> Slope {
        self.along(at, |outputs, dims| TensorData::new(factors(outputs), dims))
    }

    fn along(&self, at: Features, factors: impl FnOnce(&[f32], [usize; 2]) -> TensorData) -> Slope {
        let Features::Maps { maps, taps } = at else {
            panic!("joined features have no maps to differentiate by");
        };
        let maps = maps.autodiff().require_grad();
        let mut seen: Vec<Tensor<2>> = taps.map(Tensor::autodiff).into_iter().collect();
        if self.tapped {
            seen.extend(self.joint.pool_taps(vec![maps.clone()]));
        }
        let taps = match seen.len() {
            0 | 1 => seen.pop(),
            _ => Some(Tensor::cat(seen, 1)),
        };
        let logits = self.after.logits(Features::Maps {
            maps: maps.clone(),
            taps,
        });
        let plain = logits.clone().without_autodiff();
        let outputs: Vec<f32> = plain.clone().into_data().iter::<f32>().collect();
        let factors = factors(&outputs, plain.dims());
        let chosen = Tensor::<2>::from_data(factors, &plain.device());
        let mut gradients = (logits * chosen.autodiff()).sum().backward();
        let gradient = maps.grad_remove(&mut gradients);
        Slope {
            outputs,
            gradient: gradient.unwrap_or_else(|| maps.without_autodiff().zeros_like()),
        }
    }
}

/// Rows with a 1 at one place each.
fn one_hot(places: &[usize], [rows, width]: [usize; 2]) -> TensorData {
    assert_eq!(places.len(), rows, "one output for each image");
    let mut values = vec![0.0f32; rows * width];
    for (row, &place) in places.iter().enumerate() {
        assert!(place < width, "output {place} of {width}");
        values[row * width + place] = 1.0;
    }
    TensorData::new(values, [rows, width])
}

/// Puts weights among what is recorded, as constants: no gradients of their own, and no training flags.
struct Recorded;

impl ModuleMapper for Recorded {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, mapper) = param.consume();
        let constant = value.without_autodiff().autodiff();
        Param::from_mapped_value(id, constant, mapper).set_require_grad(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use burn::tensor::{Device, Distribution, Tolerance};
    use rekindle_backbone::Architecture;
    use rekindle_head::{HeadConfig, Pooling};

    use super::*;
    use crate::head_for;

    /// The generator of random numbers is one for all threads of the process.
    static DRAWS: Mutex<()> = Mutex::new(());

    fn network(architecture: &str, taps: Vec<usize>, config: &HeadConfig) -> Network {
        let _alone = DRAWS.lock().unwrap_or_else(PoisonError::into_inner);
        let device = Device::flex();
        device.seed(7);
        let backbone = Architecture::from_name(architecture).unwrap().init(&device);
        let head = head_for(config, &backbone, &taps, 3, 7, &device);
        let joint = Joint {
            taps,
            unit_rms: true,
        };
        let network = Network::new(Some(backbone), head.valid(), joint);
        // Parameters are drawn when they are first looked at.
        network.state();
        network
    }

    fn images() -> Tensor<4> {
        let _alone = DRAWS.lock().unwrap_or_else(PoisonError::into_inner);
        let device = Device::flex();
        device.seed(3);
        Tensor::random([2, 3, 64, 64], Distribution::Normal(0.0, 1.0), &device)
    }

    /// Wherever it is cut, the same outputs come out, and they are the network's own.
    #[test]
    fn a_cut_changes_no_output_also_at_a_stage_that_the_head_sees() {
        let config = HeadConfig {
            pool: Pooling::Gem,
            input_norm: true,
            hidden: vec![8],
            dropout: Some(0.5),
            ..HeadConfig::default()
        };
        let network = network("resnet18", vec![1, 3], &config);
        let expected = network.for_inference().logits(Features::Maps {
            maps: images(),
            taps: None,
        });
        let expected = expected.into_data();
        for cut in 0..=5 {
            let probe = Probe::new(&network, cut);
            let at = probe.at(images());
            let slope = probe.differentiate(at, |outputs| {
                assert_eq!(outputs.len(), 6);
                vec![0, 2]
            });
            let found = TensorData::new(slope.outputs, [2, 3]);
            found.assert_approx_eq::<f32>(&expected, Tolerance::rel_abs(1e-4, 1e-4));
            let steepest: f32 = slope.gradient.abs().max().into_scalar();
            assert!(steepest > 0.0 && steepest.is_finite(), "{cut}: {steepest}");
        }
    }

    /// The derivative is what a small step of the maps gives.
    #[test]
    fn the_gradient_is_the_slope_of_the_output() {
        let network = network("mobilenetv3_small_100", vec![2], &HeadConfig::default());
        for cut in [3, 6] {
            let probe = Probe::new(&network, cut);
            let Features::Maps { maps, taps } = probe.at(images()) else {
                panic!("joined");
            };
            let run = |maps: Tensor<4>| {
                let taps = taps.clone();
                probe.differentiate(Features::Maps { maps, taps }, |_| vec![1, 1])
            };
            let here = run(maps.clone());
            // Along the gradient the output rises by the square of its length.
            let square: f32 = here.gradient.clone().powf_scalar(2.0).sum().into_scalar();
            let step = 1e-3 / square.sqrt();
            let ahead = run(maps.clone() + here.gradient.clone().mul_scalar(step));
            let back = run(maps - here.gradient.mul_scalar(step));
            let rise: f32 = [1, 4]
                .map(|place: usize| ahead.outputs[place] - back.outputs[place])
                .iter()
                .sum();
            let slope = rise / (2.0 * step);
            assert!(
                (slope / square - 1.0).abs() < 0.02,
                "{cut}: {slope} {square}"
            );
        }
    }

    #[test]
    fn the_slope_of_a_sum_is_the_sum_of_the_slopes() {
        let network = network("resnet18", vec![1], &HeadConfig::default());
        let probe = Probe::new(&network, 4);
        let of = |output: usize| probe.differentiate(probe.at(images()), |_| vec![output; 2]);
        let both = probe.differentiate_sum(probe.at(images()), |outputs| {
            assert_eq!(outputs.len(), 6);
            vec![0.5, 0.0, -2.0, 0.5, 0.0, -2.0]
        });
        let expected = of(0).gradient.mul_scalar(0.5) - of(2).gradient.mul_scalar(2.0);
        let found = both.gradient.into_data();
        found.assert_approx_eq::<f32>(&expected.into_data(), Tolerance::rel_abs(1e-4, 1e-6));
        assert_eq!(both.outputs, of(0).outputs);
    }

    #[test]
    fn a_probe_takes_nothing_from_the_network_it_was_made_of() {
        let network = network("densenet121", vec![], &HeadConfig::default());
        let logits = || {
            let maps = images();
            let features = Features::Maps { maps, taps: None };
            network.for_inference().logits(features).into_data()
        };
        let before = logits();
        let probe = Probe::new(&network, 2);
        probe.differentiate(probe.at(images()), |_| vec![0, 0]);
        assert_eq!(logits(), before);
    }
}
