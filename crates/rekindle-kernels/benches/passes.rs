//! The passes that memory bounds: milliseconds and GB/s (each array read or written once), beside a plain copy; medians.
//!
//!     cargo bench -p rekindle-kernels --no-default-features --bench passes [FILTER]

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use rekindle_kernels::*;

/// Numbers that start on a cache line, as the kernels' own buffers do.
struct Aligned {
    numbers: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    fn new(len: usize, seed: u32) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let numbers: Vec<f32> = (0..len + 16).map(|_| next()).collect();
        let start = numbers.as_ptr().align_offset(64);
        Self {
            numbers,
            start,
            len,
        }
    }
}

impl Deref for Aligned {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.numbers[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.start..self.start + self.len]
    }
}

struct Bench {
    filter: String,
    shape: String,
}

impl Bench {
    /// Times `work`, which moves `numbers` numbers.
    fn pass(&self, name: &str, numbers: usize, mut work: impl FnMut()) {
        if !format!("{} {name}", self.shape).contains(&self.filter) {
            return;
        }
        work();
        let started = Instant::now();
        let mut times = Vec::new();
        while times.len() < 7 || (started.elapsed().as_secs_f64() < 0.1 && times.len() < 101) {
            let start = Instant::now();
            work();
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let rate = numbers as f64 * 4.0 / median / 1e9;
        let best = times[0] * 1e3;
        println!(
            "{:>12} {name:<34} {:>9.3} ms {rate:>7.1} GB/s, best {best:>9.3} ms",
            self.shape,
            median * 1e3
        );
    }

    fn run(&self, batch: usize, size: usize, channels: usize) {
        let pixels = batch * size * size;
        let n = pixels * channels;
        let (y, residual, gradient) = (Aligned::new(n, 1), Aligned::new(n, 2), Aligned::new(n, 3));
        let (mut out, mut masked) = (Aligned::new(n, 4), Aligned::new(n, 5));
        let (scale, shift, mean) = (
            Aligned::new(channels, 6),
            Aligned::new(channels, 7),
            Aligned::new(channels, 8),
        );
        let inv_std = vec![1.5f32; channels];

        self.pass("copy", 2 * n, || out.copy_from_slice(&y));
        self.pass("moments", n, || {
            std::hint::black_box(moments(&y, channels));
        });
        for activation in [Activation::Relu, Activation::Silu] {
            self.pass(&format!("normalize {activation:?}"), 2 * n, || {
                normalize_act(&y, &scale, &shift, None, activation, &mut out);
            });
        }
        self.pass("normalize Relu residual", 3 * n, || {
            normalize_act(
                &y,
                &scale,
                &shift,
                Some(&residual),
                Activation::Relu,
                &mut out,
            );
        });
        let output = Aligned::new(n, 9);
        let backward = |activation, residual| NormActBackward {
            y: &y,
            scale: &scale,
            shift: &shift,
            mean: &mean,
            inv_std: &inv_std,
            residual,
            output: Some(&output),
            activation,
            gradient: &gradient,
        };
        let (relu, silu) = (
            backward(Activation::Relu, Some(&residual[..])),
            backward(Activation::Silu, None),
        );
        self.pass("sums Relu masked", 4 * n, || {
            std::hint::black_box(relu.sums(Some(&mut masked)));
        });
        self.pass("sums Silu", 2 * n, || {
            std::hint::black_box(silu.sums(None));
        });
        self.pass("input gradient Relu, from masked", 3 * n, || {
            relu.input_gradient(&mean, &shift, pixels, Some(&masked), &mut out);
        });
        self.pass("input gradient Relu, in place", 3 * n, || {
            relu.input_gradient_in_place(&mean, &shift, pixels, &mut masked);
        });
        self.pass("input gradient Silu", 3 * n, || {
            silu.input_gradient(&mean, &shift, pixels, None, &mut out);
        });
        self.pass("frozen backward Relu", 3 * n, || {
            let at = Derivative::Output(&output);
            std::hint::black_box(act_backward(
                at,
                Activation::Relu,
                &gradient,
                channels,
                Some(&scale),
                &mut out,
            ));
        });
        self.elementwise(&y, &gradient, &mut out);
        self.images(batch, size, channels, &y, &gradient, &mut out);
    }

    fn elementwise(&self, y: &[f32], gradient: &[f32], out: &mut [f32]) {
        let n = y.len();
        self.pass("activate Silu", 2 * n, || {
            activate(y, Activation::Silu, out)
        });
        self.pass("activate backward Silu", 3 * n, || {
            activate_backward(y, gradient, Activation::Silu, out)
        });
        self.pass("add activate Relu", 3 * n, || {
            add_activate(y, gradient, Activation::Relu, out)
        });
    }

    fn images(
        &self,
        batch: usize,
        size: usize,
        channels: usize,
        y: &[f32],
        gradient: &[f32],
        out: &mut [f32],
    ) {
        let n = y.len();
        let factor = Aligned::new(batch * channels, 10);
        let mut means = Aligned::new(batch * channels, 11);
        self.pass("gate", 2 * n, || gate(y, &factor, batch, out));
        self.pass("gate backward", 3 * n, || {
            std::hint::black_box(gate_backward(y, &factor, batch, gradient, out));
        });
        self.pass("global average", n, || {
            global_average_pool(y, batch, &mut means)
        });
        self.pass("global average backward", n, || {
            global_average_pool_backward(&factor, batch, out)
        });
        self.pass("nchw to nhwc", 2 * n, || {
            nchw_to_nhwc(y, batch, channels, out)
        });
        self.pass("nhwc to nchw", 2 * n, || {
            nhwc_to_nchw(y, batch, channels, out)
        });

        let shape = PoolShape::new(batch, [size, size], channels, 3, 2, 1);
        let m = shape.output_len();
        let (mut small, mut taps) = (Aligned::new(m, 12), vec![0; m]);
        let moved = n + m + m / 4;
        self.pass("max pool 3x3/2", moved, || {
            max_pool(&shape, y, &mut small, Some(&mut taps))
        });
        self.pass("max pool 3x3/2 backward", moved, || {
            max_pool_backward(&shape, &taps, &small, out)
        });
        self.pass("average pool 3x3/2", n + m, || {
            average_pool(&shape, y, &mut small)
        });
        self.pass("average pool 3x3/2 backward", n + m, || {
            average_pool_backward(&shape, &small, out)
        });
    }
}

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|a| !a.starts_with('-'))
        .unwrap_or_default();
    let shapes = [
        (16, 112, 64),
        (16, 56, 144),
        (16, 56, 24),
        (16, 28, 240),
        (16, 14, 480),
        (16, 7, 1152),
        (2, 7, 512),
    ];
    for (batch, size, channels) in shapes {
        let shape = format!("{size}x{size}x{channels}");
        if !filter.is_empty() && !filter.contains(&shape) && filter.contains(char::is_numeric) {
            continue;
        }
        Bench {
            filter: filter.clone(),
            shape,
        }
        .run(batch, size, channels);
    }
    let bench = Bench {
        filter,
        shape: "224x224x3".into(),
    };
    let (x, mut out) = (
        Aligned::new(16 * 224 * 224 * 3, 1),
        Aligned::new(16 * 224 * 224 * 3, 2),
    );
    bench.pass("nchw to nhwc", 2 * x.len(), || {
        nchw_to_nhwc(&x, 16, 3, &mut out)
    });
    bench.pass("nhwc to nchw", 2 * x.len(), || {
        nhwc_to_nchw(&x, 16, 3, &mut out)
    });
}
