//! A map of several arrays whose channels stand one behind the other's, on the Flex backend with gradients, and those who read it.
//!
//! Each array but the first was computed from the whole map before it. A reader records the last array as its parent, through which the
//! others are reached, and leaves the gradients of the others in slots that all readers share; the reader for which an array was the last
//! one comes last for it, and hands the sum to Burn.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex, tensor::FloatTensor};
use burn::tensor::Tensor;

use super::concat::concat;
use super::flex::{Dense, from_tracked, register, small, to_tensor, tracked};
use super::map::{Content, Map};
use crate::buffer::Buffer;
use crate::profile::timed;
use crate::{Activation, JoinedNorm, Member, Moments, Target, join, join_normalized, settle};

/// The map. There is one owner, so that nothing can be put behind the same channels twice.
pub(super) struct Growing {
    arrays: Vec<Array>,
    /// The last array with its history.
    last: Tracked,
    slots: Slots,
}

#[derive(Debug, Clone)]
struct Array {
    /// `[batch, height, width, channels]`.
    numbers: Dense,
    /// Whether somebody wants its gradient.
    tracked: bool,
    moments: Arc<OnceLock<Moments>>,
}

impl Array {
    fn new(tensor: &Tracked) -> Self {
        Self {
            numbers: Dense::new(tensor.clone().into_primitive()),
            tracked: tensor.is_tracked(),
            moments: Arc::default(),
        }
    }

    fn channels(&self) -> usize {
        self.numbers.dims::<4>()[3]
    }

    fn member(&self) -> Member<'_> {
        Member {
            numbers: self.numbers.slice(),
            channels: self.channels(),
        }
    }
}

impl Growing {
    pub(super) fn new(tensor: Tracked) -> Self {
        Self {
            arrays: vec![Array::new(&tensor)],
            last: tensor,
            slots: Slots::default(),
        }
    }

    pub(super) fn dims(&self) -> [usize; 4] {
        let [batch, height, width, _] = self.arrays[0].numbers.dims();
        let channels = self.arrays.iter().map(Array::channels).sum();
        [batch, height, width, channels]
    }

    /// The batch's moments of all channels.
    pub(super) fn moments(&self) -> Moments {
        let mut all = Moments {
            mean: Vec::new(),
            variance: Vec::new(),
        };
        for array in &self.arrays {
            let found = array
                .moments
                .get_or_init(|| crate::moments(array.numbers.slice(), array.channels()));
            all.mean.extend(&found.mean);
            all.variance.extend(&found.variance);
        }
        all
    }

    /// With the channels of `added`, which was computed from the whole map, behind its own.
    pub(super) fn push(mut self, added: Tensor<4>) -> Map {
        let added = tracked(added);
        if self.last.is_tracked() && !added.is_tracked() {
            // Somebody took the gradients away, so that the earlier arrays cannot be reached through this one.
            return concat(vec![self.into_tensor(), from_tracked(added)]).into();
        }
        self.arrays.push(Array::new(&added));
        self.last = added;
        Map(Content::Growing(Box::new(self)))
    }

    /// As one tensor.
    pub(super) fn into_tensor(self) -> Tensor<4> {
        match self.arrays.len() {
            1 => from_tracked(self.last),
            _ => from_tracked(self.read(Reading { factors: None }, Activation::Identity)),
        }
    }

    /// The map read by an operation.
    pub(super) fn read(&self, reading: Reading, activation: Activation) -> Tracked {
        let Reading { factors } = reading;
        let [before, behind] = match &factors {
            Some((before, behind, _)) => [before, behind].map(|factor| factor.node()),
            None => [(); 2].map(|()| self.last.node()),
        };
        let guards = [self.last.node(), before, behind];
        let channels = self.dims()[3];
        let factors = match factors {
            None => Used::none(channels),
            Some((before, behind, epsilon)) => {
                let [before, behind] =
                    [before, behind].map(|factor| Dense::new(factor.into_primitive()));
                match epsilon {
                    None => Used {
                        scale: before.slice().to_vec(),
                        shift: behind.slice().to_vec(),
                        mean: vec![0.0; channels],
                        inv_std: None,
                    },
                    Some(epsilon) => {
                        Used::of_batch(&self.moments(), before.slice(), behind.slice(), epsilon)
                    }
                }
            }
        };
        let dims = self.dims();
        let members: Vec<Member<'_>> = self.arrays.iter().map(Array::member).collect();
        let mut out = Buffer::unspecified(dims.iter().product());
        timed(
            || name("join", dims),
            0.0,
            || match guards[1].id() == guards[0].id() {
                true => join(&members, &mut out),
                false => {
                    let (scale, shift) = (&factors.scale, &factors.shift);
                    join_normalized(&members, scale, shift, activation, &mut out)
                }
            },
        );
        let output = to_tensor(out, &dims);
        let has_factors = guards[1].id() != guards[0].id();
        let prep = ReadBackward
            .prepare::<NoCheckpointing>(guards)
            .compute_bound()
            .stateful();
        match prep {
            OpsKind::Tracked(prep) => {
                let state = State {
                    arrays: self.arrays.clone(),
                    slots: self.slots.clone(),
                    factors,
                    has_factors,
                    activation,
                };
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

/// A tensor with its history.
type Tracked = FloatTensor<Autodiff<Flex>>;

/// What an operation makes of the map that it reads.
pub(super) struct Reading {
    /// Gamma and beta with the epsilon of a normalisation by the batch's own moments, or scale and shift.
    factors: Option<(Tracked, Tracked, Option<f64>)>,
}

impl Reading {
    pub(super) fn of_batch(gamma: Tracked, beta: Tracked, epsilon: f64) -> Self {
        Self {
            factors: Some((gamma, beta, Some(epsilon))),
        }
    }

    pub(super) fn constant(scale: Tracked, shift: Tracked) -> Self {
        Self {
            factors: Some((scale, shift, None)),
        }
    }
}

/// The factors of a reading, `[channels]` each.
#[derive(Debug, Clone)]
struct Used {
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// About which the products of the gradients are taken.
    mean: Vec<f32>,
    /// Of a normalisation by the batch's own moments.
    inv_std: Option<Vec<f32>>,
}

impl Used {
    fn none(channels: usize) -> Self {
        Self {
            scale: vec![1.0; channels],
            shift: vec![0.0; channels],
            mean: vec![0.0; channels],
            inv_std: None,
        }
    }

    fn of_batch(moments: &Moments, gamma: &[f32], beta: &[f32], epsilon: f64) -> Self {
        let inv_std: Vec<f32> = moments
            .variance
            .iter()
            .map(|v| (1.0 / (f64::from(*v) + epsilon).sqrt()) as f32)
            .collect();
        let scale: Vec<f32> = gamma.iter().zip(&inv_std).map(|(g, inv)| g * inv).collect();
        let shift = beta.iter().zip(&moments.mean).zip(&scale);
        Self {
            shift: shift
                .map(|((beta, mean), scale)| beta - mean * scale)
                .collect(),
            scale,
            mean: moments.mean.clone(),
            inv_std: Some(inv_std),
        }
    }
}

/// The parents are the last array, gamma and beta or scale and shift; where there are none, the array stands in their place.
#[derive(Debug)]
struct ReadBackward;

#[derive(Debug, Clone)]
struct State {
    arrays: Vec<Array>,
    slots: Slots,
    factors: Used,
    has_factors: bool,
    activation: Activation,
}

impl Backward<Flex, 3> for ReadBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [node, before, behind] = ops.parents;
        let State {
            arrays,
            slots,
            factors,
            has_factors,
            activation,
        } = ops.state;
        let gradient = Dense::new(grads.consume::<Flex>(&ops.node));
        let dims = gradient.dims::<4>();
        let mut gathered = slots.take(arrays.len());
        let [sums, products] = timed(
            || name("backward", dims),
            0.0,
            || gather(&arrays, &factors, activation, &gradient, &mut gathered),
        );
        drop(gradient);
        // The gradient of the first factor: of gamma, about the mean and in deviations.
        let first = |c: usize| match &factors.inv_std {
            Some(inv_std) => products[c] * f64::from(inv_std[c]),
            None => products[c],
        };
        if let Some(inv_std) = &factors.inv_std {
            let count = (dims[0] * dims[1] * dims[2]) as f64;
            let mut channel = 0;
            for (array, slot) in arrays.iter().zip(&mut gathered) {
                let settled = slot
                    .settled
                    .get_or_insert_with(|| [(); 2].map(|()| vec![0.0; array.channels()]));
                let [constants, slopes] = settled;
                for (constant, of_slope) in constants.iter_mut().zip(slopes) {
                    let scale = f64::from(factors.scale[channel]) / count;
                    let slope = f64::from(inv_std[channel]) * first(channel);
                    *constant += scale * sums[channel];
                    *of_slope += scale * slope;
                    channel += 1;
                }
            }
        }
        if let Some(node) = node {
            let last = arrays.last().expect("a map has an array");
            let slot = gathered.last_mut().map(std::mem::take);
            if let Some(gradient) = slot.and_then(|slot| slot.finish(last)) {
                register(
                    grads,
                    node.id,
                    to_tensor(gradient, &last.numbers.dims::<4>()),
                );
            }
        }
        slots.put(gathered);
        if has_factors {
            if let Some(node) = before {
                let all: Vec<f32> = (0..dims[3]).map(|c| first(c) as f32).collect();
                register(grads, node.id, small(&all));
            }
            if let Some(node) = behind {
                let all: Vec<f32> = sums.iter().map(|sum| *sum as f32).collect();
                register(grads, node.id, small(&all));
            }
        }
    }
}

/// Adds a reader's gradient to those of the arrays; returns the sums of the gradient in front of the activation, and of its products with
/// the numbers' distances from the mean.
fn gather(
    arrays: &[Array],
    factors: &Used,
    activation: Activation,
    gradient: &Dense,
    slots: &mut [Slot],
) -> [Vec<f64>; 2] {
    let members: Vec<Member<'_>> = arrays.iter().map(Array::member).collect();
    let mut targets: Vec<Target<'_>> = arrays
        .iter()
        .zip(slots)
        .map(|(array, slot)| match (array.tracked, &mut slot.gradient) {
            (false, _) => Target::Nothing,
            (true, Some(gradient)) => Target::Add(gradient),
            (true, empty) => {
                Target::Store(empty.insert(Buffer::unspecified(array.numbers.slice().len())))
            }
        })
        .collect();
    let norm = JoinedNorm {
        maps: &members,
        scale: &factors.scale,
        shift: &factors.shift,
        mean: &factors.mean,
        activation,
        gradient: gradient.slice(),
    };
    norm.backward(&mut targets)
}

/// What the readers of an array have left for it.
#[derive(Default)]
struct Slot {
    /// The sum of `scale * g`.
    gradient: Option<Buffer>,
    /// What the moments take off it: a constant, and a slope about the mean.
    settled: Option<[Vec<f64>; 2]>,
}

impl Slot {
    /// The gradient of the array.
    fn finish(self, array: &Array) -> Option<Buffer> {
        let mut gradient = self.gradient?;
        if let Some((settled, moments)) = self.settled.zip(array.moments.get()) {
            let [constant, slope] =
                settled.map(|numbers| numbers.iter().map(|x| *x as f32).collect::<Vec<f32>>());
            let (x, mean) = (array.numbers.slice(), &moments.mean);
            settle(x, mean, &constant, &slope, &mut gradient);
        }
        Some(gradient)
    }
}

/// A slot for each array.
#[derive(Clone, Default)]
struct Slots(Arc<Mutex<Vec<Slot>>>);

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

impl Slots {
    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of the first `count` arrays.
    fn take(&self, count: usize) -> Vec<Slot> {
        let mut all = self.all();
        if all.len() < count {
            all.resize_with(count, Slot::default);
        }
        all[..count].iter_mut().map(std::mem::take).collect()
    }

    fn put(&self, slots: Vec<Slot>) {
        for (place, slot) in self.all().iter_mut().zip(slots) {
            *place = slot;
        }
    }
}

fn name(what: &str, [_, height, width, channels]: [usize; 4]) -> String {
    format!("joined {what} {height}x{width}x{channels}")
}
