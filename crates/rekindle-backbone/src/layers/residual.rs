//! Layers of a stage: single units, and residual blocks of units.

use burn::module::Module;
use burn::tensor::Tensor;
use rekindle_kernels::ops::Carry;
use rekindle_kernels::plan::{PlanBuilder, Value};

use super::{Activation, ConvNormAct, FeatureMap, Pool, SqueezeExcite};
use crate::{Named, StateVisitor};

/// One step without branches.
#[derive(Module, Debug)]
pub enum Unit {
    /// Convolution, norm, activation.
    Conv(ConvNormAct),
    /// Pooling.
    Pool(Pool),
    /// Squeeze-and-excitation.
    SqueezeExcite(SqueezeExcite),
}

impl Unit {
    /// Applies the step, `[batch, channels, height, width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(FeatureMap::new(x)).into_images()
    }

    fn apply(&self, x: FeatureMap) -> FeatureMap {
        match self {
            Self::Conv(block) => block.apply(x),
            Self::Pool(pool) => pool.apply(x),
            Self::SqueezeExcite(layer) => layer.apply(x),
        }
    }

    fn plan(&self, plan: &mut PlanBuilder, x: Value) -> Value {
        match self {
            Self::Conv(block) => block.plan(plan, x, None),
            Self::Pool(pool) => pool.plan(plan, x),
            Self::SqueezeExcite(layer) => layer.plan(plan, x),
        }
    }

    fn fold_norms(&self) -> Self {
        match self {
            Self::Conv(block) => Self::Conv(block.fold_norm()),
            other => other.clone(),
        }
    }

    fn track_statistics(self, track: bool) -> Self {
        match self {
            Self::Conv(block) => Self::Conv(block.track_statistics(track)),
            other => other,
        }
    }
}

impl Named for Unit {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        match self {
            Self::Conv(block) => block.visit_state(visitor),
            Self::Pool(_) => {}
            Self::SqueezeExcite(layer) => layer.visit_state(visitor),
        }
    }
}

/// `activation(body(x) + shortcut(x))` (He et al. 2016); an empty shortcut is the identity.
#[derive(Module, Debug)]
pub struct Residual {
    /// The main path.
    pub body: Vec<Unit>,
    /// The other path.
    pub shortcut: Vec<Unit>,
    #[module(skip)]
    activation: Activation,
}

impl Residual {
    /// Joins two paths.
    pub fn new(body: Vec<Unit>, shortcut: Vec<Unit>, activation: Activation) -> Self {
        Self {
            body,
            shortcut,
            activation,
        }
    }

    /// Applies the block, `[batch, channels, height, width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(FeatureMap::new(x)).into_images()
    }

    fn apply(&self, x: FeatureMap) -> FeatureMap {
        let run = |units: &[Unit], x: FeatureMap| units.iter().fold(x, |x, unit| unit.apply(x));
        let [x, other] = x.twice();
        let other = run(&self.shortcut, other);
        // The sum and what follows it belong to the last convolution's step.
        if let Some((Unit::Conv(last), before)) = self.body.split_last()
            && last.ends_linearly()
        {
            // Both paths begin with `x` itself: the last step hands its gradient to the first.
            if let Some((Unit::Conv(first), between)) = before.split_first()
                && self.shortcut.is_empty()
            {
                let carry = Carry::default();
                let x = run(between, first.apply_taking(x, carry.clone()));
                return last.apply_adding(x, other, self.activation, Some(carry));
            }
            return last.apply_adding(run(before, x), other, self.activation, None);
        }
        let sum = run(&self.body, x).plus(other);
        sum.map(|sum| self.activation.forward(sum))
    }
}

impl Residual {
    fn plan(&self, plan: &mut PlanBuilder, x: Value) -> Value {
        let mut run = |units: &[Unit], x: Value| units.iter().fold(x, |x, unit| unit.plan(plan, x));
        let other = run(&self.shortcut, x);
        if let Some((Unit::Conv(last), before)) = self.body.split_last()
            && last.ends_linearly()
        {
            let x = run(before, x);
            return last.plan(plan, x, Some((other, self.activation)));
        }
        let x = run(&self.body, x);
        plan.add(x, other, self.activation)
    }
}

/// One layer of a stage.
#[expect(clippy::large_enum_variant, reason = "a network has some tens of them")]
#[derive(Module, Debug)]
pub enum Layer {
    /// A single step.
    Unit(Unit),
    /// A residual block.
    Residual(Residual),
}

impl Layer {
    /// A convolution block as a layer.
    pub fn conv(block: ConvNormAct) -> Self {
        Self::Unit(Unit::Conv(block))
    }

    /// Applies the layer, `[batch, channels, height, width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(FeatureMap::new(x)).into_images()
    }

    pub(crate) fn apply(&self, x: FeatureMap) -> FeatureMap {
        match self {
            Self::Unit(unit) => unit.apply(x),
            Self::Residual(block) => block.apply(x),
        }
    }

    /// Adds the layer, whose norms are folded, to a plan for inference.
    pub(crate) fn plan(&self, plan: &mut PlanBuilder, x: Value) -> Value {
        match self {
            Self::Unit(unit) => unit.plan(plan, x),
            Self::Residual(block) => block.plan(plan, x),
        }
    }

    pub(crate) fn fold_norms(&self) -> Self {
        match self {
            Self::Unit(unit) => Self::Unit(unit.fold_norms()),
            Self::Residual(block) => Self::Residual(Residual {
                body: block.body.iter().map(Unit::fold_norms).collect(),
                shortcut: block.shortcut.iter().map(Unit::fold_norms).collect(),
                activation: block.activation,
            }),
        }
    }

    pub(crate) fn track_statistics(self, track: bool) -> Self {
        let each = |units: Vec<Unit>| {
            units
                .into_iter()
                .map(|unit| unit.track_statistics(track))
                .collect()
        };
        match self {
            Self::Unit(unit) => Self::Unit(unit.track_statistics(track)),
            Self::Residual(block) => Self::Residual(Residual {
                body: each(block.body),
                shortcut: each(block.shortcut),
                activation: block.activation,
            }),
        }
    }
}

impl Named for Layer {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        match self {
            Self::Unit(unit) => unit.visit_state(visitor),
            Self::Residual(block) => {
                block
                    .body
                    .iter_mut()
                    .chain(&mut block.shortcut)
                    .for_each(|unit| unit.visit_state(visitor));
            }
        }
    }
}
