//! Kernels as large as the image, also where this way would not be chosen.

use proptest::prelude::*;

use super::super::matrix;
use super::*;

fn check_matrix(shape: &ConvShape, activation: Activation, extras: bool) {
    assert!(matrix::applies(shape));
    let x = numbers(shape.input_len(), 1);
    let weight = numbers(shape.weight_len(), 2);
    let bias = numbers(shape.channels_out, 3);
    let residual = numbers(shape.output_len(), 4);
    let dy = numbers(shape.output_len(), 5);
    let other = numbers(shape.input_len(), 6);
    let epilogue = Epilogue {
        bias: extras.then_some(&bias),
        residual: extras.then_some(&residual),
        activation,
        ..Epilogue::default()
    };
    let mut expected = vec![0.0; shape.output_len()];
    reference_forward(shape, &x, &weight, epilogue, &mut expected);
    let mut expected_input = vec![0.0; shape.input_len()];
    reference_backward_input(shape, &dy, &weight, &mut expected_input);
    let expected_sum: Vec<f32> = expected_input
        .iter()
        .zip(&other)
        .map(|(a, b)| a + b)
        .collect();
    let mut expected_weight = vec![0.0; shape.weight_len()];
    reference_backward_weight(shape, &x, &dy, &mut expected_weight);
    for &level in Level::available() {
        let mut out = vec![f32::NAN; shape.output_len()];
        let mut dx = vec![f32::NAN; shape.input_len()];
        let mut dx_sum = dx.clone();
        let mut dw = vec![f32::NAN; shape.weight_len()];
        let adding = Epilogue {
            residual: Some(&other),
            ..Epilogue::default()
        };
        with_level(level, || {
            matrix::forward(shape, &x, &weight, epilogue, &mut out);
            let mut onto = residual.clone();
            let onto_residual = accumulating(epilogue);
            matrix::forward(shape, &x, &weight, onto_residual, &mut onto);
            assert_eq!(onto, out, "{level:?} {shape:?} {activation:?}");
            matrix::backward_input(shape, &dy, &weight, Epilogue::default(), &mut dx);
            matrix::backward_input(shape, &dy, &weight, adding, &mut dx_sum);
            matrix::backward_weight(shape, &x, &dy, &mut dw);
        });
        for (what, got, expected) in [
            ("output", &out, &expected),
            ("input", &dx, &expected_input),
            ("input with another", &dx_sum, &expected_sum),
            ("weight", &dw, &expected_weight),
        ] {
            let worst = difference(got, expected);
            assert!(worst < 1e-4, "{what}, {level:?} {shape:?}: {worst}");
        }
    }
}

fn whole_images() -> impl Strategy<Value = ConvShape> {
    let channels = (1usize..90, 1usize..90);
    (1usize..20, 1usize..7, 1usize..7, channels, 1usize..4).prop_map(
        |(batch, height, width, channels, stride)| ConvShape {
            kernel: [height, width],
            padding: [[0; 2]; 2],
            ..ConvShape::new(batch, [height, width], [channels.0, channels.1], 1)
                .with_stride(stride)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_kernel_as_large_as_the_image_is_the_definition(
        shape in whole_images(),
        extras: bool,
        activation in prop::sample::select(vec![Activation::Identity, Activation::Relu, Activation::Gelu]),
    ) {
        check_matrix(&shape, activation, extras);
    }
}

/// More than one run of a row, parts of columns and of depth, and images for more than one part; 1111 is no multiple of any tile.
#[test]
fn large_ones_are_the_definition() {
    for (batch, size, channels) in [
        (3, [3, 5], [77, 67]),
        (130, [1, 1], [1111, 75]),
        (9, [1, 1], [640, 1111]),
    ] {
        let shape = ConvShape {
            kernel: size,
            padding: [[0; 2]; 2],
            ..ConvShape::new(batch, size, channels, 1)
        };
        check_matrix(&shape, Activation::Relu6, true);
    }
}

/// Through the functions that choose, which count the same forward pass and moments.
#[test]
fn the_last_layers_of_alexnet_and_vgg_are_computed_this_way() {
    let shape = ConvShape {
        padding: [[0; 2]; 2],
        ..ConvShape::new(3, [6, 6], [64, 128], 6)
    };
    assert!(matrix::wins(&shape));
    check_forward(&shape, Activation::Relu, true);
    check_gradients(&shape);
    let padded = ConvShape {
        padding: [[1, 0], [0, 0]],
        ..shape
    };
    assert!(!matrix::wins(&padded));
    let larger = ConvShape { width: 7, ..shape };
    assert!(!matrix::wins(&larger));
}
