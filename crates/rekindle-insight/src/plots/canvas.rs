//! A sheet that plots are drawn on, as SVG.
//!
//! Owns colours, text of the plots' sizes, and its room. What is drawn is each plot's own.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::InsightError;

/// A part of a sheet, in pixels from its own top left corner.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What drawing gives.
pub(crate) type Drawn<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

pub(crate) const INK: RGBColor = RGBColor(20, 20, 20);
pub(crate) const FAINT: RGBColor = RGBColor(85, 85, 85);
pub(crate) const MESH: RGBColor = RGBColor(228, 228, 228);
/// Okabe and Ito's colours, which people tell apart who see fewer of them.
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(170, 85, 140),
    RGBColor(86, 130, 170),
    RGBColor(150, 110, 0),
];

pub(crate) const FONT: &str = "sans-serif";
/// Size of a heading, of text, and of what is beside a mark.
pub(crate) const HEADING: f64 = 18.0;
pub(crate) const TEXT: f64 = 14.0;
pub(crate) const SMALL: f64 = 12.0;

/// Draws a sheet of this size.
pub(crate) fn sheet(
    [width, height]: [u32; 2],
    paint: impl FnOnce(&Area) -> Drawn,
) -> Result<String, InsightError> {
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        area.fill(&WHITE)
            .map_err(Into::into)
            .and_then(|()| paint(&area))
            .and_then(|()| Ok(area.present()?))
    };
    match drawn {
        Ok(()) => Ok(svg),
        Err(error) => Err(InsightError::Plot {
            reason: error.to_string(),
        }),
    }
}

/// Writes text at a place, aligned to it on the side that is named: the place of a left-aligned text is at its left end.
pub(crate) fn write(
    area: &Area,
    text: &str,
    place: (i32, i32),
    size: f64,
    colour: RGBColor,
    side: HPos,
) -> Drawn {
    write_turned(area, text, place, size, colour, side, FontTransform::None)
}

/// As [`write`], turned.
pub(crate) fn write_turned(
    area: &Area,
    text: &str,
    place: (i32, i32),
    size: f64,
    colour: RGBColor,
    side: HPos,
    turn: FontTransform,
) -> Drawn {
    let font = (FONT, size).into_font().transform(turn);
    let style = font.color(&colour).pos(Pos::new(side, VPos::Center));
    Ok(area.draw_text(&printable(text), &style, place)?)
}

/// About how wide a text is; East Asian letters and symbols are twice as wide as the others.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let letters: f64 = text.chars().map(letter_width).sum();
    letters * size
}

/// The beginning of a text that fits so many pixels.
pub(crate) fn cut(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut left = room / size - letter_width('…');
    let fits = |letter: &char| {
        left -= letter_width(*letter);
        left >= 0.0
    };
    let start: String = text.chars().take_while(fits).collect();
    format!("{}…", start.trim_end())
}

/// In units of the size of the text.
fn letter_width(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | '.' | ',' | '\'' | '|' | ' ' | ':' | '(' | ')' | 'f' | 't' | 'r' => 0.36,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.86,
        '\u{1100}'.. => 1.0,
        letter if letter.is_uppercase() => 0.68,
        _ => 0.57,
    }
}

/// A text without what no picture shows and XML forbids.
pub(super) fn printable(text: &str) -> String {
    let shown =
        |letter: char| match letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') {
            true => '\u{fffd}',
            false => letter,
        };
    text.chars().map(shown).collect()
}

/// White to dark blue, for shares from 0 to 1.
pub(crate) fn shade(share: f64) -> RGBColor {
    let from = [255.0, 255.0, 255.0];
    let to = [8.0, 48.0, 107.0];
    let middle = [107.0, 174.0, 214.0];
    let between = |from: [f64; 3], to: [f64; 3], at: f64| {
        let channel = |place: usize| (from[place] + (to[place] - from[place]) * at).round() as u8;
        RGBColor(channel(0), channel(1), channel(2))
    };
    match share.clamp(0.0, 1.0) {
        low if low < 0.5 => between(from, middle, 2.0 * low),
        high => between(middle, to, 2.0 * high - 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_to_their_room_and_short_ones_stay() {
        assert_eq!(cut("robin", 12.0, 100.0), "robin");
        let long = cut("a very long name of a class", 12.0, 60.0);
        assert!(long.ends_with('…') && width(&long, 12.0) <= 60.0, "{long}");
        let wide = cut("漢字漢字漢字漢字", 12.0, 60.0);
        assert_eq!(wide.chars().count(), 5, "{wide}");
    }

    #[test]
    fn names_with_markup_and_control_letters_are_text() {
        let svg = sheet([100, 40], |area| {
            write(area, "<b>&\u{1}", (5, 10), SMALL, INK, HPos::Left)
        });
        let svg = svg.unwrap();
        assert!(svg.contains("&lt;b&gt;&amp;\u{fffd}"), "{svg}");
    }

    #[test]
    fn shades_get_darker_without_a_jump() {
        let sum = |share: f64| {
            let RGBColor(red, green, blue) = shade(share);
            i32::from(red) + i32::from(green) + i32::from(blue)
        };
        for step in 0..100 {
            let (here, next) = (
                sum(f64::from(step) / 100.0),
                sum(f64::from(step + 1) / 100.0),
            );
            assert!((0..12).contains(&(here - next)), "{step}: {here} {next}");
        }
    }
}
