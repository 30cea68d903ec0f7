//! A picture made of labelled pictures, for people to look at.
//!
//! Owns: layout, and writing the file where it does no harm. Which pictures are shown is the caller's choice.

mod font;

use std::io::Cursor;
use std::path::{Path, PathBuf};

use rekindle_augment::{Interpolation, RgbImage, resize};

use crate::InsightError;
use rekindle_model::{FileError, write_whole};

/// Side of the square that each picture is fitted into, in pixels.
pub const TILE_PIXELS: u32 = 144;
/// Pixels between pictures, and around everything.
const GAP: u32 = 12;
/// Pixels of the picture for a pixel of the font.
const SCALE: u32 = 2;
/// Height of a line of text with the room below it.
const LINE: u32 = font::HEIGHT * SCALE + 6;
/// Most lines below a picture.
const CAPTION_LINES: usize = 2;
/// Letters of a line below a picture.
pub const CAPTION_LETTERS: usize = ((TILE_PIXELS + GAP / 2) / (font::ADVANCE * SCALE)) as usize;

/// Not white, so that white pictures have an edge.
const PAPER: [u8; 3] = [238; 3];
const INK: [u8; 3] = [30; 3];
const FAINT: [u8; 3] = [110; 3];
/// Around pictures that do not fill their square.
const MOUNT: [u8; 3] = [218; 3];
/// Headings that tell of something wrong.
const ALARM: [u8; 3] = [190, 20, 20];

/// A small picture with lines of text below it.
#[derive(Debug, Clone)]
pub struct Tile {
    image: RgbImage,
    caption: Vec<String>,
}

impl Tile {
    /// A picture of any size, made as large as its square allows, with at most two lines below it; a line that is too long loses its
    /// beginning.
    pub fn new(image: &RgbImage, caption: impl IntoIterator<Item = String>) -> Self {
        Self {
            image: fit(image),
            caption: caption.into_iter().collect(),
        }
    }
}

/// Rows of tiles under headings.
#[derive(Debug)]
pub struct Sheet {
    columns: u32,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Line { text: String, colour: [u8; 3] },
    Row { tiles: Vec<Tile>, lines: usize },
}

impl Part {
    fn height(&self) -> u32 {
        match self {
            Self::Line { .. } => LINE,
            Self::Row { lines, .. } => TILE_PIXELS + 4 + *lines as u32 * LINE + GAP,
        }
    }
}

impl Sheet {
    /// An empty sheet of so many pictures in a row, at least one.
    pub fn new(columns: usize) -> Self {
        Self {
            columns: columns.clamp(1, 64) as u32,
            parts: Vec::new(),
        }
    }

    /// Adds a line of text.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.line(text.into(), INK);
    }

    /// Adds a line of text about something that is wrong.
    pub fn alarm(&mut self, text: impl Into<String>) {
        self.line(text.into(), ALARM);
    }

    /// Adds a line of text that explains.
    pub fn note(&mut self, text: impl Into<String>) {
        self.line(text.into(), FAINT);
    }

    fn line(&mut self, text: String, colour: [u8; 3]) {
        self.parts.push(Part::Line { text, colour });
    }

    /// Adds pictures, in as many rows as they need.
    pub fn tiles(&mut self, tiles: Vec<Tile>) {
        let mut tiles = tiles.into_iter().peekable();
        while tiles.peek().is_some() {
            let row: Vec<Tile> = tiles.by_ref().take(self.columns as usize).collect();
            let lines = row.iter().map(|tile| tile.caption.len()).max().unwrap_or(0);
            self.parts.push(Part::Row {
                tiles: row,
                lines: lines.min(CAPTION_LINES),
            });
        }
    }

    /// The sheet as a picture.
    pub fn draw(&self) -> RgbImage {
        let width = GAP + self.columns * (TILE_PIXELS + GAP);
        let height = 2 * GAP + self.parts.iter().map(Part::height).sum::<u32>();
        let mut canvas = RgbImage::from_pixel(width, height, image::Rgb(PAPER));
        let room = |width: u32| (width / (font::ADVANCE * SCALE)) as usize;
        let mut top = GAP;
        for part in &self.parts {
            match part {
                Part::Line { text, colour } => {
                    let text = cut_back(text, room(width - 2 * GAP));
                    font::write(&mut canvas, GAP, top, &text, SCALE, *colour);
                }
                Part::Row { tiles, .. } => {
                    for (place, tile) in (0..).zip(tiles) {
                        let left = GAP + place * (TILE_PIXELS + GAP);
                        mount(&mut canvas, left, top, &tile.image);
                        for (number, line) in (0..).zip(tile.caption.iter().take(CAPTION_LINES)) {
                            let text = cut_front(line, CAPTION_LETTERS);
                            let top = top + TILE_PIXELS + 4 + number * LINE;
                            font::write(&mut canvas, left, top, &text, SCALE, INK);
                        }
                    }
                }
            }
            top += part.height();
        }
        canvas
    }
}

/// The picture with its longer side as long as a tile's.
fn fit(image: &RgbImage) -> RgbImage {
    let (width, height) = image.dimensions();
    let longer = width.max(height).max(1);
    let side = |side: u32| {
        let side = u64::from(side) * u64::from(TILE_PIXELS) / u64::from(longer);
        (side as u32).max(1)
    };
    resize(image, side(width), side(height), Interpolation::Bicubic)
}

/// Puts a picture into the middle of its square.
fn mount(canvas: &mut RgbImage, left: u32, top: u32, image: &RgbImage) {
    let square = RgbImage::from_pixel(TILE_PIXELS, TILE_PIXELS, image::Rgb(MOUNT));
    image::imageops::replace(canvas, &square, left.into(), top.into());
    let [x, y] = [(left, image.width()), (top, image.height())]
        .map(|(at, side)| at + (TILE_PIXELS.saturating_sub(side)) / 2);
    image::imageops::replace(canvas, image, x.into(), y.into());
}

/// The end of a text, of at most `room` letters.
fn cut_front(text: &str, room: usize) -> String {
    let length = text.chars().count();
    match length > room {
        true => format!(
            "~{}",
            text.chars().skip(length + 1 - room).collect::<String>()
        ),
        false => text.to_owned(),
    }
}

/// The beginning of a text, of at most `room` letters.
fn cut_back(text: &str, room: usize) -> String {
    match text.chars().count() > room {
        true => format!("{}~", text.chars().take(room - 1).collect::<String>()),
        false => text.to_owned(),
    }
}

/// Checks that a sheet may be written to `path`: it is a PNG by its name, is not there yet, and lies outside the folder of images.
///
/// # Errors
///
/// [`InsightError::SheetPath`].
pub fn check_path(path: &Path, data: &Path) -> Result<(), InsightError> {
    let refuse = |reason: &'static str| InsightError::SheetPath {
        path: path.into(),
        reason,
    };
    let is_png = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    if !is_png {
        return Err(refuse("expected a name that ends in .png"));
    }
    if path.symlink_metadata().is_ok() {
        return Err(refuse(
            "it exists already; choose another name or remove it",
        ));
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let directory = directory
        .canonicalize()
        .map_err(|_| refuse("there is no such directory; make it first"))?;
    match data.canonicalize() {
        Ok(data) if directory.starts_with(&data) => Err(refuse(
            "it lies in the folder of images, which is only read; choose a place outside it",
        )),
        _ => Ok(()),
    }
}

/// Writes a sheet as a PNG, whole or not at all.
///
/// # Errors
///
/// As [`check_path`]; the file cannot be written.
pub fn write_sheet(image: &RgbImage, path: &Path, data: &Path) -> Result<(), InsightError> {
    check_path(path, data)?;
    let failed = |source| InsightError::WriteSheet {
        path: path.into(),
        source,
    };
    let mut bytes = Vec::new();
    image
        .write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png)
        .map_err(|error| failed(std::io::Error::other(error)))?;
    write_whole(path, &bytes).map_err(|error| match error {
        FileError::Write { source, .. } => failed(source),
        other => InsightError::Model(other.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_every_shape_stay_in_their_squares() {
        for (width, height) in [(1, 1), (1, 9000), (9000, 1), (144, 144), (50, 30)] {
            let mut canvas = RgbImage::from_pixel(200, 200, image::Rgb([1, 2, 3]));
            let image = RgbImage::from_pixel(width, height, image::Rgb([200, 0, 0]));
            mount(&mut canvas, 20, 30, &fit(&image));
            for (x, y, pixel) in canvas.enumerate_pixels() {
                let inside = (20..164).contains(&x) && (30..174).contains(&y);
                assert_eq!(pixel.0 != [1, 2, 3], inside, "{width} {height} at {x} {y}");
            }
            assert_eq!(canvas.get_pixel(91, 101).0, [200, 0, 0], "{width} {height}");
        }
    }

    #[test]
    fn rows_are_filled_before_a_new_one_begins() {
        let tile = |text: &str| Tile::new(&RgbImage::new(4, 4), [text.to_owned()]);
        let height = |count: usize| {
            let mut sheet = Sheet::new(3);
            sheet.tiles(vec![tile("a"); count]);
            sheet.draw().height()
        };
        assert_eq!(height(1), height(3));
        assert_eq!(height(4), height(6));
        assert!(height(4) > height(3));
        assert_eq!(Sheet::new(3).draw().dimensions(), (480, 24));
    }

    #[test]
    fn long_texts_are_cut_to_their_room() {
        assert_eq!(cut_front("abcdef", 4), "~def");
        assert_eq!(cut_back("abcdef", 4), "abc~");
        assert_eq!(cut_front("abcd", 4), "abcd");
    }

    #[test]
    fn a_sheet_is_written_once_and_never_among_the_images() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("photos");
        std::fs::create_dir_all(data.join("cat")).unwrap();
        let image = Sheet::new(1).draw();
        let file = folder.path().join("sheet.png");
        write_sheet(&image, &file, &data).unwrap();
        assert_eq!(image::open(&file).unwrap().into_rgb8(), image);
        let error = |path: PathBuf| write_sheet(&image, &path, &data).unwrap_err().to_string();
        assert!(error(file).contains("exists already"));
        assert!(error(data.join("sheet.png")).contains("only read"));
        assert!(error(data.join("cat/../cat/sheet.png")).contains("only read"));
        assert!(error(folder.path().join("sheet.jpg")).contains(".png"));
        assert!(error(folder.path().join("none/sheet.png")).contains("no such directory"));
        assert_eq!(std::fs::read_dir(data.join("cat")).unwrap().count(), 0);
    }
}
