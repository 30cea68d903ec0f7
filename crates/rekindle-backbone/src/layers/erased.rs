//! Burn's visitors and mappers of parameters without generic methods, and back again.
//!
//! A parameter travels as [`Any`] and is asked for its number of dimensions on the other side.

use std::any::Any;

use burn::module::{Flag, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};

/// Runs a block for every number of dimensions that a parameter may have, as the constant `$rank`.
macro_rules! each_rank {
    ($rank:ident => $body:block) => {
        each_rank!(@ $rank $body 1 2 3 4 5 6 7 8)
    };
    (@ $rank:ident $body:block $($n:literal)*) => {
        $({
            const $rank: usize = $n;
            $body
        })*
    };
}

/// A [`ModuleVisitor`].
pub(super) trait AnyVisitor {
    /// A `Param` of a tensor.
    fn any_parameter(&mut self, parameter: &dyn Any);
    /// A tensor, with the way to it.
    fn any_tensor(&mut self, path: &[String], id: ParamId, tensor: &dyn Any);
    fn any_flag(&mut self, flag: &Param<Flag>);
    fn any_enter(&mut self, name: &str, container: &str);
    fn any_exit(&mut self, name: &str, container: &str);
}

impl<V: ModuleVisitor> AnyVisitor for V {
    fn any_parameter(&mut self, parameter: &dyn Any) {
        each_rank!(D => {
            if let Some(parameter) = parameter.downcast_ref::<Param<Tensor<D>>>() {
                return self.visit_float(parameter);
            }
            if let Some(parameter) = parameter.downcast_ref::<Param<Tensor<D, Int>>>() {
                return self.visit_int(parameter);
            }
            if let Some(parameter) = parameter.downcast_ref::<Param<Tensor<D, Bool>>>() {
                return self.visit_bool(parameter);
            }
        });
        unreachable!("a parameter of more than eight dimensions");
    }

    fn any_tensor(&mut self, path: &[String], id: ParamId, tensor: &dyn Any) {
        each_rank!(D => {
            if let Some(tensor) = tensor.downcast_ref::<Tensor<D>>() {
                return self.visit_float_with_path(path, id, tensor);
            }
            if let Some(tensor) = tensor.downcast_ref::<Tensor<D, Int>>() {
                return self.visit_int_with_path(path, id, tensor);
            }
            if let Some(tensor) = tensor.downcast_ref::<Tensor<D, Bool>>() {
                return self.visit_bool_with_path(path, id, tensor);
            }
        });
        unreachable!("a tensor of more than eight dimensions");
    }

    fn any_flag(&mut self, flag: &Param<Flag>) {
        self.visit_flag(flag);
    }

    fn any_enter(&mut self, name: &str, container: &str) {
        self.enter_module(name, container);
    }

    fn any_exit(&mut self, name: &str, container: &str) {
        self.exit_module(name, container);
    }
}

/// A [`ModuleMapper`].
pub(super) trait AnyMapper {
    /// An `Option<Param>` of a tensor, which is there and is replaced.
    fn any_parameter(&mut self, slot: &mut dyn Any);
    fn any_flag(&mut self, flag: Param<Flag>) -> Param<Flag>;
    fn any_enter(&mut self, name: &str, container: &str);
    fn any_exit(&mut self, name: &str, container: &str);
}

impl<M: ModuleMapper> AnyMapper for M {
    fn any_parameter(&mut self, slot: &mut dyn Any) {
        each_rank!(D => {
            if let Some(slot) = slot.downcast_mut::<Option<Param<Tensor<D>>>>() {
                *slot = slot.take().map(|parameter| self.map_float(parameter));
                return;
            }
            if let Some(slot) = slot.downcast_mut::<Option<Param<Tensor<D, Int>>>>() {
                *slot = slot.take().map(|parameter| self.map_int(parameter));
                return;
            }
            if let Some(slot) = slot.downcast_mut::<Option<Param<Tensor<D, Bool>>>>() {
                *slot = slot.take().map(|parameter| self.map_bool(parameter));
                return;
            }
        });
        unreachable!("a parameter of more than eight dimensions");
    }

    fn any_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.map_flag(flag)
    }

    fn any_enter(&mut self, name: &str, container: &str) {
        self.enter_module(name, container);
    }

    fn any_exit(&mut self, name: &str, container: &str) {
        self.exit_module(name, container);
    }
}

/// Burn's interface over the one without generic methods.
pub(super) struct Through<'a, T: ?Sized>(pub &'a mut T);

impl ModuleVisitor for Through<'_, dyn AnyVisitor + '_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.any_parameter(param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.0.any_parameter(param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.0.any_parameter(param);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.any_flag(flag);
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.0.any_enter(name, container_type);
    }

    fn exit_module(&mut self, name: &str, container_type: &str) {
        self.0.any_exit(name, container_type);
    }

    fn visit_float_with_path<const D: usize>(
        &mut self,
        path: &[String],
        id: ParamId,
        tensor: &Tensor<D>,
    ) {
        self.0.any_tensor(path, id, tensor);
    }

    fn visit_int_with_path<const D: usize>(
        &mut self,
        path: &[String],
        id: ParamId,
        tensor: &Tensor<D, Int>,
    ) {
        self.0.any_tensor(path, id, tensor);
    }

    fn visit_bool_with_path<const D: usize>(
        &mut self,
        path: &[String],
        id: ParamId,
        tensor: &Tensor<D, Bool>,
    ) {
        self.0.any_tensor(path, id, tensor);
    }
}

/// What a mapper made of a parameter.
fn mapped<P: 'static>(mapper: &mut (dyn AnyMapper + '_), parameter: P) -> P {
    let mut slot = Some(parameter);
    mapper.any_parameter(&mut slot);
    slot.expect("a mapper gives back what it takes")
}

impl ModuleMapper for Through<'_, dyn AnyMapper + '_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.0.any_enter(name, container_type);
    }

    fn exit_module(&mut self, name: &str, container_type: &str) {
        self.0.any_exit(name, container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        mapped(self.0, param)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        mapped(self.0, param)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        mapped(self.0, param)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.0.any_flag(flag)
    }
}
