//! The inference plan of a folded backbone: made at its first use, and again where its weights are others.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use rekindle_kernels::Activation;
use rekindle_kernels::ops::{self, Snapshot};
use rekindle_kernels::plan::{
    self, InferencePlan, PlanBuilder, PlanPadding, PlannedChannels, PlannedConv, PlannedNorm,
    PlannedPool,
};

use crate::layers::{
    BatchNorm, Channels, ChannelsOf, FeatureMap, Grn, LayerNorm, Padding, PoolConfig, PoolKind,
};
use crate::stage::Stage;
use crate::walk::{ConvStep, Step, Unknown, Value, Walker};

/// Plans of a folded backbone by the range of stages and the outputs wanted; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Plans {
    kept: Arc<Mutex<HashMap<Wanted, Arc<Kept>>>>,
}

type Wanted = (usize, usize, Vec<usize>);

struct Kept {
    /// In the order of the stages.
    pieces: Vec<Piece>,
    /// What the plan was made from.
    snapshots: Snapshots,
}

/// Consecutive stages that are run in one way.
enum Piece {
    /// Stages that a plan computes; its last output is what goes on, the ones before are wanted.
    Planned(InferencePlan),
    /// A stage with an operation that a plan does not know, by its index, and whether its output is wanted.
    Alone { stage: usize, kept: bool },
}

/// The parameters of stages, to find out whether they are the same later.
#[derive(Default)]
struct Snapshots {
    weights: Vec<Snapshot<4>>,
    vectors: Vec<Snapshot<1>>,
}

impl Snapshots {
    fn same(&self, other: &Self) -> bool {
        fn all<const D: usize>(old: &[Snapshot<D>], new: &[Snapshot<D>]) -> bool {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.same(new))
        }
        all(&self.weights, &other.weights) && all(&self.vectors, &other.vectors)
    }
}

impl ModuleVisitor for Snapshots {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val().into_dispatch();
        match D {
            1 => self
                .vectors
                .push(Snapshot::new(Tensor::from_dispatch(tensor))),
            4 => self
                .weights
                .push(Snapshot::new(Tensor::from_dispatch(tensor))),
            // Of no operation that a plan knows.
            _ => {}
        }
    }
}

impl fmt::Debug for Plans {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Plans")
    }
}

impl Plans {
    /// Runs the stages `from..to` on `x`, `[batch, channels, height, width]`: the outputs of the stages in `kept` (ascending), then
    /// that of the last. None where the kernels do not take over or gradients are recorded.
    pub(crate) fn run(
        &self,
        stages: &[Stage],
        from: usize,
        to: usize,
        kept: &[usize],
        x: &Tensor<4>,
    ) -> Option<Vec<Tensor<4>>> {
        if x.is_autodiff() || !ops::accelerated(x) {
            return None;
        }
        let plan = self.plan(stages, from, to, kept);
        let mut outputs = Vec::with_capacity(kept.len() + 1);
        let mut x = ops::channels_last(x.clone());
        for piece in &plan.pieces {
            match piece {
                Piece::Planned(plan) => {
                    let mut made = ops::run_plan(plan, &x)?;
                    x = made.pop()?;
                    outputs.extend(made);
                }
                Piece::Alone { stage, kept } => {
                    x = stages[*stage]
                        .apply(FeatureMap::channels_last(x))
                        .into_tensor();
                    outputs.extend(kept.then(|| x.clone()));
                }
            }
        }
        outputs.push(x);
        Some(outputs.into_iter().map(ops::channels_first).collect())
    }

    fn plan(&self, stages: &[Stage], from: usize, to: usize, kept: &[usize]) -> Arc<Kept> {
        let mut snapshots = Snapshots::default();
        stages[from..to]
            .iter()
            .for_each(|stage| Module::visit(stage, &mut snapshots));
        let mut plans = self
            .kept
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let wanted = (from, to, kept.to_vec());
        if let Some(plan) = plans.get(&wanted)
            && plan.snapshots.same(&snapshots)
        {
            return plan.clone();
        }
        let plan = Arc::new(Kept {
            pieces: pieces(stages, from, to, kept),
            snapshots,
        });
        plans.insert(wanted, plan.clone());
        plan
    }
}

/// The stages `from..to` in as few pieces as can be.
fn pieces(stages: &[Stage], from: usize, to: usize, kept: &[usize]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut planner = Planner::default();
    // Of the stages that the planner has.
    let mut outputs = Vec::new();
    for (stage, layers) in stages.iter().enumerate().take(to).skip(from) {
        let kept = kept.contains(&stage);
        if planner.add(layers).is_ok() {
            if kept {
                outputs.push(planner.last());
            }
            continue;
        }
        let before = std::mem::take(&mut planner);
        if !before.is_empty() {
            pieces.push(before.build(std::mem::take(&mut outputs)));
        }
        pieces.push(Piece::Alone { stage, kept });
    }
    if !planner.is_empty() {
        pieces.push(planner.build(outputs));
    }
    pieces
}

/// The walker that makes a plan of what it is shown.
struct Planner {
    builder: PlanBuilder,
    /// By the number of the walk's value.
    values: Vec<plan::Value>,
    /// The output of the last stage.
    last: plan::Value,
    stages: usize,
}

impl Default for Planner {
    fn default() -> Self {
        let builder = PlanBuilder::new();
        let last = builder.input();
        Self {
            builder,
            values: Vec::new(),
            last,
            stages: 0,
        }
    }
}

impl Planner {
    /// Adds a stage behind the others, or leaves all as it was.
    fn add(&mut self, stage: &Stage) -> Result<(), Unknown> {
        let before = self.builder.len();
        let x = self.give(self.last);
        let walked = stage.walk(self, x).map(|out| self.take(out));
        self.values.clear();
        match walked {
            Ok(out) => {
                self.last = out;
                self.stages += 1;
                Ok(())
            }
            Err(unknown) => {
                self.builder.truncate(before);
                Err(unknown)
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.stages == 0
    }

    fn last(&self) -> plan::Value {
        self.last
    }

    /// The plan, with its wanted outputs before the last one.
    fn build(self, mut outputs: Vec<plan::Value>) -> Piece {
        outputs.push(self.last);
        Piece::Planned(self.builder.build(outputs))
    }

    fn norm(&mut self, x: Value, norm: PlannedNorm) -> Step {
        let x = self.take(x);
        let out = self.builder.norm(x, norm);
        Ok(self.give(out))
    }

    fn give(&mut self, value: plan::Value) -> Value {
        self.values.push(value);
        Value::new(self.values.len() - 1)
    }

    fn take(&self, value: Value) -> plan::Value {
        self.values[value.index()]
    }
}

impl Walker for Planner {
    fn fork(&mut self, x: Value) -> [Value; 2] {
        [Value::new(x.index()), x]
    }

    fn conv(&mut self, x: Value, step: ConvStep<'_>) -> Step {
        if step.norm.is_some() {
            return Err(Unknown::new("batch norm that is not folded"));
        }
        let conv = step.conv;
        let planned = PlannedConv {
            weight: Snapshot::new(conv.weight.val()).numbers(),
            dims: conv.weight.dims(),
            bias: conv
                .bias
                .as_ref()
                .map(|bias| Snapshot::new(bias.val()).numbers()),
            stride: conv.stride(),
            padding: match conv.padding() {
                Padding::Fixed(pad) => PlanPadding::Fixed(pad),
                Padding::Sides(pads) => PlanPadding::Sides(pads),
                Padding::Same => PlanPadding::Same,
            },
            groups: conv.groups(),
            precision: conv.precision(),
        };
        let (x, residual) = (self.take(x), step.residual.map(|other| self.take(other)));
        let out = self.builder.conv(x, planned, residual, step.activation);
        Ok(self.give(out))
    }

    fn batch_norm(&mut self, x: Value, norm: &BatchNorm) -> Step {
        self.norm_act(x, norm, Activation::Identity)
    }

    fn norm_act(&mut self, x: Value, norm: &BatchNorm, activation: Activation) -> Step {
        let (scale, shift) = norm.scale_and_shift();
        let norm = PlannedNorm::Batch {
            scale: Snapshot::new(scale).numbers(),
            shift: Snapshot::new(shift).numbers(),
            activation,
        };
        self.norm(x, norm)
    }

    fn layer_norm(&mut self, x: Value, norm: &LayerNorm) -> Step {
        let planned = PlannedNorm::Layer {
            gamma: Snapshot::new(norm.gamma.val()).numbers(),
            beta: Snapshot::new(norm.beta.val()).numbers(),
            epsilon: norm.epsilon() as f32,
        };
        self.norm(x, planned)
    }

    fn response_norm(&mut self, x: Value, norm: &Grn) -> Step {
        let planned = PlannedNorm::Response {
            gamma: Snapshot::new(norm.gamma.val()).numbers(),
            beta: Snapshot::new(norm.beta.val()).numbers(),
            epsilon: norm.epsilon(),
        };
        self.norm(x, planned)
    }

    fn activation(&mut self, x: Value, activation: Activation) -> Step {
        let x = self.take(x);
        let out = self.builder.activation(x, activation);
        Ok(self.give(out))
    }

    fn weight(&mut self, x: Value, weights: Value) -> Step {
        let (x, weights) = (self.take(x), self.take(weights));
        let out = self.builder.weight(x, weights);
        Ok(self.give(out))
    }

    fn pool(&mut self, x: Value, pool: &PoolConfig) -> Step {
        let x = self.take(x);
        let planned = PlannedPool {
            kernel: pool.kernel,
            stride: pool.stride,
            padding: pool.padding,
            ceil: pool.kind.ceil(),
            counted: pool.kind.counted(),
        };
        let out = match pool.kind {
            PoolKind::Max | PoolKind::MaxCeil => self.builder.max_pool(x, planned),
            PoolKind::Average | PoolKind::AverageCeil | PoolKind::AverageCounted => {
                self.builder.average_pool(x, planned)
            }
            PoolKind::GlobalAverage => self.builder.global_average(x),
        };
        Ok(self.give(out))
    }

    fn add(&mut self, x: Value, other: Value, activation: Activation) -> Step {
        let (x, other) = (self.take(x), self.take(other));
        let out = self.builder.add(x, other, activation);
        Ok(self.give(out))
    }

    fn gate(&mut self, x: Value, gate: Value) -> Step {
        let (x, gate) = (self.take(x), self.take(gate));
        let out = self.builder.gate(x, gate);
        Ok(self.give(out))
    }

    fn concat(&mut self, inputs: Vec<Value>) -> Step {
        let maps: Vec<plan::Value> = inputs.into_iter().map(|input| self.take(input)).collect();
        let out = self.builder.concat(&maps);
        Ok(self.give(out))
    }

    fn channels(&mut self, x: Value, channels: &Channels) -> Step {
        let x = self.take(x);
        let planned = match channels.of() {
            ChannelsOf::Range(range) => PlannedChannels::Range(range.clone()),
            ChannelsOf::Shuffled(groups) => PlannedChannels::Shuffled(*groups),
        };
        let out = self.builder.channels(x, planned);
        Ok(self.give(out))
    }
}
