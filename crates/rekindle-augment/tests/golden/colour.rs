//! Colour, filter and policy operations against Pillow, torchvision and SciPy, through what `golden_colour.py` wrote.

use rekindle_augment::ops::{
    ChromaSubsampling, IMAGENET_POLICY, PolicyOperation, PolicySpace, adjust_gamma, adjust_hue,
    adjust_sharpness, auto_contrast, box_blur, equalise, gaussian_blur, invert, jpeg_artefacts,
    laplacian, motion_blur, posterise, sobel, solarise,
};
use rekindle_augment::{Interpolation, RgbImage};
use serde::Deserialize;

use super::{compare, golden};

#[derive(Deserialize, Debug)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    Hue {
        turn: f32,
    },
    Gamma {
        gamma: f32,
    },
    Posterise {
        bits: u8,
    },
    Solarise {
        threshold: f32,
    },
    Equalise,
    AutoContrast {
        cutoff_percent: f32,
    },
    Invert,
    Sharpen {
        factor: f32,
    },
    GaussianBlur {
        kernel_size: u32,
        sigma: f32,
    },
    BoxBlur {
        radius: f32,
    },
    MotionBlur {
        length_px: f32,
        degrees: f32,
    },
    Sobel,
    Laplacian,
    JpegArtefacts {
        quality: u8,
        subsampling: ChromaSubsampling,
    },
    Policy {
        policy_operation: String,
        magnitude: f32,
        interpolation: Interpolation,
        fill: [u8; 3],
    },
}

/// The magnitudes of torchvision's policies for images of one size, and ImageNet's pairs of operations.
#[derive(Deserialize)]
pub struct PolicyTables {
    size: (u32, u32),
    magnitudes: Vec<MagnitudeTable>,
    imagenet: Vec<[(String, f32, u32); 2]>,
}

#[derive(Deserialize)]
struct MagnitudeTable {
    space: String,
    operation: String,
    signed: bool,
    magnitudes: Vec<f32>,
}

fn run(operation: &Operation, image: &RgbImage) -> RgbImage {
    let own = image.clone();
    match operation {
        &Operation::Hue { turn } => adjust_hue(own, turn),
        &Operation::Gamma { gamma } => adjust_gamma(own, gamma),
        &Operation::Posterise { bits } => posterise(own, bits),
        &Operation::Solarise { threshold } => solarise(own, threshold),
        Operation::Equalise => equalise(own),
        &Operation::AutoContrast { cutoff_percent } => auto_contrast(own, cutoff_percent),
        Operation::Invert => invert(own),
        &Operation::Sharpen { factor } => adjust_sharpness(image, factor),
        &Operation::GaussianBlur { kernel_size, sigma } => gaussian_blur(image, kernel_size, sigma),
        &Operation::BoxBlur { radius } => box_blur(image, radius),
        &Operation::MotionBlur { length_px, degrees } => motion_blur(image, length_px, degrees),
        Operation::Sobel => sobel(image),
        Operation::Laplacian => laplacian(image),
        &Operation::JpegArtefacts {
            quality,
            subsampling,
        } => jpeg_artefacts(image, quality, subsampling),
        Operation::Policy {
            policy_operation,
            magnitude,
            interpolation,
            fill,
        } => policy_operation_of(policy_operation).apply(own, *magnitude, *interpolation, *fill),
    }
}

fn policy_operation_of(name: &str) -> PolicyOperation {
    match name {
        "identity" => PolicyOperation::Identity,
        "shear_x" => PolicyOperation::ShearX,
        "shear_y" => PolicyOperation::ShearY,
        "translate_x" => PolicyOperation::TranslateX,
        "translate_y" => PolicyOperation::TranslateY,
        "rotate" => PolicyOperation::Rotate,
        "brightness" => PolicyOperation::Brightness,
        "saturation" => PolicyOperation::Saturation,
        "contrast" => PolicyOperation::Contrast,
        "sharpness" => PolicyOperation::Sharpness,
        "posterise" => PolicyOperation::Posterise,
        "solarise" => PolicyOperation::Solarise,
        "auto_contrast" => PolicyOperation::AutoContrast,
        "equalise" => PolicyOperation::Equalise,
        "invert" => PolicyOperation::Invert,
        other => panic!("{other}"),
    }
}

#[test]
fn every_colour_operation_is_as_close_to_its_reference_as_it_says() {
    let cases = golden().colour;
    assert!(cases.len() > 60, "{}", cases.len());
    assert!(cases.iter().all(|case| case.most <= 1));
    compare(cases, run);
}

#[test]
fn magnitudes_and_signs_are_those_of_torchvision() {
    let tables = golden().policy;
    assert_eq!(tables.magnitudes.len(), 14 + 14 + 14 + 13);
    for table in tables.magnitudes {
        let space = match table.space.as_str() {
            "auto_augment" => PolicySpace::AutoAugment,
            "trivial_augment" => PolicySpace::TrivialAugment,
            "aug_mix" => PolicySpace::AugMix,
            other => panic!("{other}"),
        };
        let operation = policy_operation_of(&table.operation);
        let drawn = space.operations().contains(&operation);
        assert!(
            drawn || operation == PolicyOperation::Invert,
            "{operation:?}"
        );
        assert_eq!(operation.is_signed(), table.signed, "{operation:?}");
        let bins = table.magnitudes.len() as u32;
        for (bin, theirs) in (0..).zip(&table.magnitudes) {
            let ours = space.magnitude(operation, bin, bins, tables.size);
            let close = (ours - theirs).abs() <= 1e-5 * theirs.abs().max(1.0);
            assert!(close, "{space:?} {operation:?} {bin}: {ours} and {theirs}");
        }
    }
}

#[test]
fn the_pairs_of_imagenets_policy_are_those_of_torchvision() {
    let pairs = golden().policy.imagenet;
    assert_eq!(pairs.len(), IMAGENET_POLICY.len());
    for (ours, theirs) in IMAGENET_POLICY.iter().zip(pairs) {
        let theirs =
            theirs.map(|(name, probability, bin)| (policy_operation_of(&name), probability, bin));
        assert_eq!(*ours, theirs);
    }
}
