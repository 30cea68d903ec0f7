//! Inverted residuals in inference: an expansion and the depthwise convolution behind it, one after the other and in one pass.
//!
//! `cargo bench --bench expansion [-- IMAGES]`; one thread with `RAYON_NUM_THREADS=1`.

use std::hint::black_box;
use std::time::Instant;

use rekindle_kernels::{Activation, ConvShape, Epilogue, PreparedConv};

/// Size of the map, channels in and out, kernel and stride of the depthwise convolution.
const SHAPES: [(usize, usize, usize, usize, usize); 9] = [
    (112, 16, 96, 3, 2),
    (56, 24, 144, 3, 1),
    (56, 24, 144, 5, 2),
    (28, 40, 240, 5, 1),
    (28, 40, 240, 3, 2),
    (14, 80, 480, 3, 1),
    (14, 112, 672, 5, 1),
    (14, 112, 672, 5, 2),
    (7, 192, 1152, 5, 1),
];

/// The least seconds of a call of each, in turns.
fn times<const N: usize>(mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut least = [f64::INFINITY; N];
    for _ in 0..30 {
        for (work, least) in works.iter_mut().zip(&mut least) {
            let start = Instant::now();
            work();
            *least = least.min(start.elapsed().as_secs_f64());
        }
    }
    least
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| ((i * 7919) % 1013) as f32 / 1013.0 - 0.5)
        .collect()
}

/// The part of a vector that starts with a cache line, as the library's own memory does.
fn aligned(numbers: &mut [f32]) -> &mut [f32] {
    let skip = numbers.as_ptr().align_offset(64);
    &mut numbers[skip..]
}

fn main() {
    let images = std::env::args()
        .nth(1)
        .and_then(|arg| arg.parse().ok())
        .unwrap_or(8);
    println!("{images} images; least ms and GFLOP/s");
    for (size, channels, wide, kernel, stride) in SHAPES {
        let shape = ConvShape::new(images, [size; 2], [channels, wide], 1);
        let next = ConvShape::new(images, [size; 2], [wide; 2], kernel)
            .with_stride(stride)
            .with_groups(wide);
        let (weight, next_weight) = (numbers(shape.weight_len()), numbers(next.weight_len()));
        let (first, second) = (
            PreparedConv::new(&shape, &weight),
            PreparedConv::new(&next, &next_weight),
        );
        let (x, bias) = (numbers(shape.input_len()), numbers(wide));
        let room = |len: usize| vec![0.0f32; len + 16];
        let mut rooms = [shape.output_len(), next.output_len(), next.output_len()].map(room);
        let [map, out, out_in_one] = rooms.each_mut().map(|room| aligned(room));
        let map = &mut map[..shape.output_len()];
        let out = &mut out[..next.output_len()];
        let out_in_one = &mut out_in_one[..next.output_len()];
        let epilogue = Epilogue {
            bias: Some(&bias),
            activation: Activation::Relu6,
            ..Epilogue::default()
        };
        let map = std::cell::RefCell::new(map);
        let [expansion, depthwise, in_one] = times([
            &mut || first.forward(&shape, black_box(&x), epilogue, &mut map.borrow_mut()),
            &mut || second.forward(&next, black_box(&map.borrow()), epilogue, out),
            &mut || {
                first.forward_into(
                    (&shape, epilogue),
                    black_box(&x),
                    &second,
                    (&next, epilogue),
                    out_in_one,
                )
            },
        ]);
        let flop = |shape: &ConvShape| {
            2.0 * shape.output_len() as f64 * (shape.weight_len() / shape.channels_out) as f64
        };
        let [a, b] = [flop(&shape), flop(&next)];
        let show = |name: &str, seconds: f64, flop: f64| {
            print!(
                "   {name} {:>7.3} ms {:>4.0}",
                seconds * 1e3,
                flop / seconds * 1e-9
            )
        };
        print!("{size:>4} {channels:>4} -> {wide:>4} k{kernel} s{stride}");
        show("expansion", expansion, a);
        show("depthwise", depthwise, b);
        show("in one", in_one, a + b);
        println!("   {:.2}", (expansion + depthwise) / in_one);
    }
}
