//! What holds of a transform for any image: what leaves it as it is, what undoes itself, what never mixes pixels.
//!
//! Owns: the property tests of the transforms whose own file has none; `tests.rs` has those that every transform shares.

use image::RgbImage;
use image::imageops::{flip_horizontal, rotate180};
use proptest::prelude::*;

use super::*;
use crate::preprocessing::Preprocessing;
use crate::resize::{Interpolation, PixelBox};
use crate::rng::SampleRng;
use crate::testing::{gradient, largest_difference};

const FILTERS: [Interpolation; 3] = [
    Interpolation::Nearest,
    Interpolation::Bilinear,
    Interpolation::Bicubic,
];

fn filter() -> impl Strategy<Value = Interpolation> {
    prop::sample::select(FILTERS.to_vec())
}

/// An image of any size, with any pixels.
fn picture() -> impl Strategy<Value = RgbImage> {
    (1u32..24, 1u32..24, any::<u64>()).prop_map(|(width, height, seed)| {
        let mut rng = SampleRng::new(seed, 0, 0);
        let mut image = gradient(width, height);
        image
            .iter_mut()
            .for_each(|value| *value ^= rng.next_u64() as u8);
        image
    })
}

/// The transform of this JSON on an image.
fn applied(text: &str, image: &RgbImage, sample: u64) -> RgbImage {
    let spec: TransformSpec = serde_json::from_str(text).unwrap();
    let transform = spec.build(&Preprocessing {
        input_size: [9, 11],
        ..Preprocessing::default()
    });
    transform
        .unwrap()
        .apply(image.clone(), &mut SampleRng::new(0, 0, sample))
}

proptest! {
    #[test]
    fn flips_undo_themselves_and_both_are_half_a_turn(image in picture()) {
        let flipped = |name: &str, image: &RgbImage| {
            applied(&format!(r#"{{"op": "{name}_flip", "probability": 1.0}}"#), image, 0)
        };
        prop_assert_eq!(flipped("horizontal", &image), flip_horizontal(&image));
        for name in ["horizontal", "vertical"] {
            prop_assert_eq!(&flipped(name, &flipped(name, &image)), &image);
        }
        prop_assert_eq!(flipped("vertical", &flipped("horizontal", &image)), rotate180(&image));
    }

    #[test]
    fn values_that_are_inverted_twice_are_back_and_a_threshold_of_zero_inverts_all(image in picture(), threshold in 0f32..256.0) {
        prop_assert_eq!(&invert(invert(image.clone())), &image);
        prop_assert_eq!(solarise(image.clone(), 0.0), invert(image.clone()));
        for (old, new) in image.iter().zip(solarise(image.clone(), threshold).iter()) {
            let expected = if f32::from(*old) >= threshold { 255 - *old } else { *old };
            prop_assert_eq!(*new, expected);
        }
    }

    #[test]
    fn a_factor_of_one_changes_nothing_and_of_zero_leaves_what_it_measures_from(image in picture()) {
        prop_assert_eq!(&adjust_brightness(image.clone(), 1.0), &image);
        prop_assert_eq!(&adjust_contrast(image.clone(), 1.0), &image);
        prop_assert_eq!(&adjust_saturation(image.clone(), 1.0), &image);
        prop_assert!(adjust_brightness(image.clone(), 0.0).iter().all(|value| *value == 0));
        let flat = adjust_contrast(image.clone(), 0.0);
        prop_assert!(flat.iter().all(|value| *value == flat.as_raw()[0]));
        prop_assert_eq!(adjust_saturation(image.clone(), 0.0), greyscale(image));
    }

    #[test]
    fn grey_stays_what_it_is(image in picture()) {
        let grey = greyscale(image);
        prop_assert!(grey.pixels().all(|pixel| pixel.0 == [pixel.0[0]; 3]));
        prop_assert_eq!(&greyscale(grey.clone()), &grey);
        prop_assert_eq!(&adjust_saturation(grey.clone(), 1.7), &grey);
    }

    #[test]
    fn no_turn_and_no_change_of_shape_is_the_same_image(image in picture(), filter in filter()) {
        prop_assert_eq!(&rotate(&image, 0.0, filter, [7; 3]), &image);
        prop_assert_eq!(&rotate(&image, 180.0, filter, [7; 3]), &rotate180(&image));
        let still = AffineParameters::default();
        for mode in [PaddingMode::Constant, PaddingMode::Reflect] {
            prop_assert_eq!(&affine(&image, &still, filter, mode, [7; 3]), &image);
        }
        let shifts = vec![[0.0; 2]; (image.width() * image.height()) as usize];
        let still = elastic(&image, &shifts, filter, PaddingMode::Constant, [7; 3]).unwrap();
        prop_assert_eq!(&still, &image);
    }

    #[test]
    fn a_shift_by_whole_pixels_moves_them_and_fills_the_rest(
        image in picture(), across in -25i32..25, down in -25i32..25, filter in filter(),
    ) {
        let parameters = AffineParameters {
            shift_px: [across as f32, down as f32],
            ..AffineParameters::default()
        };
        let moved = affine(&image, &parameters, filter, PaddingMode::Constant, [1, 2, 3]);
        for (x, y, pixel) in moved.enumerate_pixels() {
            let from = (x.checked_add_signed(-across), y.checked_add_signed(-down));
            let inside = |(x, y): &(u32, u32)| *x < image.width() && *y < image.height();
            let from = from.0.zip(from.1).filter(inside);
            let expected = from.map_or([1, 2, 3], |(x, y)| image.get_pixel(x, y).0);
            prop_assert_eq!(pixel.0, expected, "{}, {}", x, y);
        }
    }

    #[test]
    fn crops_of_fixed_places_hold_pixels_of_the_image_where_there_are_some(
        image in picture(), width in 1u32..30, height in 1u32..30,
    ) {
        let fill = [4, 5, 6];
        let crops = five_crop(&image, width, height, fill);
        prop_assert_eq!(&crops[4], &centre_crop(&image, width, height, fill));
        for crop in &crops {
            prop_assert_eq!(crop.dimensions(), (width, height));
        }
        if width <= image.width() && height <= image.height() {
            prop_assert_eq!(crops[0].get_pixel(0, 0), image.get_pixel(0, 0));
            let last = |image: &RgbImage| *image.get_pixel(image.width() - 1, image.height() - 1);
            prop_assert_eq!(last(&crops[3]), last(&image));
        }
    }

    #[test]
    fn erasing_changes_nothing_outside_its_box(
        image in picture(), left in 0u32..30, top in 0u32..30, width in 0u32..30, height in 0u32..30,
    ) {
        let erased = PixelBox { left, top, width, height };
        for (x, y, pixel) in erase(image.clone(), erased, [9; 3]).enumerate_pixels() {
            let inside = (left..left + width).contains(&x) && (top..top + height).contains(&y);
            let expected = if inside { [9; 3] } else { image.get_pixel(x, y).0 };
            prop_assert_eq!(pixel.0, expected);
        }
    }

    #[test]
    fn a_cutout_erases_its_share_of_the_area(side in 20u32..60, share in 0.1f32..0.5, sample in any::<u64>()) {
        let text = format!(
            r#"{{"op": "random_erasing", "probability": 1.0, "area": [{share}, {share}], "ratio": [1.0, 1.0], "fill": [255, 255, 255]}}"#
        );
        let erased = applied(&text, &RgbImage::new(side, side), sample);
        let found = erased.pixels().filter(|pixel| pixel.0 == [255; 3]).count() as f32;
        let expected = share * (side * side) as f32;
        // Its side is rounded to a whole pixel.
        prop_assert!((found - expected).abs() <= expected.sqrt() + 1.0, "{} of {}", found, expected);
    }

    #[test]
    fn one_operation_of_a_policy_leaves_an_image_of_one_grey_flat(
        value in any::<u8>(), width in 1u32..24, height in 1u32..24, sample in any::<u64>(),
        policy in prop::sample::select(vec![r#"rand_augment", "count": 1"#, r#"trivial_augment""#]),
    ) {
        let flat = RgbImage::from_pixel(width, height, image::Rgb([value; 3]));
        let text = format!(r#"{{"op": "{policy}, "fill": [{value}, {value}, {value}]}}"#);
        let output = applied(&text, &flat, sample);
        // There is nothing to be seen of a move, and colour changes all pixels alike.
        let first = RgbImage::from_pixel(width, height, *output.get_pixel(0, 0));
        prop_assert!(largest_difference(&output, &first) <= 1);
        prop_assert!(output.pixels().all(|pixel| pixel.0 == [pixel.0[0]; 3]));
    }

    #[test]
    fn imagenets_policy_keeps_grey_images_grey(image in picture(), sample in any::<u64>()) {
        let output = applied(r#"{"op": "auto_augment", "fill": [8, 8, 8]}"#, &greyscale(image), sample);
        prop_assert!(output.pixels().all(|pixel| pixel.0 == [pixel.0[0]; 3]));
    }
}
