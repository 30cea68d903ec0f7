//! Between Burn's tensors on the Flex backend and the kernels' slices.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{
    Autodiff, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex,
    GradientCheckpointingStrategy, TensorMetadata, tensor::FloatTensor,
};
use burn::tensor::{Bytes, DType, Shape, Tensor};

use crate::buffer::Buffer;
use crate::layout::nchw_to_nhwc;

/// Where an operation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// On plain tensors.
    Plain,
    /// Recorded for gradients.
    Tracked,
}

/// The route of an operation on these tensors; none where Burn's own operations must do it.
pub(super) fn route<'a, const D: usize>(
    tensors: impl IntoIterator<Item = &'a Tensor<D>>,
) -> Option<Route> {
    let mut route = Route::Plain;
    for tensor in tensors {
        if tensor.dtype() != DType::F32 {
            return None;
        }
        let DispatchTensor { kind, autodiff } = tensor.clone().into_dispatch();
        let kind = match kind {
            DispatchTensorKind::Autodiff(inner) => *inner,
            kind => kind,
        };
        #[allow(
            unreachable_patterns,
            reason = "there are other kinds where other backends are compiled in"
        )]
        match kind {
            DispatchTensorKind::Flex(_) => {}
            _ => return None,
        }
        match autodiff {
            DispatchAutodiffContext::Disabled => {}
            DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Disabled) => {
                route = Route::Tracked
            }
            DispatchAutodiffContext::Enabled(_) => return None,
        }
    }
    Some(route)
}

/// The widest of two routes; none if either is.
pub(super) fn join(a: Option<Route>, b: Option<Route>) -> Option<Route> {
    match (a?, b?) {
        (Route::Plain, Route::Plain) => Some(Route::Plain),
        _ => Some(Route::Tracked),
    }
}

/// The tensor without its history.
///
/// # Panics
///
/// As [`tracked`].
pub(super) fn plain<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tracked(tensor).into_primitive()
}

/// The tensor with its history; a constant where it has none.
///
/// # Panics
///
/// When it is not a float on Flex. No caller can see that: each has asked [`route`] about this tensor, which lets through nothing but
/// `f32` on Flex, and Burn keeps integers, booleans and quantised numbers under other types.
pub(super) fn tracked<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Autodiff<Flex>> {
    let DispatchTensor { kind, .. } = tensor.into_dispatch();
    let kind = match kind {
        DispatchTensorKind::Autodiff(inner) => *inner,
        kind => kind,
    };
    #[allow(
        unreachable_patterns,
        reason = "there are other kinds where other backends are compiled in"
    )]
    match kind {
        DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => tensor,
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => {
            FloatTensor::<Autodiff<Flex>>::new(tensor)
        }
        _ => unreachable!("a route was found for a tensor that is no float on Flex"),
    }
}

/// A plain tensor for the user.
pub(super) fn from_plain<const D: usize>(tensor: FlexTensor) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(tensor)
}

/// A recorded tensor for the user.
pub(super) fn from_tracked<const D: usize>(tensor: FloatTensor<Autodiff<Flex>>) -> Tensor<D> {
    Tensor::from_primitive::<Autodiff<Flex>>(tensor)
}

/// Dense numbers of a tensor, shared with it where it is dense already.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    tensor: FlexTensor,
}

impl Dense {
    /// The numbers in the order of the tensor's shape.
    pub(super) fn new(tensor: FlexTensor) -> Self {
        if tensor.layout().is_contiguous() {
            return Self { tensor };
        }
        // A view of `[batch, channels, height, width]` as channels-last: transposed by our own kernel.
        let layout = tensor.layout();
        if layout.num_dims() == 4 {
            let back = layout.permute(&[0, 3, 1, 2]);
            if back.is_contiguous() {
                let dims = back.shape().to_vec();
                let (start, end) = (
                    back.start_offset(),
                    back.start_offset() + back.num_elements(),
                );
                let mut out = Buffer::unspecified(end - start);
                nchw_to_nhwc(
                    &tensor.storage::<f32>()[start..end],
                    dims[0],
                    dims[1],
                    &mut out,
                );
                let shape = layout.shape().to_vec();
                return Self {
                    tensor: to_tensor(out, &shape),
                };
            }
        }
        Self {
            tensor: tensor.to_contiguous(),
        }
    }

    pub(super) fn slice(&self) -> &[f32] {
        let layout = self.tensor.layout();
        let start = layout.start_offset();
        &self.tensor.storage::<f32>()[start..start + layout.num_elements()]
    }

    pub(super) fn dims<const D: usize>(&self) -> [usize; D] {
        let shape = self.tensor.shape();
        std::array::from_fn(|d| shape[d])
    }

    pub(super) fn tensor(&self) -> FlexTensor {
        self.tensor.clone()
    }

    /// Whether both are the same memory.
    pub(super) fn is(&self, other: &FlexTensor) -> bool {
        std::ptr::eq(self.tensor.bytes().as_ptr(), other.bytes().as_ptr())
            && self.tensor.layout() == other.layout()
    }
}

/// A tensor over a buffer, without a copy; its memory goes back to the pool when the tensor is dropped.
pub(super) fn to_tensor(buffer: Buffer, shape: &[usize]) -> FlexTensor {
    debug_assert_eq!(buffer.len(), shape.iter().product::<usize>());
    FlexTensor::new(
        to_bytes(buffer),
        Layout::contiguous(Shape::from(shape.to_vec())),
        DType::F32,
    )
}

fn to_bytes(buffer: Buffer) -> Bytes {
    buffer.into_bytes()
}

/// A tensor of few numbers.
pub(super) fn small(numbers: &[f32]) -> FlexTensor {
    let mut buffer = Buffer::unspecified(numbers.len());
    buffer.copy_from_slice(numbers);
    to_tensor(buffer, &[numbers.len()])
}

/// Adds a gradient to what a node has.
pub(super) fn register(grads: &mut Gradients, node: NodeId, gradient: FlexTensor) {
    grads.register::<Flex>(node, gradient);
}
