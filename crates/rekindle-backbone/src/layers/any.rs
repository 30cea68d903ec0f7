//! Layers of any kind behind one type.
//!
//! Burn's `Module` has generic methods, so there is no `dyn Module`; `erased` carries their visitors and mappers through. That lets a
//! stage hold layers that this crate has never heard of.

use std::any::Any;
use std::fmt;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{Device, Tensor};

use super::erased::{AnyMapper, AnyVisitor, Through};
use super::feature_map::FeatureMap;
use super::layer::Layer;
use super::part::Part;
use crate::walk::{Step, Value, Walker};
use crate::{Named, StateVisitor};

/// A layer of any kind.
pub struct AnyLayer {
    layer: Box<dyn Erased>,
    kind: &'static str,
    /// Whether the module path has the word `Unit` before the kind.
    unit: bool,
}

/// What holds a layer, for those who walk over modules.
const CONTAINER: &str = "AnyLayer";

/// [`Layer`] without generic methods.
trait Erased: fmt::Debug + Send + Sync {
    fn clone_box(&self) -> Box<dyn Erased>;
    fn as_any(&self) -> &dyn Any;
    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step;
    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>));
    fn apply(&self, x: FeatureMap) -> FeatureMap;
    fn collect_devices(&self, devices: Devices) -> Devices;
    fn fork(self: Box<Self>, device: &Device) -> Box<dyn Erased>;
    fn to_device(self: Box<Self>, device: &Device) -> Box<dyn Erased>;
    fn train(self: Box<Self>) -> Box<dyn Erased>;
    fn valid(&self) -> Box<dyn Erased>;
    fn materialize(self: Box<Self>) -> Box<dyn Erased>;
    fn visit(&self, visitor: &mut dyn AnyVisitor);
    fn map(self: Box<Self>, mapper: &mut dyn AnyMapper) -> Box<dyn Erased>;
    fn content(&self, content: Content) -> Option<Content>;
}

impl<L: Layer> Erased for L {
    fn clone_box(&self) -> Box<dyn Erased> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        Layer::walk(self, walker, x)
    }

    fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        Layer::parts(self, each);
    }

    fn apply(&self, x: FeatureMap) -> FeatureMap {
        Layer::apply(self, x)
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        Module::collect_devices(self, devices)
    }

    fn fork(self: Box<Self>, device: &Device) -> Box<dyn Erased> {
        Box::new(Module::fork(*self, device))
    }

    fn to_device(self: Box<Self>, device: &Device) -> Box<dyn Erased> {
        Box::new(Module::to_device(*self, device))
    }

    fn train(self: Box<Self>) -> Box<dyn Erased> {
        Box::new(Module::train(*self))
    }

    fn valid(&self) -> Box<dyn Erased> {
        Box::new(Module::valid(self))
    }

    fn materialize(self: Box<Self>) -> Box<dyn Erased> {
        Box::new(Module::materialize(*self))
    }

    fn visit(&self, visitor: &mut dyn AnyVisitor) {
        Module::visit(self, &mut Through(visitor));
    }

    fn map(self: Box<Self>, mapper: &mut dyn AnyMapper) -> Box<dyn Erased> {
        Box::new(Module::map(*self, &mut Through(mapper)))
    }

    fn content(&self, content: Content) -> Option<Content> {
        ModuleDisplayDefault::content(self, content)
    }
}

impl AnyLayer {
    /// A layer of this kind.
    pub fn new<L: Layer>(layer: L) -> Self {
        Self {
            layer: Box::new(layer),
            kind: L::KIND,
            unit: false,
        }
    }

    /// Its [kind](Layer::KIND).
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The same as a layer of a stage that has no branches: the module path to such a layer has a word more. Checkpoints know parameters
    /// by that path.
    pub(crate) fn into_unit(self) -> Self {
        Self { unit: true, ..self }
    }

    /// The layer, if it is of this kind.
    pub fn downcast_ref<L: Layer>(&self) -> Option<&L> {
        self.layer.as_any().downcast_ref()
    }

    /// Computes it, `[batch, channels_in, height, width]` to `[batch, channels, height', width']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply(FeatureMap::new(x)).into_images()
    }

    /// As [`Layer::walk`].
    ///
    /// # Errors
    ///
    /// The walker does not know an operation.
    pub fn walk(&self, walker: &mut dyn Walker, x: Value) -> Step {
        self.layer.walk(walker, x)
    }

    /// As [`Layer::parts`].
    pub fn parts(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        self.layer.parts(each);
    }

    pub(crate) fn apply(&self, x: FeatureMap) -> FeatureMap {
        self.layer.apply(x)
    }

    /// The names of its place in a network, from the outside in.
    fn places(&self) -> impl DoubleEndedIterator<Item = &'static str> + use<> {
        let unit = self.unit.then_some("Unit");
        unit.into_iter().chain([self.kind])
    }

    fn replaced(self, each: impl FnOnce(Box<dyn Erased>) -> Box<dyn Erased>) -> Self {
        Self {
            layer: each(self.layer),
            ..self
        }
    }

    fn with(&self, layer: Box<dyn Erased>) -> Self {
        Self {
            layer,
            kind: self.kind,
            unit: self.unit,
        }
    }
}

impl Module for AnyLayer {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.layer.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        self.replaced(|layer| layer.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.replaced(|layer| layer.to_device(device))
    }

    fn train(self) -> Self {
        self.replaced(|layer| layer.train())
    }

    fn valid(&self) -> Self {
        self.with(self.layer.valid())
    }

    fn materialize(self) -> Self {
        self.replaced(|layer| layer.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.places()
            .for_each(|place| visitor.enter_module(place, CONTAINER));
        self.layer.visit(visitor);
        self.places()
            .rev()
            .for_each(|place| visitor.exit_module(place, CONTAINER));
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        self.places()
            .for_each(|place| mapper.enter_module(place, CONTAINER));
        let mapped = self.replaced(|layer| layer.map(mapper));
        mapped
            .places()
            .rev()
            .for_each(|place| mapper.exit_module(place, CONTAINER));
        mapped
    }
}

impl ModuleDisplayDefault for AnyLayer {
    fn content(&self, content: Content) -> Option<Content> {
        self.layer.content(content.set_top_level_type(self.kind))
    }
}

impl ModuleDisplay for AnyLayer {}

impl Clone for AnyLayer {
    fn clone(&self) -> Self {
        self.with(self.layer.clone_box())
    }
}

impl fmt::Debug for AnyLayer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layer.fmt(formatter)
    }
}

impl Named for AnyLayer {
    fn visit_state<V: StateVisitor>(&mut self, visitor: &mut V) {
        self.layer.parts(&mut |mut part| part.visit_state(visitor));
    }
}
