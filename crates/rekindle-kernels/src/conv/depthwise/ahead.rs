//! Prefetching of the memory that the next rows will need.
//!
//! Tiles are visited in an order that keeps what they share in the nearest cache, but that the processor's own prefetchers do not see
//! through: without help large tensors arrive at a fraction of the memory's rate. The rows that follow lie in one piece, so each step of
//! the present rows asks for a few of its cache lines.

use crate::ConvShape;
use crate::simd::Simd;

/// Numbers in a cache line.
const LINE: usize = 16;

/// Numbers in the input and the output together from which prefetching pays: less is often still in the last-level cache from the
/// operation that wrote it, and then asking for it costs more than it brings.
const LARGE: usize = 3 << 20;

/// Memory that is wanted soon: equally long runs at equal distances. It need not exist.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    at: *const f32,
    run: usize,
    runs: usize,
    distance: usize,
}

impl Ahead {
    /// `len` numbers from `offset` behind (or before) the start of `slice`.
    pub fn new(slice: &[f32], offset: isize, len: usize) -> Self {
        Self {
            at: slice.as_ptr().wrapping_offset(offset),
            run: len,
            runs: 1,
            distance: 0,
        }
    }

    /// Nothing at all unless the convolution's tensors are large.
    pub fn if_large(self, shape: &ConvShape) -> Self {
        let large = shape.input_len() + shape.output_len() >= LARGE;
        Self {
            run: if large { self.run } else { 0 },
            ..self
        }
    }

    /// The `i`-th of `n` equal parts of a piece in one run.
    pub fn part(self, i: usize, n: usize) -> Self {
        let run = self.run.div_ceil(n);
        Self {
            at: self.at.wrapping_add(i * run),
            run,
            ..self
        }
    }

    /// From a piece in one run of pixels with `channels` each, only the channels from `from` to `to`.
    pub fn channels(self, channels: usize, [from, to]: [usize; 2]) -> Self {
        if to - from == channels {
            return self;
        }
        Self {
            at: self.at.wrapping_add(from),
            run: to - from,
            runs: self.run / channels,
            distance: channels,
        }
    }

    /// The memory spread over a number of steps.
    pub fn over(self, steps: usize) -> Cursor {
        let lines = self.run.div_ceil(LINE);
        Cursor {
            ahead: self,
            at: self.at,
            left: lines,
            per_step: (lines * self.runs).div_ceil(steps.max(1)),
        }
    }
}

/// A position in memory that is wanted soon.
pub(super) struct Cursor {
    /// What begins with the present run.
    ahead: Ahead,
    at: *const f32,
    /// Lines left of the present run.
    left: usize,
    per_step: usize,
}

impl Cursor {
    /// Whether nothing is left to ask for.
    pub fn is_done(&self) -> bool {
        self.left == 0 || self.per_step == 0
    }

    /// Asks for the next lines.
    #[inline(always)]
    pub fn step<S: Simd>(&mut self, s: S) {
        let lines = self.per_step.min(self.left);
        for _ in 0..lines {
            s.prefetch(self.at);
            self.at = self.at.wrapping_add(LINE);
        }
        self.left -= lines;
        if self.left == 0 && self.ahead.runs > 1 {
            self.ahead.runs -= 1;
            self.ahead.at = self.ahead.at.wrapping_add(self.ahead.distance);
            self.at = self.ahead.at;
            self.left = self.ahead.run.div_ceil(LINE);
        }
    }
}
