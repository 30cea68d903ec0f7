//! Paths of layers side by side, whose channels are put one behind the other's.

use burn::module::Module;
use rekindle_kernels::ops;

use super::any::AnyLayer;
use super::channels::Channels;
use super::conv_norm_act::ConvNormAct;
use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::norm_act::NormAct;
use super::part::Part;
use super::run::run;
use crate::walk::{Step, Value, Walker};

/// The channels of every branch of `x`, in order (Szegedy et al. 2015, Inception; Huang et al. 2017, DenseNet); a branch without layers
/// is `x` itself.
#[derive(Module, Debug)]
pub struct Concat {
    /// The paths.
    pub branches: Vec<Vec<AnyLayer>>,
}

impl Concat {
    /// Joins the paths.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn new(branches: Vec<Vec<AnyLayer>>) -> Self {
        assert!(!branches.is_empty(), "a concatenation has branches");
        Self { branches }
    }

    /// The norm and the convolutions of the second branch where the first one is the input itself: the layer of a DenseNet, whose input
    /// need not be copied.
    fn dense(&self) -> Option<(&NormAct, Vec<&ConvNormAct>)> {
        let [first, second] = &self.branches[..] else {
            return None;
        };
        let (norm, convs) = second.split_first()?;
        let convs: Option<Vec<_>> = convs.iter().map(AnyLayer::downcast_ref).collect();
        let dense = Some(norm.downcast_ref()?).zip(convs);
        dense.filter(|(_, convs)| first.is_empty() && !convs.is_empty())
    }

    /// The branches' layers behind those that take one half of the channels each, and these.
    fn halving(&self) -> Option<[(&Channels, &[AnyLayer]); 2]> {
        let [first, second] = &self.branches[..] else {
            return None;
        };
        let (first, before) = first.split_first()?;
        let (second, behind) = second.split_first()?;
        Some([
            (first.downcast_ref()?, before),
            (second.downcast_ref()?, behind),
        ])
    }
}

impl Layer for Concat {
    const KIND: &'static str = "Concat";

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        let mut readers = Vec::with_capacity(self.branches.len());
        let mut last = x;
        for _ in 1..self.branches.len() {
            let [one, rest] = walker.fork(last);
            readers.push(one);
            last = rest;
        }
        readers.push(last);
        let mut outputs = Vec::with_capacity(readers.len());
        for (branch, x) in self.branches.iter().zip(readers) {
            let mut layers = branch.iter();
            outputs.push(layers.try_fold(x, |x, layer| layer.walk(walker, x))?);
        }
        walker.concat(outputs)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        let layers = self.branches.iter_mut().flatten();
        layers.for_each(|layer| layer.parts(each));
    }

    fn apply(&self, mut x: FeatureMap) -> FeatureMap {
        if let Some((norm, convs)) = self.dense()
            && x.is_channels_last()
        {
            return norm.grow(x, |x| convs.iter().fold(x, |x, conv| conv.apply(x)));
        }
        if let Some([(first, before), (second, behind)]) = self.halving() {
            match Channels::halves(first, second, x) {
                Ok([a, b]) => {
                    let run = |layers: &[AnyLayer], x: FeatureMap| {
                        layers.iter().fold(x, |x, layer| layer.apply(x))
                    };
                    let maps = [run(before, a), run(behind, b)].map(FeatureMap::into_tensor);
                    return FeatureMap::channels_last(ops::concat(maps.into()));
                }
                Err(map) => x = map,
            }
        }
        run(x, |walker, x| self.walk(walker, x))
    }
}
