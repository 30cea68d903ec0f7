use super::*;
use crate::testing::gradient;
use proptest::prelude::*;

#[test]
fn the_same_size_is_the_same_image() {
    let image = gradient(13, 7);
    for interpolation in [
        Interpolation::Nearest,
        Interpolation::Bilinear,
        Interpolation::Bicubic,
        Interpolation::Lanczos,
        Interpolation::Area,
    ] {
        assert_eq!(resize(&image, 13, 7, interpolation), image);
    }
}

#[test]
fn a_crop_does_not_see_the_pixels_around_it() {
    let mut image = RgbImage::from_pixel(20, 20, image::Rgb([255; 3]));
    for y in 5..15 {
        for x in 5..15 {
            image.put_pixel(x, y, image::Rgb([40, 50, 60]));
        }
    }
    let crop = PixelBox {
        left: 5,
        top: 5,
        width: 10,
        height: 10,
    };
    for interpolation in [Interpolation::Lanczos, Interpolation::Area] {
        let resized = resize_crop(&image, crop, 23, 4, interpolation);
        assert!(resized.pixels().all(|pixel| pixel.0 == [40, 50, 60]));
    }
}

#[test]
fn a_box_over_the_edge_is_cut_and_nothing_panics() {
    let image = gradient(5, 5);
    let crop = PixelBox {
        left: 3,
        top: 9,
        width: 100,
        height: 100,
    };
    for interpolation in [Interpolation::Bicubic, Interpolation::Area] {
        let cut = resize_crop(&image, crop, 4, 4, interpolation);
        assert_eq!(cut.dimensions(), (4, 4));
        let of_nothing = resize(&RgbImage::new(0, 3), 4, 4, interpolation);
        assert_eq!(of_nothing.dimensions(), (4, 4));
        let to_nothing = resize(&image, 0, 4, interpolation);
        assert_eq!(to_nothing.dimensions(), (0, 4));
    }
}

#[test]
fn an_enlarged_area_is_blocks_with_mixed_pixels_on_their_edges() {
    let mut image = RgbImage::new(2, 1);
    image.put_pixel(1, 0, image::Rgb([200; 3]));
    let row = |width| {
        let enlarged = resize(&image, width, 1, Interpolation::Area);
        enlarged
            .pixels()
            .map(|pixel| pixel.0[0])
            .collect::<Vec<u8>>()
    };
    assert_eq!(row(6), [0, 0, 0, 200, 200, 200]);
    assert_eq!(row(5), [0, 0, 100, 200, 200]);
}

#[test]
fn a_filter_is_known_by_its_name() {
    assert_eq!(
        "area".parse::<Interpolation>().unwrap(),
        Interpolation::Area
    );
    let message = "box".parse::<Interpolation>().unwrap_err().to_string();
    assert!(message.contains("`interpolation` is box"), "{message}");
}

/// A part of a resize, and the same part of the whole.
struct Part {
    image: RgbImage,
    whole: RgbImage,
    part: RgbImage,
    left: u32,
    top: u32,
}

impl Part {
    fn new(
        from: (u32, u32),
        to: (u32, u32),
        (left, top): (u32, u32),
        size: (u32, u32),
        interpolation: Interpolation,
    ) -> Self {
        let image = gradient(from.0, from.1);
        let whole = resize(&image, to.0, to.1, interpolation);
        let (left, top) = (left % to.0, top % to.1);
        let (width, height) = (size.0.min(to.0 - left), size.1.min(to.1 - top));
        let part_box = PixelBox {
            left,
            top,
            width,
            height,
        };
        let part = resize_part(&image, to, part_box, interpolation);
        assert_eq!(part.dimensions(), (width, height));
        Self {
            image,
            whole,
            part,
            left,
            top,
        }
    }
}

const CONVOLUTIONS: [Interpolation; 3] = [
    Interpolation::Bilinear,
    Interpolation::Bicubic,
    Interpolation::Lanczos,
];

#[test]
fn the_bounds_of_the_reference_are_tight() {
    for interpolation in CONVOLUTIONS {
        let (mut values, mut loose, mut looser) = (0, 0, 0);
        for (from, to) in [
            ((40, 30), (17, 23)),
            ((13, 21), (39, 31)),
            ((39, 9), (8, 38)),
        ] {
            let image = gradient(from.0, from.1);
            let bounds = reference::bounds(&image, to.0, to.1, interpolation);
            values += bounds.low.len();
            loose += bounds.count_wider(0);
            looser += bounds.count_wider(1);
        }
        assert!(loose * 8 < values, "{interpolation:?}: {loose} of {values}");
        assert!(
            looser * 80 < values,
            "{interpolation:?}: {looser} of {values}"
        );
    }
}

proptest! {
    /// The part may differ from the whole by one grey level, and by more only where a value between the two passes is a
    /// tie that the fixed-point weights of the part, which can be finer than those of the whole, round the other way.
    #[test]
    fn a_region_equals_the_same_part_of_the_whole(
        from in (1u32..40, 1u32..40), to in (1u32..40, 1u32..40), place in (0u32..40, 0u32..40),
        size in (1u32..40, 1u32..40), filter in 0usize..3,
    ) {
        let interpolation = CONVOLUTIONS[filter];
        let Part { image, whole, part, left, top } = Part::new(from, to, place, size, interpolation);
        let bounds = reference::bounds(&image, to.0, to.1, interpolation);
        prop_assert_eq!(bounds.count_outside(&whole, 0, 0), 0);
        prop_assert_eq!(bounds.count_outside(&part, left, top), 0);
        for (x, y, pixel) in part.enumerate_pixels() {
            let at = |image: &RgbImage| image.get_pixel(left + x, top + y).0;
            let (whole, low, high) = (at(&whole), at(&bounds.low), at(&bounds.high));
            for channel in 0..3 {
                let allowed = (high[channel] - low[channel]).max(1);
                prop_assert!(pixel.0[channel].abs_diff(whole[channel]) <= allowed, "{x}, {y}");
            }
        }
    }

    #[test]
    fn an_area_and_every_part_of_it_has_the_exact_mean_rounded(
        from in (1u32..24, 1u32..24), to in (1u32..30, 1u32..30), place in (0u32..30, 0u32..30),
        size in (1u32..30, 1u32..30),
    ) {
        let Part { image, whole, part, left, top } = Part::new(from, to, place, size, Interpolation::Area);
        let means = reference::area_means(&image, to.0, to.1);
        let rounds_to = |value: u8, mean: f64| (f64::from(value) - mean).abs() <= 0.5001;
        for (value, mean) in whole.iter().zip(&means) {
            prop_assert!(rounds_to(*value, *mean), "{value} and {mean}");
        }
        for (x, y, pixel) in part.enumerate_pixels() {
            let start = 3 * ((top + y) * to.0 + left + x) as usize;
            for (value, mean) in pixel.0.into_iter().zip(&means[start..]) {
                prop_assert!(rounds_to(value, *mean), "{value} and {mean} at {x}, {y}");
            }
        }
    }

    #[test]
    fn a_region_by_the_nearest_pixel_has_its_size(
        from in (1u32..40, 1u32..40), to in (1u32..40, 1u32..40), place in (0u32..40, 0u32..40),
        size in (1u32..40, 1u32..40),
    ) {
        let found = Part::new(from, to, place, size, Interpolation::Nearest);
        let expected = (size.0.min(to.0 - found.left), size.1.min(to.1 - found.top));
        prop_assert_eq!(found.part.dimensions(), expected);
    }
}
