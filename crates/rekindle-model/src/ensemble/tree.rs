//! Models in memory: a network, or several models with what becomes of their outputs. Owns which views each network wants and how
//! outputs go up the tree; the arithmetic is `rows.rs`'s and `stack.rs`'s.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rekindle_augment::{
    Bands, Pipeline, Preprocessing, Rescale, ResizePolicy, RgbBatch, network_input,
};
use rekindle_backbone::StateDict;
use rekindle_data::OutputKind;
use rekindle_data::metrics::{MetricsError, check_finite};

use super::after::Rule;
use super::rows::{MeanOf, mean_of_rows};
use super::slopes::{Branch, Leaf, Slopes, Step};
use super::softmax_regression::SoftmaxRegression;
use super::stack::{STACK_BIAS, STACK_WEIGHT, features_of};
use super::test_time::{TestTime, mirrored};
use super::whole::{Whole, WholeBody};
use crate::ModelError;
use crate::familiarity::Bank;
use crate::model_file::{ModelFile, ModelInfo};
use crate::network::{Features, Network};

/// The prefix of the tensors of a member.
pub(super) fn prefix(member: usize) -> String {
    format!("member.{member}.")
}

/// A model that can be run.
#[derive(Debug)]
pub(crate) struct Model {
    info: ModelInfo,
    body: Body,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a few values per process")]
enum Body {
    Network {
        network: Network,
        views: Vec<ViewOfNetwork>,
        bank: Option<Bank>,
    },
    Mean {
        members: Vec<Model>,
        of: MeanOf,
        weights: Vec<f64>,
    },
    Stack {
        members: Vec<Model>,
        regression: SoftmaxRegression,
    },
}

/// A view that a network is run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ViewOfNetwork {
    /// Its place in the list of views.
    size: usize,
    mirrored: bool,
}

/// The views of images that the networks of a model want, each once.
#[derive(Debug, Default)]
pub(crate) struct ViewList {
    /// What makes them different: all but rescaling, which happens behind them.
    known: Vec<Preprocessing>,
    pipelines: Vec<Arc<Pipeline>>,
}

impl ViewList {
    /// A pipeline for each.
    pub fn pipelines(&self) -> &[Arc<Pipeline>] {
        &self.pipelines
    }

    /// The place of a view.
    fn place(&mut self, of: &Preprocessing) -> usize {
        // A border has its colour in the picture; where nothing is padded, there is none.
        // Of bands each has a border of its own, which their scale says.
        let is_padded = of.policy == ResizePolicy::Pad;
        let bands = of.bands.as_ref().map(|bands| match is_padded {
            true => bands.clone(),
            false => Bands::adapted(bands.count(), [0.0; 3], [1.0; 3]),
        });
        let view = Preprocessing {
            bands,
            fill: (of.policy == ResizePolicy::Pad).then(|| of.fill()),
            rescale: Rescale::None,
            ..of.clone()
        };
        let known = self.known.iter().position(|known| *known == view);
        known.unwrap_or_else(|| {
            self.known.push(view);
            self.pipelines.push(Arc::new(Pipeline::evaluation(of)));
            self.known.len() - 1
        })
    }

    /// The views of a network.
    fn of_network(&mut self, own: &Preprocessing, test_time: &TestTime) -> Vec<ViewOfNetwork> {
        let mut all = Vec::new();
        for size in test_time.sizes(own) {
            let size = self.place(&size);
            let both = [false, true]
                .into_iter()
                .take(1 + usize::from(test_time.flip));
            all.extend(both.map(|mirrored| ViewOfNetwork { size, mirrored }));
        }
        all
    }
}

impl Model {
    /// A model of what its file holds.
    ///
    /// # Errors
    ///
    /// The tensors do not fit what it says of itself.
    pub fn of_state(
        info: ModelInfo,
        mut state: StateDict,
        path: &Path,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let Some(combination) = &info.after.combination else {
            return Ok(Self::of_network(ModelFile::of_state(
                info, state, path, device,
            )?));
        };
        info.after.check(path)?;
        combination.check(&info, path)?;
        let mut members = Vec::with_capacity(combination.members.len());
        for (place, member) in combination.members.iter().enumerate() {
            let prefix = prefix(place);
            let own = state.iter().filter_map(|(key, data)| {
                let key = key.strip_prefix(&prefix)?;
                Some((key.to_owned(), data.clone()))
            });
            let own: StateDict = own.collect();
            state.retain(|key, _| !key.starts_with(&prefix));
            members.push(Self::of_state(member.info.clone(), own, path, device)?);
        }
        let body = match &combination.rule {
            Rule::Mean { of, weights } => Body::Mean {
                members,
                of: *of,
                weights: weights.clone(),
            },
            Rule::Stack { .. } => Body::Stack {
                regression: regression(&mut state, &info, members.len(), path)?,
                members,
            },
        };
        if let Some(key) = state.keys().next() {
            return Err(ModelError::NotAModel {
                path: path.into(),
                reason: format!("its tensor {key} is of no member"),
            });
        }
        Ok(Self { info, body })
    }

    /// A network, its batch norms folded.
    pub fn of_network(model: ModelFile) -> Self {
        Self {
            body: Body::Network {
                network: model.network.for_inference(),
                views: Vec::new(),
                bank: model
                    .info
                    .after
                    .familiarity
                    .as_ref()
                    .and_then(|known| known.bank().ok()),
            },
            info: model.info,
        }
    }

    /// What the file says of it.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The network; none of several.
    pub fn network(&self) -> Option<&Network> {
        match &self.body {
            Body::Network { network, .. } => Some(network),
            _ => None,
        }
    }

    /// It as others see it, in this order of outputs.
    pub fn whole<'a>(&'a self, order: Option<&'a [usize]>) -> Whole<'a> {
        let orders = self.info.after.combination.as_ref();
        let orders = orders.into_iter().flat_map(|all| &all.members);
        let each = |(member, said): (&'a Self, &'a super::Member)| member.whole(Some(&said.order));
        let members = self.members().iter().zip(orders).map(each).collect();
        let body = match &self.body {
            Body::Network { network, .. } => WholeBody::Network(network),
            Body::Mean { of, weights, .. } => WholeBody::Mean {
                of: *of,
                weights,
                members,
            },
            Body::Stack { regression, .. } => WholeBody::Stack {
                regression,
                members,
            },
        };
        Whole {
            info: &self.info,
            order,
            body,
        }
    }

    /// The models that it consists of; none of a network.
    pub fn members(&self) -> &[Self] {
        match &self.body {
            Body::Network { .. } => &[],
            Body::Mean { members, .. } | Body::Stack { members, .. } => members,
        }
    }

    /// Every network on every view that it is run on, in order; `weight` is its own.
    pub fn add_leaves<'a>(&'a self, weight: f64, all: &mut Vec<Leaf<'a>>) {
        match &self.body {
            Body::Network { network, views, .. } => {
                let weight = weight / views.len().max(1) as f64;
                all.extend(views.iter().map(|view| Leaf {
                    info: &self.info,
                    network,
                    view: view.size,
                    mirrored: view.mirrored,
                    weight,
                }));
            }
            Body::Mean {
                members, weights, ..
            } => {
                for (member, own) in members.iter().zip(weights) {
                    member.add_leaves(weight * own, all);
                }
            }
            Body::Stack { members, .. } => {
                for member in members {
                    member.add_leaves(weight / members.len() as f64, all);
                }
            }
        }
    }

    /// What becomes of the outputs of the leaves, up to this model's own temperature.
    fn step<'a>(&'a self) -> Step<'a> {
        let orders = self.info.after.combination.as_ref();
        let orders = orders.into_iter().flat_map(|all| &all.members);
        let branches = || {
            let branch = |(member, said): (&'a Self, _)| Branch {
                step: member.step(),
                temperature: member.info.after.temperature(),
                member: Some((said, &self.info)),
            };
            self.members().iter().zip(orders).map(branch).collect()
        };
        let kind = self.info.task.outputs();
        match &self.body {
            Body::Network { views, .. } if views.len() < 2 => Step::Leaf,
            Body::Network { views, .. } => {
                let view = |_| Branch {
                    step: Step::Leaf,
                    temperature: 1.0,
                    member: None,
                };
                let weights = vec![1.0 / views.len() as f64; views.len()];
                let views = views.iter().map(view).collect();
                Step::Mean(kind, MeanOf::Probabilities, weights, views)
            }
            Body::Mean { of, weights, .. } => Step::Mean(kind, *of, weights.clone(), branches()),
            Body::Stack { regression, .. } => Step::Stack(regression, branches()),
        }
    }

    /// The outputs of one image from those of its leaves, up to its own temperature.
    pub fn scores(&self, rows: &[&[f32]]) -> Vec<f64> {
        self.step().outputs(&mut rows.iter().copied())
    }

    /// The same with the derivative of one of them by what each leaf says.
    pub fn slopes(&self, rows: &[&[f32]], output: usize) -> Slopes {
        let step = self.step();
        let outputs = step.outputs(&mut rows.iter().copied());
        let mut slope = vec![0.0; outputs.len()];
        slope[output] = 1.0;
        let mut of_leaves = Vec::with_capacity(rows.len());
        step.hand_down(&slope, &mut rows.iter().copied(), &mut of_leaves);
        Slopes { outputs, of_leaves }
    }

    /// Says on which views its networks run: its own where it has any, else the inherited ones.
    pub fn choose_views(&mut self, inherited: &TestTime, list: &mut ViewList) {
        let own = self.info.after.test_time.clone();
        let chosen = match own.is_empty() {
            true => inherited,
            false => &own,
        };
        match &mut self.body {
            Body::Network { views, .. } => {
                *views = list.of_network(&self.info.preprocessing, chosen);
            }
            Body::Mean { members, .. } | Body::Stack { members, .. } => {
                for member in members {
                    member.choose_views(chosen, list);
                }
            }
        }
    }

    /// Takes other views, in all of its networks.
    pub fn set_test_time(&mut self, test_time: &TestTime) {
        self.info.after.test_time = test_time.clone();
        if let Body::Mean { members, .. } | Body::Stack { members, .. } = &mut self.body {
            for member in members {
                member.set_test_time(test_time);
            }
        }
    }

    /// Outputs row by row, `[batch * outputs]`, on the host; `images` in each of the views.
    ///
    /// # Errors
    ///
    /// An output of a network is not finite.
    pub fn outputs(&self, images: &[RgbBatch], device: &Device) -> Result<Vec<f32>, MetricsError> {
        Ok(self.outputs_and_shares(images, device)?.0)
    }

    /// The same with the familiarity of each image, where the model knows it.
    ///
    /// # Errors
    ///
    /// As [`outputs`](Self::outputs).
    pub fn outputs_and_shares(
        &self,
        images: &[RgbBatch],
        device: &Device,
    ) -> Result<(Vec<f32>, Option<Vec<f32>>), MetricsError> {
        let mut shares = None;
        let outputs = match &self.body {
            Body::Network {
                network,
                views,
                bank,
            } => {
                let (outputs, features) = self.of_views(network, views, images, device)?;
                shares = bank.as_ref().map(|bank| {
                    let features: Vec<f32> = features.into_data().iter::<f32>().collect();
                    bank.shares(&features)
                });
                outputs
            }
            Body::Mean {
                members,
                of,
                weights,
            } => {
                let rows = self.of_members(members, images, device)?;
                self.means(*of, weights, &rows)
            }
            Body::Stack {
                members,
                regression,
            } => {
                let rows = self.of_members(members, images, device)?;
                let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
                let features = features_of(&rows, self.info.classes.len());
                regression.logits(&features)
            }
        };
        Ok((self.cooled(outputs), shares))
    }

    /// Divided by the temperature.
    fn cooled(&self, mut outputs: Vec<f32>) -> Vec<f32> {
        let temperature = self.info.after.temperature();
        if temperature != 1.0 && self.info.task.outputs() != OutputKind::Numbers {
            for output in &mut outputs {
                *output = (f64::from(*output) / temperature) as f32;
            }
        }
        outputs
    }

    /// A network on its views, and the features of the first.
    fn of_views(
        &self,
        network: &Network,
        views: &[ViewOfNetwork],
        images: &[RgbBatch],
        device: &Device,
    ) -> Result<(Vec<f32>, Tensor<2>), MetricsError> {
        let mut first = None;
        let mut one = |view: &ViewOfNetwork| {
            let turned = view.mirrored.then(|| mirrored(&images[view.size]));
            let pixels = turned.as_ref().unwrap_or(&images[view.size]);
            let maps = network_input(pixels, &self.info.preprocessing, device);
            let features = network.features(Features::Maps { maps, taps: None });
            first.get_or_insert_with(|| features.clone());
            let logits = network.head.classify(features);
            let outputs: Vec<f32> = logits.into_data().iter::<f32>().collect();
            check_finite(&outputs, self.info.classes.len(), 0)?;
            Ok(outputs)
        };
        let mut rows: Vec<Vec<f32>> = views.iter().map(&mut one).collect::<Result<_, _>>()?;
        let features = first.expect("a network has a view");
        if rows.len() == 1 {
            return Ok((rows.pop().unwrap_or_default(), features));
        }
        let weights = vec![1.0 / rows.len() as f64; rows.len()];
        let mean = self.means(MeanOf::Probabilities, &weights, &rows);
        Ok((mean, features))
    }

    /// What each member says, in the order and on the scale of the whole.
    fn of_members(
        &self,
        members: &[Self],
        images: &[RgbBatch],
        device: &Device,
    ) -> Result<Vec<Vec<f32>>, MetricsError> {
        let combination = self.info.after.combination.as_ref();
        let orders = combination.into_iter().flat_map(|all| &all.members);
        let each = |(member, said): (&Self, &super::Member)| {
            let outputs = member.outputs(images, device)?;
            Ok(aligned(&outputs, &member.info, &said.order, &self.info))
        };
        members.iter().zip(orders).map(each).collect()
    }

    fn means(&self, of: MeanOf, weights: &[f64], rows: &[Vec<f32>]) -> Vec<f32> {
        all_means(
            self.info.task.outputs(),
            of,
            weights,
            rows,
            self.info.classes.len(),
        )
    }
}

/// The mean of rows of several models, image by image.
pub(super) fn all_means(
    kind: OutputKind,
    of: MeanOf,
    weights: &[f64],
    rows: &[Vec<f32>],
    width: usize,
) -> Vec<f32> {
    let images = rows.first().map_or(0, |row| row.len() / width.max(1));
    let each = |image: usize| {
        let range = image * width..(image + 1) * width;
        let rows: Vec<&[f32]> = rows.iter().map(|row| &row[range.clone()]).collect();
        mean_of_rows(kind, of, weights, &rows)
    };
    (0..images).flat_map(each).collect()
}

/// Outputs of a member in the order and, for numbers, on the scale of the whole.
pub(super) fn aligned(
    outputs: &[f32],
    member: &ModelInfo,
    order: &[usize],
    whole: &ModelInfo,
) -> Vec<f32> {
    let mut all = Vec::with_capacity(outputs.len());
    for row in outputs.chunks(order.len().max(1)) {
        all.extend(order.iter().enumerate().map(|(place, &own)| {
            match (&member.number_scale, &whole.number_scale) {
                (Some(from), Some(to)) => {
                    to.standardise(place, from.restore(own, f64::from(row[own]))) as f32
                }
                _ => row[own],
            }
        }));
    }
    all
}

/// The meta-learner among the tensors of a file.
fn regression(
    state: &mut StateDict,
    info: &ModelInfo,
    members: usize,
    path: &Path,
) -> Result<SoftmaxRegression, ModelError> {
    let classes = info.classes.len();
    let mut take = |key: &str, shape: &[usize]| {
        let data = state.remove(key).filter(|data| data.shape()[..] == *shape);
        let values = data.map(|data| data.iter::<f64>().collect::<Vec<f64>>());
        let values = values.filter(|values| values.iter().all(|value| value.is_finite()));
        values.ok_or_else(|| ModelError::NotAModel {
            path: path.into(),
            reason: format!("its tensor {key} is not there, or not of the shape {shape:?}"),
        })
    };
    Ok(SoftmaxRegression {
        classes,
        weights: take(STACK_WEIGHT, &[classes, members * classes])?,
        bias: take(STACK_BIAS, &[classes])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_that_differ_in_rescaling_alone_are_one() {
        let mut list = ViewList::default();
        let own = Preprocessing::default();
        let other = Preprocessing {
            rescale: Rescale::Symmetric,
            ..own.clone()
        };
        assert_eq!(list.place(&own), list.place(&other));
        // Their borders have different colours.
        let padded = [own.clone(), other].map(|of| Preprocessing {
            policy: ResizePolicy::Pad,
            ..of
        });
        assert_ne!(list.place(&padded[0]), list.place(&padded[1]));
        let flips = TestTime {
            flip: true,
            scales: vec![0.5],
        };
        let views = list.of_network(&own, &flips);
        assert_eq!(views.len(), 4);
        assert_eq!((views[1].size, views[1].mirrored), (0, true));
        assert_eq!(list.pipelines().len(), 4);
    }
}
