//! Maps drawn over the picture that they are of. Owns colours and layout.
//!
//! The picture is greyed, so that every colour is the map's. Maps without a sign go from nothing over pale to dark red; signed ones are
//! orange for and blue against what is explained, which people tell apart who see fewer colours.

use image::imageops::replace;
use plotters::style::text_anchor::HPos;
use rekindle_augment::{Interpolation, RgbImage, resize};
use rekindle_data::metrics::short;
use rekindle_data::{OutputKind, TaskKind};

use super::{Explanation, HeatMap, MethodMap};
use crate::InsightError;
use crate::plots::canvas::{self, FAINT, HEADING, INK, SMALL, TEXT};
use crate::plots::pixels;

/// Weak to strong.
const RISING: [[f32; 3]; 3] = [
    [255.0, 226.0, 120.0],
    [235.0, 60.0, 30.0],
    [110.0, 0.0, 40.0],
];
const FOR: [f32; 3] = [213.0, 94.0, 0.0];
const AGAINST: [f32; 3] = [0.0, 96.0, 190.0];
/// Share of the colour where a map is at its greatest.
const COVER: f32 = 0.75;
/// Share of the distances from 0 that a signed map of single pixels shows at most: a few pixels would leave the others in the dark.
const SHOWN: f64 = 0.99;

/// Pixels between and around everything.
const GAP: u32 = 12;
/// Smaller pictures are enlarged by a whole number to at least this width, which text needs.
const LEAST_WIDTH: u32 = 224;
const LINE: u32 = 22;
const BAR: u32 = 10;

/// A picture with a map drawn over it, of the picture's size.
pub fn overlay(picture: &RgbImage, map: &HeatMap) -> RgbImage {
    let (width, height) = picture.dimensions();
    let map = shown(map, [height as usize, width as usize]);
    let mut drawn = picture.clone();
    for (pixel, value) in drawn.pixels_mut().zip(map.values()) {
        pixel.0 = painted(greyed(pixel.0), *value, map.is_signed());
    }
    drawn
}

/// Picture and maps side by side, with what they are and what was said.
///
/// # Errors
///
/// The letters cannot be drawn.
pub fn drawing(
    picture: &RgbImage,
    explanation: &Explanation,
    task: TaskKind,
) -> Result<RgbImage, InsightError> {
    let times = LEAST_WIDTH.div_ceil(picture.width()).max(1);
    let [width, height] = [picture.width(), picture.height()].map(|side| side * times);
    let enlarge = |image: &RgbImage, filter| match times {
        1 => image.clone(),
        _ => resize(image, width, height, filter),
    };
    let large = enlarge(picture, Interpolation::Bilinear);
    let panels = explanation.maps.len() as u32 + 1;
    let whole = [
        GAP + panels * (width + GAP),
        3 * GAP + 2 * LINE + height + BAR + LINE,
    ];
    let left = |place: usize| GAP + place as u32 * (width + GAP);
    let top = GAP + 2 * LINE;
    let below = top + height + GAP / 2;
    let svg = canvas::sheet(whole, |area| {
        let line = |text: &str, [x, y]: [u32; 2], size, colour, side| {
            canvas::write(area, text, (x as i32, y as i32), size, colour, side)
        };
        let title = canvas::cut(
            &said(explanation, task),
            HEADING,
            f64::from(whole[0] - 2 * GAP),
        );
        line(&title, [GAP, GAP + LINE / 2], HEADING, INK, HPos::Left)?;
        let names = std::iter::once("as the network sees it".to_owned())
            .chain(explanation.maps.iter().map(caption));
        for (place, name) in names.enumerate() {
            let name = canvas::cut(&name, TEXT, f64::from(width));
            let at = [left(place), GAP + LINE + LINE / 2];
            line(&name, at, TEXT, INK, HPos::Left)?;
        }
        for (place, map) in explanation.maps.iter().enumerate() {
            let words = match map.map.is_signed() {
                true => ["against", "for"],
                false => ["nothing", "most"],
            };
            let y = below + BAR + LINE / 2;
            let start = left(place + 1);
            line(words[0], [start, y], SMALL, FAINT, HPos::Left)?;
            line(words[1], [start + width, y], SMALL, FAINT, HPos::Right)?;
        }
        Ok(())
    })?;
    let mut sheet = pixels(&svg)?;
    replace(&mut sheet, &large, left(0).into(), top.into());
    for (place, map) in explanation.maps.iter().enumerate() {
        let x = left(place + 1).into();
        replace(&mut sheet, &overlay(&large, &map.map), x, top.into());
        replace(
            &mut sheet,
            &bar(width, map.map.is_signed()),
            x,
            below.into(),
        );
    }
    Ok(sheet)
}

/// What the model says, in a line.
fn said(explanation: &Explanation, task: TaskKind) -> String {
    let Explanation { name, value, .. } = explanation;
    match task.outputs() {
        OutputKind::Numbers => format!("{name}: {}", short(f64::from(*value))),
        OutputKind::Distribution | OutputKind::Indicators => {
            format!("{name}: {:.1} %", 100.0 * value)
        }
    }
}

fn caption(map: &MethodMap) -> String {
    match &map.stage {
        Some(stage) => format!("{}, {stage}", map.method.title()),
        None => map.method.title().to_owned(),
    }
}

/// A map of a picture's size, from 0 to 1, or from -1 to 1.
fn shown(map: &HeatMap, size: [usize; 2]) -> HeatMap {
    if !map.is_signed() {
        // As pytorch-grad-cam scales it.
        return map.scaled().resized(size).scaled();
    }
    let [_, width] = map.size();
    let smooth = map.smoothed(width.div_ceil(100));
    let most = smooth.quantile(SHOWN);
    let most = if most > 0.0 {
        most
    } else {
        smooth.greatest().max(1e-7)
    };
    smooth.times(1.0 / f64::from(most)).resized(size)
}

/// Half of its colour taken out of a pixel.
fn greyed(pixel: [u8; 3]) -> [f32; 3] {
    let [red, green, blue] = pixel.map(f32::from);
    // The weights of Rec. 601, as in JPEG.
    let grey = 0.299 * red + 0.587 * green + 0.114 * blue;
    [red, green, blue].map(|value| 0.25 * value + 0.75 * grey)
}

fn painted(under: [f32; 3], value: f32, signed: bool) -> [u8; 3] {
    let (colour, share) = match signed {
        true => {
            let colour = if value < 0.0 { AGAINST } else { FOR };
            (colour, value.abs().min(1.0))
        }
        false => {
            let value = value.clamp(0.0, 1.0);
            let [from, to, at] = match value < 0.5 {
                true => [RISING[0], RISING[1], [2.0 * value; 3]],
                false => [RISING[1], RISING[2], [2.0 * value - 1.0; 3]],
            };
            (mixed(from, to, at[0]), value)
        }
    };
    mixed(under, colour, COVER * share).map(|value| value.round().clamp(0.0, 255.0) as u8)
}

fn mixed(from: [f32; 3], to: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|place| from[place] + (to[place] - from[place]) * share)
}

/// All values of a map from left to right, over grey.
fn bar(width: u32, signed: bool) -> RgbImage {
    RgbImage::from_fn(width, BAR, |x, _| {
        let share = x as f32 / (width - 1).max(1) as f32;
        let value = if signed { 2.0 * share - 1.0 } else { share };
        image::Rgb(painted([200.0; 3], value, signed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Method;

    fn explanation(maps: Vec<MethodMap>) -> Explanation {
        Explanation {
            output: 0,
            name: "<漢字> & a name that is longer than the picture is wide, by far".into(),
            value: 0.973,
            score: 3.5,
            maps,
        }
    }

    fn map(method: Method, map: HeatMap) -> MethodMap {
        MethodMap {
            method,
            stage: None,
            map,
            difference: None,
        }
    }

    #[test]
    fn colour_is_where_the_map_is_great_and_nowhere_else() {
        let picture = RgbImage::from_pixel(8, 4, image::Rgb([90; 3]));
        let values = [0.0, 0.0, 0.0, 7.0];
        let drawn = overlay(&picture, &HeatMap::new([1, 4], values.to_vec(), false));
        assert_eq!(drawn.get_pixel(0, 0).0, [90; 3]);
        let [red, green, blue] = drawn.get_pixel(7, 3).0;
        assert!(red > 90 && green < 40 && blue < 60, "{red} {green} {blue}");
        let values = [-7.0, 0.0, 0.0, 7.0];
        let drawn = overlay(&picture, &HeatMap::new([1, 4], values.to_vec(), true));
        let [red, _, blue] = drawn.get_pixel(0, 0).0;
        assert!(blue > red);
        let [red, _, blue] = drawn.get_pixel(7, 0).0;
        assert!(red > blue);
    }

    #[test]
    fn a_map_of_nothing_is_drawn_as_the_grey_picture() {
        let picture = RgbImage::from_pixel(5, 5, image::Rgb([10, 200, 30]));
        let grey = greyed([10, 200, 30]).map(|value| value.round() as u8);
        for signed in [false, true] {
            let drawn = overlay(&picture, &HeatMap::new([2, 2], vec![0.0; 4], signed));
            assert!(drawn.pixels().all(|pixel| pixel.0 == grey));
        }
    }

    #[test]
    fn a_drawing_has_the_picture_and_a_panel_for_each_map_at_any_size() {
        for side in [1, 32, 300] {
            let picture = RgbImage::from_pixel(side, side, image::Rgb([1, 2, 3]));
            let maps = vec![
                map(Method::GradCam, HeatMap::new([1, 1], vec![1.0], false)),
                map(
                    Method::Occlusion,
                    HeatMap::new([2, 1], vec![1.0, -1.0], true),
                ),
            ];
            let sheet = drawing(&picture, &explanation(maps), TaskKind::default()).unwrap();
            let shown = side * 224u32.div_ceil(side);
            assert_eq!(sheet.width(), 12 + 3 * (shown + 12));
            assert_eq!(sheet.get_pixel(12, 12 + 44).0, [1, 2, 3]);
        }
    }
}
