//! The activations as types, so that the compiler knows which one a loop applies.

use crate::Activation;

/// An activation that the compiler knows, so that no loop chooses among them.
pub(crate) trait Known: Copy + Send + Sync {
    const ACTIVATION: Activation;
}

macro_rules! known {
    ($($name:ident),*) => {$(
        #[derive(Clone, Copy)]
        pub(crate) struct $name;
        impl Known for $name {
            const ACTIVATION: Activation = Activation::$name;
        }
    )*};
}
known!(
    Identity,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    HardSwish,
    HardSigmoid,
    Gelu
);

/// Evaluates `$body` with `$Known` as the type of the activation.
macro_rules! with_known {
    ($activation:expr, $Known:ident => $body:expr) => {
        $crate::channels::with_known!(@ $activation, $Known, $body;
            Identity Relu Relu6 Sigmoid Silu HardSwish HardSigmoid Gelu)
    };
    (@ $activation:expr, $Known:ident, $body:expr; $($name:ident)*) => {
        match $activation {
            $($crate::Activation::$name => {
                type $Known = $crate::channels::known::$name;
                $body
            })*
        }
    };
}
pub(crate) use with_known;
