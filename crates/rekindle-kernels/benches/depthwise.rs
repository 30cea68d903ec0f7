//! Times of the depthwise convolutions of tf_efficientnet_lite0, forward (alone, and with the moments of its results) and backward.
//!
//! `cargo bench --bench depthwise [-- BATCH]`; one thread with `RAYON_NUM_THREADS=1`.

use std::hint::black_box;
use std::time::Instant;

use rekindle_kernels::{
    ConvShape, Epilogue, conv_backward_input, conv_backward_weight, conv_forward,
    conv_forward_moments,
};

/// Size of the image, channels, kernel and stride.
const SHAPES: [(usize, usize, usize, usize); 12] = [
    (112, 32, 3, 1),
    (112, 96, 3, 2),
    (56, 144, 3, 1),
    (56, 144, 5, 2),
    (28, 240, 5, 1),
    (28, 240, 3, 2),
    (14, 480, 3, 1),
    (14, 480, 5, 1),
    (14, 672, 5, 1),
    (14, 672, 5, 2),
    (7, 1152, 5, 1),
    (7, 1152, 3, 1),
];

/// The least and the median time of a call in seconds, over half a second of calls.
fn time(mut work: impl FnMut()) -> [f64; 2] {
    let start = Instant::now();
    work();
    let runs = (0.5 / start.elapsed().as_secs_f64()).clamp(5.0, 2000.0) as usize;
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    [times[0], times[runs / 2]]
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| ((i * 7919) % 1013) as f32 / 1013.0 - 0.5)
        .collect()
}

fn main() {
    let batch = std::env::args()
        .nth(1)
        .and_then(|arg| arg.parse().ok())
        .unwrap_or(16);
    println!(
        "batch {batch}; least and median ms, then by the median GFLOP/s and GB/s of the tensors read and written once"
    );
    for (size, channels, kernel, stride) in SHAPES {
        let shape = ConvShape::new(batch, [size; 2], [channels; 2], kernel)
            .with_stride(stride)
            .with_groups(channels);
        let (x, dy, weight) = (
            numbers(shape.input_len()),
            numbers(shape.output_len()),
            numbers(shape.weight_len()),
        );
        let mut out = dy.clone();
        let mut dx = x.clone();
        let mut dw = weight.clone();
        let times = [
            time(|| {
                conv_forward(
                    &shape,
                    black_box(&x),
                    &weight,
                    Epilogue::default(),
                    &mut out,
                )
            }),
            time(|| {
                black_box(conv_forward_moments(
                    &shape,
                    black_box(&x),
                    &weight,
                    &mut out,
                ));
            }),
            time(|| conv_backward_input(&shape, black_box(&dy), &weight, &mut dx)),
            time(|| conv_backward_weight(&shape, black_box(&x), &dy, &mut dw)),
        ];
        let flops = 2.0 * (dy.len() * kernel * kernel) as f64;
        let bytes = 4.0 * (x.len() + dy.len()) as f64;
        print!("{size:>4} {channels:>5} k{kernel} s{stride}");
        for (pass, [least, time]) in ["forward", "moments", "input", "weight"].iter().zip(times) {
            print!(
                "   {pass} {:>6.3} {:>6.3} ms {:>4.0} GF {:>3.0} GB",
                least * 1e3,
                time * 1e3,
                flops / time * 1e-9,
                bytes / time * 1e-9
            );
        }
        println!();
    }
}
