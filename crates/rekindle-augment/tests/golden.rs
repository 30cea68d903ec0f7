//! Every transform against Pillow, torchvision and timm, through the pictures that `make_golden.py` wrote.

#[path = "golden/colour.rs"]
mod colour;

use std::fmt::Debug;
use std::path::PathBuf;

use rekindle_augment::ops::{
    AffineParameters, PaddingMode, adjust_brightness, adjust_contrast, adjust_saturation, affine,
    centre_crop, elastic, erase, five_crop, greyscale, grid_distortion, pad, perspective, rotate,
};
use rekindle_augment::{
    Interpolation, Pipeline, PixelBox, Preprocessing, Rescale, RgbBatch, RgbImage, SampleRng,
    resize, resize_crop,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    transform: Vec<Case<Operation>>,
    colour: Vec<Case<colour::Operation>>,
    policy: colour::PolicyTables,
    rescale: RescaleCase,
}

#[derive(Deserialize)]
struct Case<O> {
    input: String,
    expected: String,
    /// Largest difference that is allowed, in grey levels.
    #[serde(default = "one_grey_level")]
    most: u8,
    #[serde(flatten)]
    operation: O,
}

fn one_grey_level() -> u8 {
    1
}

#[derive(Deserialize, Debug)]
#[serde(tag = "operation", rename_all = "snake_case")]
enum Operation {
    Resize {
        width: u32,
        height: u32,
        interpolation: Interpolation,
    },
    ResizeCrop {
        r#box: [u32; 4],
        width: u32,
        height: u32,
        interpolation: Interpolation,
    },
    Evaluate {
        preprocessing: Preprocessing,
    },
    Rotate {
        degrees: f32,
        interpolation: Interpolation,
        fill: [u8; 3],
    },
    Affine {
        degrees: f32,
        shift_px: [f32; 2],
        scale: f32,
        shear_degrees: [f32; 2],
        interpolation: Interpolation,
        #[serde(default)]
        padding_mode: PaddingMode,
        fill: [u8; 3],
    },
    Pad {
        border: [u32; 4],
        padding_mode: PaddingMode,
        fill: [u8; 3],
    },
    CentreCrop {
        width: u32,
        height: u32,
        fill: [u8; 3],
    },
    FiveCrop {
        width: u32,
        height: u32,
        which: usize,
    },
    Perspective {
        start: [[f32; 2]; 4],
        end: [[f32; 2]; 4],
        interpolation: Interpolation,
        fill: [u8; 3],
    },
    /// A pixel comes from `amplitude * sin(y / period)` to the right and `amplitude * cos(x / period)` below.
    Elastic {
        amplitude: f64,
        period: f64,
        interpolation: Interpolation,
        padding_mode: PaddingMode,
    },
    GridDistortion {
        columns: Vec<f32>,
        rows: Vec<f32>,
        interpolation: Interpolation,
    },
    Erase {
        r#box: [u32; 4],
        fill: [u8; 3],
    },
    Brightness {
        factor: f32,
    },
    Contrast {
        factor: f32,
    },
    Saturation {
        factor: f32,
    },
    Greyscale,
}

#[derive(Deserialize)]
struct RescaleCase {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
    planes: Vec<f32>,
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn golden() -> Golden {
    let text = std::fs::read_to_string(data("golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn picture(name: &str) -> RgbImage {
    image::open(data(name)).unwrap().into_rgb8()
}

fn run(operation: &Operation, image: &RgbImage) -> RgbImage {
    match operation {
        &Operation::Resize {
            width,
            height,
            interpolation,
        } => resize(image, width, height, interpolation),
        &Operation::ResizeCrop {
            r#box: [left, top, box_width, box_height],
            width,
            height,
            interpolation,
        } => {
            let crop = PixelBox {
                left,
                top,
                width: box_width,
                height: box_height,
            };
            resize_crop(image, crop, width, height, interpolation)
        }
        Operation::Evaluate { preprocessing } => {
            Pipeline::evaluation(preprocessing).apply(image, &mut SampleRng::new(0, 0, 0))
        }
        &Operation::Rotate {
            degrees,
            interpolation,
            fill,
        } => rotate(image, degrees, interpolation, fill),
        &Operation::Affine {
            degrees,
            shift_px,
            scale,
            shear_degrees,
            interpolation,
            padding_mode,
            fill,
        } => {
            let parameters = AffineParameters {
                degrees,
                shift_px,
                scale,
                shear_degrees,
            };
            affine(image, &parameters, interpolation, padding_mode, fill)
        }
        &Operation::Pad {
            border,
            padding_mode,
            fill,
        } => pad(image, border, padding_mode, fill),
        &Operation::CentreCrop {
            width,
            height,
            fill,
        } => centre_crop(image, width, height, fill),
        &Operation::FiveCrop {
            width,
            height,
            which,
        } => five_crop(image, width, height, [0; 3])[which].clone(),
        &Operation::Perspective {
            start,
            end,
            interpolation,
            fill,
        } => perspective(image, start, end, interpolation, fill),
        &Operation::Elastic {
            amplitude,
            period,
            interpolation,
            padding_mode,
        } => {
            let places = image.enumerate_pixels();
            let shifts: Vec<[f32; 2]> = places
                .map(|(x, y, _)| {
                    let across = amplitude * (f64::from(y) / period).sin();
                    let down = amplitude * (f64::from(x) / period).cos();
                    [across as f32, down as f32]
                })
                .collect();
            elastic(image, &shifts, interpolation, padding_mode, [0; 3]).unwrap()
        }
        Operation::GridDistortion {
            columns,
            rows,
            interpolation,
        } => grid_distortion(image, columns, rows, *interpolation).unwrap(),
        &Operation::Erase {
            r#box: [left, top, width, height],
            fill,
        } => {
            let erased = PixelBox {
                left,
                top,
                width,
                height,
            };
            erase(image.clone(), erased, fill)
        }
        &Operation::Brightness { factor } => adjust_brightness(image.clone(), factor),
        &Operation::Contrast { factor } => adjust_contrast(image.clone(), factor),
        &Operation::Saturation { factor } => adjust_saturation(image.clone(), factor),
        Operation::Greyscale => greyscale(image.clone()),
    }
}

#[test]
fn every_transform_is_within_one_grey_level_of_its_reference() {
    let cases = golden().transform;
    assert!(cases.len() > 80, "{}", cases.len());
    assert!(cases.iter().all(|case| case.most == 1));
    compare(cases, run);
}

/// Runs every case and compares its output with the expected picture.
fn compare<O: Debug>(cases: Vec<Case<O>>, run: impl Fn(&O, &RgbImage) -> RgbImage) {
    let mut failures = Vec::new();
    for case in cases {
        let output = run(&case.operation, &picture(&case.input));
        let expected = picture(&case.expected);
        if output.dimensions() != expected.dimensions() {
            let sizes = (output.dimensions(), expected.dimensions());
            failures.push(format!("{:?}: sizes {sizes:?}", case.operation));
            continue;
        }
        let differences = || {
            output
                .iter()
                .zip(expected.iter())
                .map(|(a, b)| a.abs_diff(*b))
        };
        let most = differences().max().unwrap_or(0);
        let wrong = differences()
            .filter(|difference| *difference > case.most)
            .count();
        println!("{most} {wrong} {} {:?}", case.expected, case.operation);
        if most > case.most {
            failures.push(format!(
                "{:?}: {wrong} of {} values differ, by up to {most}",
                case.operation,
                output.len()
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn rescaling_equals_torchvision() {
    let case = golden().rescale;
    let batch = RgbBatch::new(case.pixels, 1, case.height, case.width).unwrap();
    let planes = batch.planes(&Rescale::IMAGENET);
    assert_eq!(planes.len(), case.planes.len());
    for (ours, theirs) in planes.iter().zip(&case.planes) {
        assert!((ours - theirs).abs() < 1e-6, "{ours} and {theirs}");
    }
}
