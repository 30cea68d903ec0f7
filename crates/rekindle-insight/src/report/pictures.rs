//! Validation pictures to look at: the most wrong and the least sure, as thumbnails in the page itself. Owns which these are, and finding
//! them where the data is still there.

use std::collections::HashMap;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use rekindle_augment::{DecodeLimits, Interpolation, RgbImage, resize, shown};
use rekindle_data::{Dataset, ImageFolder, read_image};

use super::decided::Decided;
use crate::html::{Element, el};
use crate::source::{Row, Source};

/// Most pictures of each kind.
const MOST: usize = 12;
/// Longer side of a thumbnail in pixels.
const SIDE: u32 = 200;
const QUALITY: u8 = 80;

/// What is said of the second picture.
const DECIDED: &str = " Below each, what the network sees of it, and over that what decided for the answer (Grad-CAM): red most, grey \
nothing. That shows where it looked, not whether it was right to.";

/// The pictures under their headings; what could not be shown is said.
pub fn section(of: &Source, predictions: Option<&[Row]>) -> Vec<Element> {
    let Some(rows) = predictions else {
        let why = "This run has no predictions.csv: an earlier version trained it, or it is not finished.";
        return vec![el("p").text(why)];
    };
    let wrong = most_wrong(rows);
    let decided = match wrong.is_empty() {
        true => None,
        false => Decided::of(of),
    };
    let mut finder = Finder::new(of, decided);
    let mut parts = Vec::new();
    for (title, explained, chosen, is_wrong) in [
        (
            "Most wrong",
            "The validation pictures with the greatest loss.",
            wrong,
            true,
        ),
        (
            "Least sure",
            "The validation pictures whose predicted class has the lowest probability.",
            least_sure(rows),
            false,
        ),
    ] {
        if chosen.is_empty() {
            continue;
        }
        let figures: Vec<Element> = chosen
            .into_iter()
            .map(|row| {
                let (picture, decided) = finder.thumbnails(row, is_wrong);
                el("li").with(figure(row, picture, decided))
            })
            .collect();
        parts.push(el("h3").text(title));
        let explained = el("p").class("faint").text(explained);
        parts.push(match is_wrong && finder.decided_shown {
            true => explained.text(DECIDED),
            false => explained,
        });
        parts.push(el("ul").class("pictures").with_all(figures));
    }
    if parts.is_empty() {
        parts.push(el("p").text("All validation pictures are predicted as they are."));
    }
    if finder.missing > 0 {
        let text = format!(
            "{} of these pictures could not be read from {}: they were moved, removed or changed since the run.",
            finder.missing,
            of.facts.data.display()
        );
        parts.push(el("p").class("alarm").text(text));
    }
    parts
}

/// Those that are not what they were taken for, the greatest loss first.
fn most_wrong(rows: &[Row]) -> Vec<&Row> {
    let mut wrong: Vec<&Row> = rows
        .iter()
        .filter(|row| row.truth != row.predicted)
        .collect();
    wrong.sort_by(|a, b| b.loss.total_cmp(&a.loss));
    wrong.truncate(MOST);
    wrong
}

/// Those with the lowest probability of what was predicted.
fn least_sure(rows: &[Row]) -> Vec<&Row> {
    let mut all: Vec<(&Row, f64)> = rows
        .iter()
        .filter_map(|row| Some((row, row.probability?)))
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    all.into_iter().take(MOST).map(|(row, _)| row).collect()
}

fn figure(row: &Row, picture: Option<String>, decided: Option<Drawn>) -> Element {
    let said = |text: &str| {
        if text.is_empty() {
            "no labels".to_owned()
        } else {
            text.to_owned()
        }
    };
    let (truth, predicted) = (said(&row.truth), said(&row.predicted));
    let sure = row
        .probability
        .map_or(String::new(), |share| format!(" {:.1} %", 100.0 * share));
    let words = match truth == predicted {
        true => format!("{truth}, rightly:{sure}"),
        false => format!("{truth}, taken for {predicted}{sure}"),
    };
    let figure = el("figure");
    let figure = match picture {
        Some(data) => figure.with(
            el("img")
                .attr("src", data)
                .attr("alt", format!("{}: {words}", row.path))
                .attr("loading", "lazy"),
        ),
        None => figure.with(el("p").class("faint").text("not there")),
    };
    let figure = match decided {
        Some(drawn) => figure.with(
            el("img")
                .attr("src", drawn.picture)
                .attr("alt", format!("What in it decided for {}", drawn.of))
                .attr("loading", "lazy"),
        ),
        None => figure,
    };
    figure.with(
        el("figcaption")
            .text(words)
            .with(el("small").text(format!("{}, loss {:.3}", row.path, row.loss))),
    )
}

/// A picture with what decided.
#[derive(Debug, Clone)]
struct Drawn {
    picture: String,
    /// The class, label or number that it is about.
    of: String,
}

/// Finds pictures by their names in split.json.
struct Finder<'a> {
    of: &'a Source,
    /// Draws what decided, where it can.
    decided: Option<Decided>,
    decided_shown: bool,
    limits: DecodeLimits,
    /// The data opened as the run did, once a picture is not simply a file below it.
    opened: Option<Option<Dataset>>,
    /// What was looked for so far: a picture may be wrong and unsure.
    known: HashMap<String, Option<String>>,
    missing: usize,
}

impl<'a> Finder<'a> {
    fn new(of: &'a Source, decided: Option<Decided>) -> Self {
        Self {
            of,
            limits: decided
                .as_ref()
                .map_or_else(DecodeLimits::of_own_files, Decided::limits),
            decided,
            decided_shown: false,
            opened: None,
            known: HashMap::new(),
            missing: 0,
        }
    }

    /// A picture, and what decided for its answer where that is asked for and can be had.
    fn thumbnails(&mut self, row: &Row, with_decided: bool) -> (Option<String>, Option<Drawn>) {
        let key = &row.path;
        if let Some(known) = self.known.get(key).filter(|_| !with_decided) {
            return (known.clone(), None);
        }
        let picture = self.picture(key);
        let channels = self.limits.channels;
        let found = picture
            .as_ref()
            .and_then(|picture| data_uri(&shown(picture, channels)));
        self.missing += usize::from(found.is_none());
        self.known.insert(key.to_owned(), found.clone());
        let decided = self.decided.as_ref().filter(|_| with_decided);
        let drawn = decided
            .zip(picture)
            .and_then(|(decided, picture)| decided.draw(&picture, &row.predicted))
            .and_then(|(picture, of)| {
                let picture = data_uri(&picture)?;
                Some(Drawn { picture, of })
            });
        self.decided_shown |= drawn.is_some();
        (found, drawn)
    }

    fn picture(&mut self, key: &str) -> Option<RgbImage> {
        let path = self.of.facts.data.join(key);
        if path.is_file() {
            return Some(read_image(&path, &self.limits).ok()?.image);
        }
        let (of, limits) = (self.of, self.limits.clone());
        let opened = self.opened.get_or_insert_with(|| {
            let (folder, _) = of.recipe.data.open(&of.facts.data, of.recipe.seed).ok()?;
            Some(Dataset::new(folder, limits, 0))
        });
        let dataset = opened.as_ref()?;
        let place = place_of(dataset.folder(), key)?;
        Some((*dataset.image(place).ok()?).clone())
    }
}

fn place_of(folder: &ImageFolder, key: &str) -> Option<usize> {
    folder.samples.iter().position(|sample| sample.key() == key)
}

/// A small JPEG as the address of itself.
fn data_uri(image: &RgbImage) -> Option<String> {
    let (width, height) = image.dimensions();
    let longer = width.max(height);
    let side = |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(longer)).max(1) as u32;
    let small = match longer > SIDE {
        true => resize(image, side(width), side(height), Interpolation::Bilinear),
        false => image.clone(),
    };
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode_image(&small)
        .ok()?;
    Some(format!(
        "data:image/jpeg;base64,{}",
        base64(&bytes.into_inner())
    ))
}

/// Source: RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let all = three.iter().enumerate().fold(0u32, |all, (place, byte)| {
            all | u32::from(*byte) << (16 - 8 * place)
        });
        for place in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() {
                letter as char
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_its_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_most_wrong_are_wrong_and_the_least_sure_may_be_right() {
        let row = |predicted: &str, loss: f64, probability: f64| Row {
            path: format!("{loss}.png"),
            truth: "a".into(),
            predicted: predicted.into(),
            loss,
            probability: Some(probability),
        };
        let rows = [row("a", 0.9, 0.4), row("b", 2.0, 0.8), row("b", 3.0, 0.9)];
        let paths = |rows: Vec<&Row>| rows.iter().map(|row| row.loss).collect::<Vec<_>>();
        assert_eq!(paths(most_wrong(&rows)), [3.0, 2.0]);
        assert_eq!(paths(least_sure(&rows)), [0.9, 2.0, 3.0]);
    }

    #[test]
    fn a_thumbnail_is_small_whatever_the_picture() {
        for (width, height) in [(4000, 10), (1, 1), (200, 300)] {
            let uri = data_uri(&RgbImage::new(width, height)).unwrap();
            assert!(uri.starts_with("data:image/jpeg;base64,/9j/") && uri.len() < 4000);
        }
    }
}
