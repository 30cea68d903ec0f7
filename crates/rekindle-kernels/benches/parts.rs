//! The backward pass of 1x1 and depthwise convolutions behind a batch normalisation: the gradient of the convolution's result stored, or computed in
//! parts where it is needed. Milliseconds of the fastest of some runs in turns.
//!
//!     cargo bench -p rekindle-kernels --no-default-features --bench parts [FILTER]

use std::time::Instant;

use rekindle_kernels::{
    Activation, ConvShape, NormActBackward, conv_backward_from_parts, conv_backward_input,
    conv_backward_weight, takes_gradient_in_parts,
};

fn numbers(len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0)
        .collect()
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|a| !a.starts_with('-'))
        .unwrap_or_default();
    let shapes = [
        (112, 16, 64),
        (112, 32, 16),
        (112, 16, 96),
        (56, 24, 144),
        (56, 144, 24),
        (56, 64, 256),
        (56, 256, 64),
        (28, 40, 240),
        (28, 240, 40),
        (28, 128, 512),
        (28, 512, 128),
        (14, 80, 480),
        (14, 112, 672),
        (14, 672, 112),
        (14, 256, 1024),
        (14, 1024, 256),
        (7, 192, 1152),
    ];
    let batch = 16;
    println!("{:>24} {:>9} {:>9}", "batch 16", "stored", "in parts");
    let pointwise = shapes.map(|(size, channels_in, channels_out)| {
        let shape = ConvShape::new(batch, [size, size], [channels_in, channels_out], 1);
        (format!("{size}px {channels_in}->{channels_out}"), shape)
    });
    // Size, channels, kernel, stride.
    let depthwise = [
        (112, 32, 3, 1),
        (112, 96, 3, 2),
        (56, 144, 3, 1),
        (56, 144, 5, 2),
        (28, 240, 5, 1),
        (28, 240, 3, 2),
        (14, 480, 3, 1),
        (14, 672, 5, 1),
        (7, 1152, 5, 1),
    ]
    .map(|(size, channels, kernel, stride)| {
        let shape = ConvShape::new(batch, [size, size], [channels; 2], kernel)
            .with_stride(stride)
            .with_groups(channels);
        (format!("{size}px {channels} k{kernel} s{stride}"), shape)
    });
    for (name, shape) in pointwise.into_iter().chain(depthwise) {
        if !name.contains(&filter) {
            continue;
        }
        let channels_out = shape.channels_out;
        let [x, y, gradient] =
            [shape.input_len(), shape.output_len(), shape.output_len()].map(numbers);
        let weight = numbers(shape.weight_len());
        let ones = vec![1.0; channels_out];
        let count = y.len() / channels_out;
        let norm = NormActBackward {
            y: &y,
            scale: &ones,
            shift: &ones,
            mean: &ones,
            inv_std: &ones,
            residual: None,
            output: None,
            activation: Activation::Relu6,
            gradient: &gradient,
        };
        let mut dy = vec![0.0; shape.output_len()];
        let mut dx = vec![0.0; shape.input_len()];
        let mut dw = vec![0.0; shape.weight_len()];
        let [mut stored, mut in_parts] = [f64::INFINITY; 2];
        for _ in 0..15 {
            stored = stored.min(seconds(|| {
                norm.input_gradient(&ones, &ones, count, None, &mut dy);
                conv_backward_weight(&shape, &x, &dy, &mut dw);
                conv_backward_input(&shape, &dy, &weight, &mut dx);
            }));
            in_parts = in_parts.min(seconds(|| {
                let parts = norm.input_gradient_in_parts(&ones, &ones, count, None);
                let dx = Some(&mut dx[..]);
                conv_backward_from_parts(&shape, &x, &weight, &parts, None, &mut dw, dx);
            }));
        }
        let chosen = if takes_gradient_in_parts(&shape) {
            "in parts"
        } else {
            "stored"
        };
        println!(
            "{name:>24} {:>6.2} ms {:>6.2} ms  {chosen}",
            stored * 1e3,
            in_parts * 1e3
        );
    }
}
