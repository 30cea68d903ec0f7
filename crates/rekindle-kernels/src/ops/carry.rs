//! A gradient on its way from an operation to an earlier one of the same input.

#[cfg(feature = "flex")]
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

#[cfg(feature = "flex")]
use super::flex::Dense;

/// What lets two operations that read the same tensor share the gradient of it: the later one, whose backward pass comes first, hands
/// its part over, and the earlier one adds that to its own while it writes it. Without it Burn adds the two in a pass of its own, over
/// all of the memory again.
///
/// Make one with [`Carry::default`] for one forward pass, give a clone to the earlier operation as the one that takes, then to the later
/// one as the one that gives. Where the kernels do not compute, it has no effect, and gradients are the same either way.
#[derive(Debug, Clone, Default)]
pub struct Carry {
    #[cfg(feature = "flex")]
    slot: Arc<Slot>,
}

#[cfg(feature = "flex")]
#[derive(Debug, Default)]
struct Slot {
    /// Whether an operation has promised to take what is given.
    taken: AtomicBool,
    gradient: Mutex<Option<Dense>>,
}

#[cfg(feature = "flex")]
impl Carry {
    /// Promises to take the gradient in the backward pass.
    pub(super) fn promise(&self) {
        self.slot.taken.store(true, Ordering::Release);
    }

    /// Whether somebody will take a gradient.
    pub(super) fn is_promised(&self) -> bool {
        self.slot.taken.load(Ordering::Acquire)
    }

    /// Hands a gradient over.
    pub(super) fn give(&self, gradient: Dense) {
        *self.gradient() = Some(gradient);
    }

    /// The gradient that was handed over, if any was.
    pub(super) fn take(&self) -> Option<Dense> {
        self.gradient().take()
    }

    fn gradient(&self) -> std::sync::MutexGuard<'_, Option<Dense>> {
        self.slot
            .gradient
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The carries of an operation with two inputs.
#[derive(Debug, Clone, Default)]
pub struct Carries {
    /// Takes what is to be added to the gradient of the first input.
    pub takes: Option<Carry>,
    /// Is given the gradient of the residual.
    pub gives: Option<Carry>,
}
