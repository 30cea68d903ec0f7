//! Sizes, colours and settings of an input.

use super::*;
use crate::testing::gradient;
use proptest::prelude::*;

fn preprocessing(input_size: [usize; 2], crop_ratio: f32, policy: ResizePolicy) -> Preprocessing {
    Preprocessing {
        input_size,
        crop_ratio,
        policy,
        ..Preprocessing::default()
    }
}

#[test]
fn the_resize_target_is_computed_from_the_written_decimal() {
    let target = |side, crop_ratio| {
        preprocessing([side, side], crop_ratio, ResizePolicy::Crop).scaled(side as u32)
    };
    // Python: math.floor(side / crop_pct)
    assert_eq!(target(224, 0.875), 256);
    assert_eq!(target(224, 0.8), 280);
    assert_eq!(target(224, 0.95), 235);
    assert_eq!(target(240, 0.96), 250);
    assert_eq!(target(288, 1.0), 288);
    assert_eq!(target(63, 0.9), 70);
}

#[test]
fn sizes_follow_torchvision_and_timm() {
    let size = |policy, width, height| {
        preprocessing([224, 224], 0.875, policy).resized_size(width, height)
    };
    assert_eq!(size(ResizePolicy::Crop, 640, 480), (341, 256));
    assert_eq!(size(ResizePolicy::Crop, 480, 640), (256, 341));
    assert_eq!(size(ResizePolicy::Squash, 640, 480), (256, 256));
    assert_eq!(size(ResizePolicy::Pad, 640, 480), (256, 192));
    let wide = preprocessing([100, 200], 1.0, ResizePolicy::Crop);
    assert_eq!(wide.resized_size(300, 300), (200, 200));
}

#[test]
fn an_odd_margin_rounds_half_to_even() {
    // torchvision: int(round((available - wanted) / 2.0))
    assert_eq!(centre(224, 225).skip, 0);
    assert_eq!(centre(224, 227).skip, 2);
    assert_eq!(centre(224, 229).skip, 2);
    assert_eq!(centre(10, 7).pad, 1);
}

#[test]
fn padding_uses_the_colour_that_becomes_zero() {
    let pad = preprocessing([8, 8], 1.0, ResizePolicy::Pad);
    let output = pad.evaluate(&RgbImage::from_pixel(16, 4, Rgb([255; 3])));
    assert_eq!(pad.fill(), [124, 116, 104]);
    assert_eq!(output.get_pixel(0, 0).0, [124, 116, 104]);
    assert_eq!(output.get_pixel(0, 3).0, [255; 3]);
    let blue = Preprocessing {
        fill: Some([0, 0, 200]),
        ..pad
    };
    let output = blue.evaluate(&RgbImage::from_pixel(16, 4, Rgb([255; 3])));
    assert_eq!(output.get_pixel(0, 0).0, [0, 0, 200]);
    assert_eq!(output.get_pixel(0, 3).0, [255; 3]);
}

#[test]
fn wrong_settings_are_named() {
    let key = |preprocessing: Preprocessing| preprocessing.check().unwrap_err().key().to_owned();
    assert_eq!(
        key(preprocessing([0, 224], 1.0, ResizePolicy::Crop)),
        "input_size"
    );
    assert_eq!(
        key(preprocessing([224, 224], 0.0, ResizePolicy::Crop)),
        "crop_ratio"
    );
    assert_eq!(
        key(preprocessing([224, 224], f32::NAN, ResizePolicy::Crop)),
        "crop_ratio"
    );
    let rescale = Rescale::Standardise {
        mean: [0.5; 3],
        std: [0.2, 0.0, 0.2],
    };
    assert_eq!(
        key(Preprocessing {
            rescale,
            ..Preprocessing::default()
        }),
        "rescale.standardise.std"
    );
}

#[test]
fn a_range_is_written_only_where_it_is_not_the_usual_one() {
    let usual = serde_json::to_string(&Preprocessing::default()).unwrap();
    assert!(!usual.contains("range"), "{usual}");
    for (text, range) in [
        (r#"{"bits":12}"#, SampleRange::Bits(12)),
        (
            r#"{"span":{"low":-1000.0,"high":3000.0}}"#,
            SampleRange::Span {
                low: -1000.0,
                high: 3000.0,
            },
        ),
    ] {
        let value = Preprocessing {
            range,
            ..Preprocessing::default()
        };
        let written = serde_json::to_string(&value).unwrap();
        assert!(written.contains(&format!("\"range\":{text}")), "{written}");
        assert_eq!(
            serde_json::from_str::<Preprocessing>(&written).unwrap(),
            value
        );
    }
    for range in [
        SampleRange::Bits(0),
        SampleRange::Bits(33),
        SampleRange::Span {
            low: 2.0,
            high: 2.0,
        },
    ] {
        let value = Preprocessing {
            range,
            ..Preprocessing::default()
        };
        assert!(value.check().unwrap_err().key().starts_with("range."));
    }
}

#[test]
fn it_survives_a_round_trip_through_json() {
    let value = Preprocessing {
        fill: Some([1, 2, 3]),
        interpolation: Interpolation::Area,
        ..preprocessing([256, 192], 0.95, ResizePolicy::Pad)
    };
    let text = serde_json::to_string(&value).unwrap();
    assert!(
        text.contains("\"crop_ratio\":0.95") && text.contains("\"policy\":\"pad\""),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), value);
    let unknown = text.replace("\"policy\"", "\"polcy\"");
    assert!(serde_json::from_str::<Preprocessing>(&unknown).is_err());
}

proptest! {
    #[test]
    fn evaluation_always_gives_the_input_size(
        width in 1u32..90, height in 1u32..90, input_width in 1usize..40, input_height in 1usize..40,
        crop_ratio in 0.1f32..=1.0, policy in 0usize..3, filter in 0usize..5,
    ) {
        let preprocessing = Preprocessing {
            input_size: [input_height, input_width],
            crop_ratio,
            policy: [ResizePolicy::Crop, ResizePolicy::Squash, ResizePolicy::Pad][policy],
            interpolation: [
                Interpolation::Nearest, Interpolation::Bilinear, Interpolation::Bicubic, Interpolation::Lanczos,
                Interpolation::Area,
            ][filter],
            fill: None,
            rescale: Rescale::default(),
            bands: None,
            range: SampleRange::default(),
            reading: Reading::default(),
        };
        let output = preprocessing.evaluate(&gradient(width, height));
        prop_assert_eq!(output.dimensions(), (input_width as u32, input_height as u32));
    }
}

#[test]
fn a_frame_is_what_the_view_shows() {
    let of = |policy, input_size: [usize; 2]| Preprocessing {
        input_size,
        policy,
        ..Preprocessing::default()
    };
    // 600x400 becomes 384x256, of which the middle 224 are kept.
    let crop = of(ResizePolicy::Crop, [224, 224]).frame((600, 400));
    assert_eq!(crop, [80.0 * 1.5625, 25.0, 350.0, 350.0]);
    let squash = of(ResizePolicy::Squash, [224, 224]).frame((600, 400));
    assert_eq!(squash, [37.5, 25.0, 525.0, 350.0]);
    // 256x171 in the middle of a frame that is higher than the picture.
    let [left, top, width, height] = of(ResizePolicy::Pad, [224, 224]).frame((600, 400));
    assert_eq!((left, width), (37.5, 525.0));
    let scale = 400.0 / 171.0;
    assert_eq!((top, height), (-26.0 * scale, 224.0 * scale));
    // A white spot is where the frame says.
    let mut picture = RgbImage::new(600, 400);
    image::imageops::replace(
        &mut picture,
        &RgbImage::from_pixel(30, 30, image::Rgb([255; 3])),
        400,
        100,
    );
    let view = of(ResizePolicy::Crop, [224, 224]).evaluate(&picture);
    let place = |at: f64, first: f64, length: f64| ((at - first) / length * 224.0) as u32;
    let at = (
        place(415.0, crop[0], crop[2]),
        place(115.0, crop[1], crop[3]),
    );
    assert_eq!(view.get_pixel(at.0, at.1).0, [255; 3]);
    assert_eq!(view.get_pixel(at.0 + 14, at.1).0, [0; 3]);
    assert_eq!(view.get_pixel(at.0, at.1 - 14).0, [0; 3]);
}
