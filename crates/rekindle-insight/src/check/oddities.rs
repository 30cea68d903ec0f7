//! Images that can be decoded and are unusual.
//!
//! Owns: the rules and their bounds.

use std::path::Path;

use rekindle_augment::{Format, SourceMode};

use super::examine::Picture;
use super::report::OddKind;

/// A picture whose shorter side is below the input's by more than this factor is tiny: it would be enlarged to a blur.
const TINY_FACTOR: u32 = 4;
/// A picture with more than this between its sides is extreme: a centre crop would show less than a third of it.
pub(super) const EXTREME_ASPECT: u32 = 3;
/// Pictures of more pixels are slow to decode; a network sees a thousandth of them.
const HUGE_PIXELS: u64 = 50_000_000;

/// What is unusual about an image, for a network with an input of this size. With a range, samples mean what it says, whatever
/// they look like.
pub(super) fn oddities(
    path: &Path,
    picture: &Picture,
    input_size: [usize; 2],
    has_range: bool,
) -> Vec<(OddKind, String)> {
    let (width, height) = (picture.width, picture.height);
    let shorter = width.min(height);
    let longer = width.max(height);
    let input = input_size[0].min(input_size[1]) as u64;
    let size = format!("{width} by {height} pixels");
    let mut found = Vec::new();
    if let Some(extension) = wrong_extension(path, picture.format) {
        let reason = format!(
            "its name ends in .{extension} and its content is {}",
            picture.format
        );
        found.push((OddKind::WrongExtension, reason));
    }
    if picture.is_blank {
        found.push((OddKind::Blank, "all its pixels have one colour".into()));
    }
    if u64::from(shorter) * u64::from(TINY_FACTOR) < input {
        found.push((OddKind::Tiny, format!("{size}, and the input has {input}")));
    }
    if u64::from(longer) > u64::from(shorter) * u64::from(EXTREME_ASPECT) {
        found.push((OddKind::ExtremeAspect, size.clone()));
    }
    if u64::from(width) * u64::from(height) > HUGE_PIXELS {
        found.push((OddKind::Huge, size));
    }
    if let Some(stack) = picture.stack {
        let reason = format!(
            "it is a stack ({stack}): only the first of {} planes is used",
            stack.planes
        );
        found.push((OddKind::Stack, reason));
    } else if picture.has_more_frames {
        let reason = match picture.format {
            Format::Tiff => "it has several pages; one of them is used",
            _ => "it is an animation; the first frame is used",
        };
        found.push((OddKind::Animated, reason.into()));
    }
    if picture.mode == SourceMode::SixteenBit
        && !has_range
        && let Some(bits) = bits_in_use(picture.most)
    {
        let reason = format!(
            "its samples have 16 bits and use {bits}, so {} of 256 grey levels are left; `input.range = {{ bits = {bits} }}` uses all, \
             and `\"max\"` those that the training images use",
            u16::from(picture.most) + 1
        );
        found.push((OddKind::FewLevels, reason));
    }
    found
}

/// How many of 16 bits hold samples of which the largest has become this grey level: 10, 12 or 14; none where all may be in use, or none is.
fn bits_in_use(most: u8) -> Option<u32> {
    // 1023, 4095 and 16383, divided by 257.
    match most {
        1..=4 => Some(10),
        5..=16 => Some(12),
        17..=64 => Some(14),
        _ => None,
    }
}

/// The extension of a name that promises another format.
fn wrong_extension(path: &Path, format: Format) -> Option<String> {
    let extension = path.extension()?.to_string_lossy().to_lowercase();
    let promised = match extension.as_str() {
        "jpg" | "jpeg" | "jpe" | "jfif" => Format::Jpeg,
        "png" => Format::Png,
        "webp" => Format::WebP,
        "bmp" => Format::Bmp,
        "gif" => Format::Gif,
        "tif" | "tiff" => Format::Tiff,
        "ppm" | "pgm" | "pbm" | "pnm" => Format::Pnm,
        _ => return None,
    };
    (promised != format).then_some(extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::examine::tests::picture;
    use rekindle_augment::Stack;
    use rekindle_data::IMAGE_EXTENSIONS;

    fn kinds(name: &str, change: impl Fn(&mut Picture)) -> Vec<OddKind> {
        let mut picture = picture();
        change(&mut picture);
        let found = oddities(Path::new(name), &picture, [224, 224], false);
        found.into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn an_ordinary_picture_is_not_odd() {
        assert_eq!(kinds("cat/a.PNG", |_| {}), []);
    }

    #[test]
    fn content_under_another_name_is_odd() {
        assert_eq!(kinds("cat/a.jpg", |_| {}), [OddKind::WrongExtension]);
    }

    #[test]
    fn sixteen_bits_that_are_hardly_used_are_named_with_the_bits() {
        let kinds = |mode, most| {
            kinds("a.png", move |picture| {
                (picture.mode, picture.most) = (mode, most);
            })
        };
        assert_eq!(kinds(SourceMode::SixteenBit, 16), [OddKind::FewLevels]);
        assert_eq!(kinds(SourceMode::SixteenBit, 64), [OddKind::FewLevels]);
        assert_eq!(kinds(SourceMode::SixteenBit, 65), []);
        assert_eq!(kinds(SourceMode::Grey, 16), []);
        assert_eq!([4, 5, 17].map(bits_in_use), [Some(10), Some(12), Some(14)]);
    }

    #[test]
    fn stacks_are_no_animations() {
        let stack = Stack {
            channels: 3,
            slices: 1,
            times: 1,
            planes: 3,
        };
        // ImageJ writes large ones with one directory.
        for has_more_frames in [true, false] {
            let found = kinds("a.png", |picture| {
                (picture.stack, picture.has_more_frames) = (Some(stack), has_more_frames);
            });
            assert_eq!(found, [OddKind::Stack]);
        }
        let found = kinds("a.png", |picture| picture.has_more_frames = true);
        assert_eq!(found, [OddKind::Animated]);
    }

    #[test]
    fn every_extension_of_an_image_promises_a_format() {
        for extension in IMAGE_EXTENSIONS {
            let path = format!("a.{extension}");
            let wrong = [Format::Png, Format::Jpeg]
                .map(|format| wrong_extension(Path::new(&path), format).is_some());
            assert!(wrong.contains(&true), "{extension}");
        }
    }

    #[test]
    fn bounds_are_where_they_are_said_to_be() {
        let size = |width, height| {
            kinds("a.png", |picture| {
                (picture.width, picture.height) = (width, height)
            })
        };
        assert_eq!(size(56, 56), []);
        assert_eq!(size(55, 56), [OddKind::Tiny]);
        assert_eq!(size(600, 200), []);
        assert_eq!(size(200, 601), [OddKind::ExtremeAspect]);
        assert_eq!(size(10_000, 5_000), []);
        assert_eq!(size(10_000, 5_001), [OddKind::Huge]);
        assert_eq!(size(u32::MAX, u32::MAX), [OddKind::Huge]);
    }
}
