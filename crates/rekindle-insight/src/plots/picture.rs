//! SVG to pixels.
//!
//! Owns the fonts: one that is in the program, with Latin, Greek and Cyrillic letters, and the system's for every other script. They are
//! only looked for where a text needs them, since a system may have thousands.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use rekindle_augment::RgbImage;

use crate::InsightError;

/// The first letter behind those of the program's own font.
const OWN_FONT_ENDS: char = '\u{530}';

/// The program's own font alone, as every family.
static OWN: LazyLock<Arc<Database>> = LazyLock::new(|| Arc::new(fonts(false)));

/// The same, and the system's behind it.
static ALL: LazyLock<Arc<Database>> = LazyLock::new(|| Arc::new(fonts(true)));

fn fonts(with_system: bool) -> Database {
    let mut fonts = Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    let own = fonts.faces().next();
    let own = own.and_then(|face| Some(face.families.first()?.0.clone()));
    if with_system {
        fonts.load_system_fonts();
    }
    // The system's configuration names families that need not be there.
    if let Some(own) = own {
        fonts.set_sans_serif_family(own.clone());
        fonts.set_serif_family(own);
    }
    fonts
}

/// Draws an SVG that a plot is.
///
/// # Errors
///
/// [`InsightError::Plot`] for what is no such SVG.
pub(super) fn pixels(svg: &str) -> Result<RgbImage, InsightError> {
    let failed = |reason: String| InsightError::Plot { reason };
    let fonts = match svg.chars().any(needs_the_systems) {
        true => &ALL,
        false => &OWN,
    };
    let options = Options {
        fontdb: Arc::clone(fonts),
        font_family: "sans-serif".into(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let size = tree.size().to_int_size();
    let canvas = Pixmap::new(size.width(), size.height());
    let mut canvas = canvas.ok_or_else(|| failed("a plot without a size".into()))?;
    resvg::render(&tree, Transform::identity(), &mut canvas.as_mut());
    // The sheet is opaque, so nothing is left to be divided by.
    let pixels = canvas.data().chunks_exact(4);
    let pixels = pixels.flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]);
    RgbImage::from_raw(size.width(), size.height(), pixels.collect())
        .ok_or_else(|| failed("a plot of another size than it says".into()))
}

/// Whether the program's own font lacks a letter.
fn needs_the_systems(letter: char) -> bool {
    let punctuation = ('\u{2010}'..='\u{2030}').contains(&letter);
    letter >= OWN_FONT_ENDS && !punctuation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ink(text: &str) -> usize {
        let svg = format!(
            "<svg width=\"200\" height=\"30\" xmlns=\"http://www.w3.org/2000/svg\"><rect width=\"200\" height=\"30\" fill=\"#fff\"/>\
             <text x=\"5\" y=\"20\" font-family=\"sans-serif\" font-size=\"16\">{text}</text></svg>"
        );
        let image = pixels(&svg).unwrap();
        assert_eq!(image.dimensions(), (200, 30));
        image.pixels().filter(|pixel| pixel.0[0] < 128).count()
    }

    #[test]
    fn text_is_drawn_without_any_font_of_the_system() {
        for text in ["robin", "Ärger", "Ώρα", "ёж", "50 %…"] {
            assert!(!text.chars().any(needs_the_systems), "{text}");
            assert!(ink(text) > 20, "{text}: {}", ink(text));
        }
        assert_eq!(ink(""), 0);
    }

    #[test]
    fn letters_that_no_font_here_has_are_no_error() {
        assert!("漢字".chars().any(needs_the_systems));
        // What stands beside them is drawn all the same.
        assert!(ink("漢字 robin عربى") > 20);
    }

    #[test]
    fn what_is_no_svg_is_an_error() {
        let error = pixels("<svg").unwrap_err().to_string();
        assert!(error.contains("plot"), "{error}");
    }
}
