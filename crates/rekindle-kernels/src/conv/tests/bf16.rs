//! The products in `bf16`, compared with the definition of rounded factors.

use super::*;

/// Against the definition with its factors rounded, which the products in `bf16` equal up to the order of their sums.
pub(super) fn check(shape: &ConvShape, extras: bool) {
    if !Precision::Bf16.is_available() {
        return;
    }
    let shape = &shape.with_precision(Precision::Bf16);
    check_moments(shape);
    let [x, weight, dy] = [shape.input_len(), shape.weight_len(), shape.output_len()]
        .map(|len| numbers(len, len as u64));
    let bias = numbers(shape.channels_out, 3);
    let residual = numbers(shape.output_len(), 4);
    let epilogue = Epilogue {
        bias: extras.then_some(&bias),
        residual: extras.then_some(&residual),
        activation: Activation::Relu,
        ..Epilogue::default()
    };
    // What is not computed in bf16 on purpose is compared as it is.
    let algorithm = Algorithm::of(shape);
    let factors_of = |algorithm, precision, numbers: &[f32]| match (precision, algorithm) {
        (Precision::Bf16, Algorithm::Dense | Algorithm::Stem) => all_rounded(numbers),
        _ => numbers.to_vec(),
    };
    let factors = |precision, numbers: &[f32]| factors_of(algorithm, precision, numbers);
    let mut out = vec![f32::NAN; shape.output_len()];
    let mut dx = vec![f32::NAN; shape.input_len()];
    let mut dw = vec![f32::NAN; shape.weight_len()];
    conv_forward(shape, &x, &weight, epilogue, &mut out);
    conv_backward_input(shape, &dy, &weight, &mut dx);
    conv_backward_weight(shape, &x, &dy, &mut dw);
    let mut prepared = vec![f32::NAN; shape.output_len()];
    PreparedConv::new(shape, &weight).forward(shape, &x, epilogue, &mut prepared);
    assert_eq!(prepared, out, "{shape:?}");
    if extras && !shape.is_depthwise() {
        let mut onto = residual.clone();
        conv_forward(shape, &x, &weight, accumulating(epilogue), &mut onto);
        assert_eq!(onto, out, "{shape:?}");
    }
    let of_weight = panels::weight_gradient_precision(shape);
    let mut expected_weight = vec![0.0; shape.weight_len()];
    let [rounded_x, rounded_dy] = [&x, &dy]
        .map(|numbers| factors_of(Algorithm::of_weight_gradient(shape), of_weight, numbers));
    reference_backward_weight(shape, &rounded_x, &rounded_dy, &mut expected_weight);
    let of_input = panels::precision(shape);
    let of_output = match algorithm {
        Algorithm::Stem => Precision::F32,
        _ => of_input,
    };
    let mut expected = vec![0.0; shape.output_len()];
    let [rounded_x, w] = [&x, &weight].map(|numbers| factors(of_output, numbers));
    reference_forward(shape, &rounded_x, &w, epilogue, &mut expected);
    let mut expected_input = vec![0.0; shape.input_len()];
    let [rounded_dy, w] = [&dy, &weight].map(|numbers| factors(of_input, numbers));
    reference_backward_input(shape, &rounded_dy, &w, &mut expected_input);
    if pointwise::applies(shape) {
        let other = numbers(shape.input_len(), 6);
        let (mut dx, dw) = by_parts(shape, &x, &weight, &dy, &other);
        for (dx, other) in dx.iter_mut().zip(&other) {
            *dx -= other;
        }
        let worst = difference(&dx, &expected_input).max(difference(&dw, &expected_weight));
        assert!(worst < 1e-4, "by parts, {shape:?}: {worst}");
    }
    for (what, got, expected) in [
        ("output", &out, &expected),
        ("input", &dx, &expected_input),
        ("weight", &dw, &expected_weight),
    ] {
        let worst = difference(got, expected);
        assert!(worst < 1e-4, "{what}, {shape:?}: {worst}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products_in_bf16_are_those_of_rounded_factors(shape in shapes(), extras: bool) {
        check(&shape, extras);
    }

    #[test]
    fn pointwise_products_in_bf16_are_those_of_rounded_factors(
        sizes in (1usize..4, 1usize..20, 1usize..20),
        channels in (16usize..150, 16usize..150),
        stride in 1usize..3,
        extras: bool,
    ) {
        let shape = ConvShape::new(sizes.0, [sizes.1, sizes.2], [channels.0, channels.1], 1);
        check(&shape.with_stride(stride), extras);
    }
}

#[test]
fn a_weight_gradient_of_many_channels_in_bf16_is_that_of_rounded_factors() {
    let shape = ConvShape::new(5, [7, 7], [260, 256], 3).with_precision(Precision::Bf16);
    if Precision::Bf16.is_available() {
        assert!(Algorithm::of(&shape) == Algorithm::Winograd);
        assert!(Algorithm::of_weight_gradient(&shape) == Algorithm::Dense);
        check(&shape, false);
    }
}

#[test]
fn bf16_gives_the_same_bytes_on_any_number_of_threads() {
    if !Precision::Bf16.is_available() {
        return;
    }
    let shape = ConvShape::new(3, [9, 9], [70, 90], 1).with_precision(Precision::Bf16);
    let (x, weight) = (
        numbers(shape.input_len(), 1),
        numbers(shape.weight_len(), 2),
    );
    let dy = numbers(shape.output_len(), 3);
    let results = [1, 4].map(|threads| {
        crate::check::with_threads(threads, || {
            let mut out = vec![0.0; shape.output_len()];
            let mut dw = vec![0.0; shape.weight_len()];
            conv_forward(&shape, &x, &weight, Epilogue::default(), &mut out);
            conv_backward_weight(&shape, &x, &dy, &mut dw);
            (out, dw)
        })
    });
    assert!(results[0] == results[1]);
}
