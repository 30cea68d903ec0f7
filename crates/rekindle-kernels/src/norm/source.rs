//! Where the gradient before the activation comes from: memory, or the gradient behind it and what the forward pass kept.

use std::marker::PhantomData;

use crate::channels::{Access, Known, Registers};
use crate::parallel::Shared;
use crate::simd::Simd;

/// A way to the gradient before the activation.
pub(super) trait Source: Copy + Send + Sync {
    /// The shift of a register's channels, or anything where the source has no use for it. Must be `#[inline(always)]`, as below.
    ///
    /// # Safety
    ///
    /// As for [`Pass::step`](crate::channels::Pass::step).
    #[inline(always)]
    unsafe fn shift<S: Simd, A: Access<S>>(&self, s: S, _: Registers<A>) -> S::V {
        s.zero()
    }

    /// The gradients of the registers' row `r`, given the input there and its channels' scale and shift.
    ///
    /// # Safety
    ///
    /// As for [`Pass::step`](crate::channels::Pass::step).
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        at: Registers<A>,
        r: usize,
        y: S::V,
        scale: S::V,
        shift: S::V,
    ) -> S::V;
}

/// In memory.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) gradient: &'a [f32],
}

impl Source for Stored<'_> {
    #[inline(always)]
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        at: Registers<A>,
        r: usize,
        _: S::V,
        _: S::V,
        _: S::V,
    ) -> S::V {
        // SAFETY: inside the array by the caller's promise.
        unsafe { at.load(s, r, self.gradient) }
    }
}

/// In the memory that is being written.
#[derive(Clone, Copy)]
pub(super) struct InPlace {
    pub(super) gradient: Shared<f32>,
}

impl Source for InPlace {
    #[inline(always)]
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        at: Registers<A>,
        r: usize,
        _: S::V,
        _: S::V,
        _: S::V,
    ) -> S::V {
        // SAFETY: inside the array by the caller's promise, and no other thread writes here.
        unsafe { at.load_shared(s, r, self.gradient) }
    }
}

/// From the activation's result.
#[derive(Clone, Copy)]
pub(super) struct FromOutput<'a, K> {
    pub(super) gradient: &'a [f32],
    pub(super) output: &'a [f32],
    pub(super) activation: PhantomData<K>,
}

impl<K: Known> Source for FromOutput<'_, K> {
    #[inline(always)]
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        at: Registers<A>,
        r: usize,
        _: S::V,
        _: S::V,
        _: S::V,
    ) -> S::V {
        // SAFETY: inside the arrays by the caller's promise.
        unsafe {
            let output = at.load(s, r, self.output);
            K::ACTIVATION.backward(s, output, at.load(s, r, self.gradient))
        }
    }
}

/// From the activation's input, computed again.
#[derive(Clone, Copy)]
pub(super) struct FromInput<'a, K, const RESIDUAL: bool> {
    pub(super) gradient: &'a [f32],
    pub(super) shift: &'a [f32],
    pub(super) residual: &'a [f32],
    pub(super) activation: PhantomData<K>,
}

impl<K: Known, const RESIDUAL: bool> Source for FromInput<'_, K, RESIDUAL> {
    #[inline(always)]
    unsafe fn shift<S: Simd, A: Access<S>>(&self, s: S, at: Registers<A>) -> S::V {
        // SAFETY: inside the pattern by the caller's promise.
        unsafe { at.pattern(s, self.shift) }
    }

    #[inline(always)]
    unsafe fn gradient<S: Simd, A: Access<S>>(
        &self,
        s: S,
        at: Registers<A>,
        r: usize,
        y: S::V,
        scale: S::V,
        shift: S::V,
    ) -> S::V {
        let mut u = s.mul_add(y, scale, shift);
        // SAFETY: inside the arrays by the caller's promise.
        unsafe {
            if RESIDUAL {
                u = s.add(u, at.load(s, r, self.residual));
            }
            K::ACTIVATION.backward(s, u, at.load(s, r, self.gradient))
        }
    }
}
