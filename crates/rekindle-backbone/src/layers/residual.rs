//! Residual blocks: two paths of layers and their sum.

use burn::module::Module;
use rekindle_kernels::Activation;
use rekindle_kernels::ops::Carry;

use super::any::AnyLayer;
use super::conv_norm_act::ConvNormAct;
use super::drop_path::DropPath;
use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::part::Part;
use super::scaled_conv::ScaledConv;
use crate::walk::{Step, Value, Walker};

/// `activation(body(x) + shortcut(x))` (He et al. 2016); an empty shortcut is the identity.
#[derive(Module, Debug)]
pub struct Residual {
    /// The main path.
    pub body: Vec<AnyLayer>,
    /// The other path.
    pub shortcut: Vec<AnyLayer>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    drop_path: DropPath,
}

impl Residual {
    /// Joins two paths.
    pub fn new(body: Vec<AnyLayer>, shortcut: Vec<AnyLayer>, activation: Activation) -> Self {
        Self {
            body,
            shortcut,
            activation,
            drop_path: DropPath::default(),
        }
    }

    /// What lets images skip its body.
    pub fn drop_path(&self) -> &DropPath {
        &self.drop_path
    }

    /// The last step of the body and those before it, if it is a convolution without an activation of its own: the sum and what follows
    /// it then belong to that convolution's step.
    fn ends_linearly(&self) -> Option<(Last<'_>, &[AnyLayer])> {
        let (last, before) = self.body.split_last()?;
        if let Some(last) = last.downcast_ref::<ScaledConv>() {
            return Some((Last::Scaled(last), before));
        }
        let last = last.downcast_ref::<ConvNormAct>()?;
        last.ends_linearly().then_some((Last::Conv(last), before))
    }
}

/// A convolution that a sum can be joined to.
#[derive(Clone, Copy)]
enum Last<'a> {
    Conv(&'a ConvNormAct),
    Scaled(&'a ScaledConv),
}

impl Last<'_> {
    fn walk_adding(self, walker: &mut dyn Walker, x: Value, adding: (Value, Activation)) -> Step {
        match self {
            Self::Conv(conv) => conv.walk_adding(walker, x, Some(adding)),
            Self::Scaled(conv) => conv.walk_adding(walker, x, Some(adding)),
        }
    }

    fn apply_adding(self, x: FeatureMap, other: FeatureMap, activation: Activation) -> FeatureMap {
        match self {
            Self::Conv(conv) => conv.apply_adding(x, other, activation, None),
            Self::Scaled(conv) => conv.apply_adding(x, Some(other), activation),
        }
    }
}

impl Layer for Residual {
    const KIND: &'static str = "Residual";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        let run = |walker: &mut dyn Walker, layers: &[AnyLayer], x: Value| {
            layers.iter().try_fold(x, |x, layer| layer.walk(walker, x))
        };
        let [x, other] = walker.fork(x);
        let other = run(walker, &self.shortcut, other)?;
        if let Some((last, before)) = self.ends_linearly() {
            let x = run(walker, before, x)?;
            return last.walk_adding(walker, x, (other, self.activation));
        }
        let x = run(walker, &self.body, x)?;
        walker.add(x, other, self.activation)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        let layers = self.body.iter_mut().chain(&mut self.shortcut);
        layers.for_each(|layer| layer.parts(each));
        // Behind the convolutions, whose keys say which block it is of.
        each(Part::DropPath(&mut self.drop_path));
    }

    fn apply(&self, x: FeatureMap) -> FeatureMap {
        let run = |units: &[AnyLayer], x: FeatureMap| units.iter().fold(x, |x, unit| unit.apply(x));
        let drops = self.drop_path.applies_to(&x);
        let [x, other] = x.twice();
        let other = run(&self.shortcut, other);
        if drops {
            // The factors stand between the last convolution and the sum, which are two steps then.
            let body = self.drop_path.apply(run(&self.body, x));
            return body.plus(other, self.activation);
        }
        if let Some((last, before)) = self.ends_linearly() {
            // Both paths begin with `x` itself: the last step hands its gradient to the first.
            if let Some((first, between)) = before.split_first()
                && let Some(first) = first.downcast_ref::<ConvNormAct>()
                && let Last::Conv(last) = last
                && self.shortcut.is_empty()
            {
                let carry = Carry::default();
                let x = run(between, first.apply_taking(x, carry.clone()));
                return last.apply_adding(x, other, self.activation, Some(carry));
            }
            return last.apply_adding(run(before, x), other, self.activation);
        }
        run(&self.body, x).plus(other, self.activation)
    }
}
