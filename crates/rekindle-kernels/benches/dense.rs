//! Dense convolutions of the common networks, forward and backward: milliseconds and GFLOP/s (of the direct algorithm), medians.
//!
//!     cargo bench -p rekindle-kernels --no-default-features --bench dense [FILTER]          (BATCH=N: 16)

use std::time::Instant;

use rekindle_kernels::{
    Activation, ConvShape, Epilogue, Precision, conv_backward_input, conv_backward_weight,
    conv_forward,
};

fn median(runs: usize, mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|a| !a.starts_with('-'))
        .unwrap_or_default();
    // Size, channels in and out, kernel, stride.
    let shapes = [
        (224, 3, 64, 7, 2),
        (224, 3, 32, 3, 2),
        (224, 3, 16, 3, 2),
        (56, 64, 64, 3, 1),
        (28, 128, 128, 3, 1),
        (14, 256, 256, 3, 1),
        (7, 512, 512, 3, 1),
        (56, 64, 128, 3, 2),
        (14, 256, 512, 3, 2),
        (56, 64, 64, 1, 1),
        (56, 64, 256, 1, 1),
        (56, 256, 64, 1, 1),
        (28, 128, 512, 1, 1),
        (28, 512, 128, 1, 1),
        (14, 256, 1024, 1, 1),
        (14, 1024, 256, 1, 1),
        (7, 512, 2048, 1, 1),
        (7, 2048, 512, 1, 1),
        (56, 256, 512, 1, 2),
        (112, 32, 16, 1, 1),
        (112, 16, 96, 1, 1),
        (56, 96, 24, 1, 1),
        (56, 24, 144, 1, 1),
        (28, 240, 40, 1, 1),
        (14, 112, 672, 1, 1),
        (14, 480, 112, 1, 1),
        (7, 192, 1152, 1, 1),
        (7, 1152, 320, 1, 1),
        (7, 320, 1280, 1, 1),
        (6, 256, 4096, 6, 1),
        (7, 512, 4096, 7, 1),
        (1, 4096, 4096, 1, 1),
        (1, 1024, 256, 1, 1),
        (1, 512, 2048, 1, 1),
    ];
    let batch =
        std::env::var("BATCH").map_or(16, |batch| batch.parse().expect("BATCH is a number"));
    println!(
        "{:>31} {:>18} {:>18} {:>18}",
        format!("batch {batch}"),
        "forward",
        "backward input",
        "backward weight"
    );
    for (size, channels_in, channels_out, kernel, stride) in shapes {
        let name = format!("{size}px {channels_in}->{channels_out} k{kernel} s{stride}");
        if !name.contains(&filter) {
            continue;
        }
        let mut shape = ConvShape::new(batch, [size, size], [channels_in, channels_out], kernel)
            .with_stride(stride);
        if kernel == 1 || kernel == size {
            shape.padding = [[0; 2]; 2];
        }
        let fill = |len: usize| -> Vec<f32> {
            (0..len)
                .map(|i| ((i * 2_654_435_761) % 1000) as f32 / 500.0 - 1.0)
                .collect()
        };
        let x = fill(shape.input_len());
        let weight = fill(shape.weight_len());
        let bias = fill(channels_out);
        let dy = fill(shape.output_len());
        let mut out = fill(shape.output_len());
        let mut dx = fill(shape.input_len());
        let mut dw = fill(shape.weight_len());
        let flop = 2.0 * shape.output_len() as f64 * (shape.weight_len() / channels_out) as f64;
        let epilogue = Epilogue {
            bias: Some(&bias),
            activation: Activation::Relu,
            ..Epilogue::default()
        };
        for precision in [Precision::F32, Precision::Bf16] {
            if !precision.is_available() {
                continue;
            }
            let shape = shape.with_precision(precision);
            let times = [
                median(9, || conv_forward(&shape, &x, &weight, epilogue, &mut out)),
                median(9, || conv_backward_input(&shape, &dy, &weight, &mut dx)),
                median(9, || conv_backward_weight(&shape, &x, &dy, &mut dw)),
            ];
            print!("{name:>26} {:>4}", format!("{precision:?}").to_lowercase());
            for ms in times {
                print!(" {ms:>8.2} ms {:>5.0} G", flop / ms / 1e6);
            }
            println!();
        }
    }
}
