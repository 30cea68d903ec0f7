//! Kernels as large as the image, also where this way would not be chosen.

use proptest::prelude::*;

use super::super::matrix;
use super::*;

const MATRIX: Way = Way {
    forward: matrix::forward,
    backward_input: matrix::backward_input,
    backward_weight: matrix::backward_weight,
};

fn check_matrix(shape: &ConvShape, activation: Activation, extras: bool) {
    assert!(matrix::applies(shape));
    check_way(&MATRIX, shape, activation, extras);
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
