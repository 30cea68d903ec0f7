//! Stacks: pictures of several planes, of which a TIFF says in words what they are.
//!
//! Owns: the descriptions that ImageJ and OME write, and on which page each plane lies. Which planes are asked for, and whether they fit
//! together, is `planes.rs`'s.
//!
//! Source: ImageJ 1.54 `ij.io.TiffEncoder` and `FileInfo`; the OME-TIFF specification of schema 2016-06 ("TiffData").

use std::fmt::{self, Display, Formatter};

use super::directory::Directory;
use super::page::tag;

/// Planes of the largest stack; a description may say any number.
const MOST_PLANES: u64 = 1 << 16;

/// How the planes of a stack are counted, as its description says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stack {
    /// Channels of light, C.
    pub channels: u32,
    /// Slices of depth, Z.
    pub slices: u32,
    /// Moments, T.
    pub times: u32,
    /// Planes in all: the product, over the samples that each plane has itself.
    pub planes: u32,
}

impl Display for Stack {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            channels,
            slices,
            times,
            ..
        } = self;
        write!(formatter, "C={channels}, Z={slices}, T={times}")
    }
}

/// A stack, and where its planes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) stack: Stack,
    pub(super) places: Places,
}

/// Where the planes of a stack lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Places {
    /// ImageJ: one page after the other, or all behind the pixels of the only page.
    InOrder,
    /// OME: the number of each plane's page among all of the file; none for a plane of which the description says no place, and which
    /// lies in another file.
    Pages(Vec<Option<usize>>),
}

/// The stack that the first page of a file describes; none where it describes none of more than one plane.
pub(super) fn described(first: &Directory) -> Option<Described> {
    let text = first.bytes(tag::DESCRIPTION)?;
    let samples = first.number(tag::SAMPLES).unwrap_or(1);
    if text.starts_with(b"ImageJ=") {
        return image_j(&String::from_utf8_lossy(text));
    }
    let start = &text[..text.len().min(1 << 12)];
    let start = String::from_utf8_lossy(start);
    let start = start.trim_start_matches('\u{feff}').trim_start();
    if !start.starts_with('<') || !start.contains("OME") {
        return None;
    }
    ome(&String::from_utf8_lossy(text), samples)
}

/// ImageJ's lines of `key=value`. Without numbers of its own for each, planes are slices, as ImageJ takes them.
fn image_j(text: &str) -> Option<Described> {
    let value = |key: &str| {
        let mut values = text
            .lines()
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let number = values.next()?.trim().parse::<u64>().ok();
        number.filter(|number| *number > 0)
    };
    let channels = value("channels").unwrap_or(1);
    let times = value("frames").unwrap_or(1);
    let slices = value("slices");
    let images = value("images");
    let counted = channels.checked_mul(times)?;
    let slices =
        slices.unwrap_or_else(|| images.unwrap_or(1).checked_div(counted).unwrap_or(1).max(1));
    let planes = images.unwrap_or(counted.checked_mul(slices)?);
    Some(Described {
        stack: stack([channels, slices, times], planes)?,
        places: Places::InOrder,
    })
}

fn stack([channels, slices, times]: [u64; 3], planes: u64) -> Option<Stack> {
    let number = |count: u64| u32::try_from(count).ok();
    (2..=MOST_PLANES).contains(&planes).then_some(())?;
    Some(Stack {
        channels: number(channels)?,
        slices: number(slices)?,
        times: number(times)?,
        planes: number(planes)?,
    })
}

/// The first picture that OME's description names, whose planes have so many samples each.
fn ome(text: &str, samples: u64) -> Option<Described> {
    let own = element(text, "OME").and_then(|(attributes, _)| attribute(attributes, "UUID"));
    let (pixels, rest) = element(text, "Pixels")?;
    let inside = match rest.find("Pixels>") {
        Some(end) => &rest[..end],
        None => rest,
    };
    let size = |name: &str| {
        let number = attribute(pixels, name)?.trim().parse::<u64>().ok();
        number.filter(|number| *number > 0)
    };
    let sizes = [size("SizeC")?, size("SizeZ")?, size("SizeT")?];
    // Channels that a plane holds as its own samples are no planes.
    let apart = match sizes[0].is_multiple_of(samples.max(1)) {
        true => sizes[0] / samples.max(1),
        false => sizes[0],
    };
    let planes = apart.checked_mul(sizes[1])?.checked_mul(sizes[2])?;
    let stack = stack(sizes, planes)?;
    let order = attribute(pixels, "DimensionOrder").unwrap_or("XYCZT");
    let places = places(inside, order, [apart, sizes[1], sizes[2]], own)?;
    Some(Described {
        stack,
        places: Places::Pages(places),
    })
}

/// The page of each plane, planes in the order in which the file counts them.
fn places(
    inside: &str,
    order: &str,
    sizes: [u64; 3],
    own: Option<&str>,
) -> Option<Vec<Option<usize>>> {
    // How far apart neighbours in C, Z and T are.
    let mut steps = [0; 3];
    let mut step = 1;
    for letter in order.chars() {
        let place = match letter {
            'C' => 0,
            'Z' => 1,
            'T' => 2,
            _ => continue,
        };
        steps[place] = step;
        step *= sizes[place];
    }
    let count = usize::try_from(sizes.iter().product::<u64>()).ok()?;
    if steps.contains(&0) {
        return Some(vec![None; count]);
    }
    let mut places = vec![None; count];
    let mut rest = inside;
    let mut is_said = false;
    while let Some((attributes, behind)) = element(rest, "TiffData") {
        is_said = true;
        let number = |name: &str| {
            attribute(attributes, name).and_then(|text| text.trim().parse::<u64>().ok())
        };
        let is_empty = attributes.trim_end().ends_with('/');
        let body = match is_empty {
            true => "",
            false => &behind[..behind.find("TiffData>").unwrap_or(behind.len())],
        };
        rest = behind;
        // A plane of another file has that one's name.
        let elsewhere = element(body, "UUID").is_some_and(|(_, behind)| {
            let name = behind.split('<').next().unwrap_or_default().trim();
            own.is_none_or(|own| own.trim() != name)
        });
        if elsewhere {
            continue;
        }
        let firsts = ["FirstC", "FirstZ", "FirstT"].map(|name| number(name).unwrap_or(0));
        let start = firsts
            .iter()
            .zip(steps)
            .map(|(first, step)| first.saturating_mul(step))
            .fold(0u64, u64::saturating_add);
        let page = number("IFD");
        let all = match page {
            Some(_) => 1,
            None => count as u64,
        };
        let most = number("PlaneCount").unwrap_or(all).min(count as u64);
        for offset in 0..most {
            let plane = usize::try_from(start.saturating_add(offset)).unwrap_or(usize::MAX);
            let page = page.unwrap_or(0).saturating_add(offset);
            if let Some(place) = places.get_mut(plane) {
                *place = usize::try_from(page).ok();
            }
        }
    }
    if !is_said {
        places = (0..count).map(Some).collect();
    }
    Some(places)
}

/// The attributes of the next element of a name, with or without a prefix of its name space, and what is behind its tag.
fn element<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    let mut rest = text;
    loop {
        let tag = &rest[rest.find('<')? + 1..];
        if let Some(remark) = tag.strip_prefix("!--") {
            rest = &remark[remark.find("-->")?..];
            continue;
        }
        let end = tag_end(tag)?;
        let (inside, behind) = (&tag[..end], &tag[end + 1..]);
        rest = behind;
        let called = inside.split(|letter: char| letter.is_whitespace() || letter == '/');
        let called = called.into_iter().next().unwrap_or_default();
        if called.rsplit(':').next() == Some(name) && !inside.starts_with('/') {
            return Some((&inside[called.len()..], behind));
        }
    }
}

/// Where a tag ends: at `>` outside of quotes.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (place, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(place),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The value of an attribute.
fn attribute<'t>(attributes: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = attributes;
    loop {
        let (key, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let quote = behind
            .chars()
            .next()
            .filter(|letter| matches!(letter, '"' | '\''))?;
        let (value, next) = behind[1..].split_once(quote)?;
        if key.trim() == name {
            return Some(value);
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(described: &Described) -> [u32; 4] {
        let stack = described.stack;
        [stack.channels, stack.slices, stack.times, stack.planes]
    }

    #[test]
    fn lines_of_image_j_count_planes_and_slices_are_what_is_left() {
        for (text, expected) in [
            (
                "ImageJ=1.54f\nimages=3\nchannels=3\nhyperstack=true\n",
                Some([3, 1, 1, 3]),
            ),
            (
                "ImageJ=1.11a\nimages=24\nchannels=2\nslices=3\nframes=4\n",
                Some([2, 3, 4, 24]),
            ),
            ("ImageJ=1.11a\nimages=5\nspacing=0.5\n", Some([1, 5, 1, 5])),
            ("ImageJ=1.11a\nimages=12\nframes=4\n", Some([1, 3, 4, 12])),
            ("ImageJ=1.54f\nunit=micron\n", None),
            ("ImageJ=1.54f\nimages=1\n", None),
            ("ImageJ=1.54f\nimages=99999999999\n", None),
        ] {
            assert_eq!(image_j(text).as_ref().map(counts), expected, "{text}");
        }
    }

    fn pixels(attributes: &str, inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><!-- what's > \"that --><ome:OME xmlns=\"x\" UUID='urn:uuid:1'><ome:Image ID=\"0\"><ome:Pixels ID=\"P:0\" {attributes}>{inside}</ome:Pixels></ome:Image></ome:OME>"
        )
    }

    #[test]
    fn planes_of_ome_lie_on_the_pages_that_tiff_data_names() {
        let sizes = "DimensionOrder=\"XYCZT\" SizeC=\"3\" SizeZ=\"1\" SizeT=\"1\"";
        let places = |attributes: &str, inside: &str| match ome(&pixels(attributes, inside), 1) {
            Some(Described {
                places: Places::Pages(places),
                ..
            }) => places,
            other => panic!("{other:?}"),
        };
        let some = |pages: &[usize]| pages.iter().map(|page| Some(*page)).collect::<Vec<_>>();
        assert_eq!(places(sizes, "<TiffData/>"), some(&[0, 1, 2]));
        assert_eq!(places(sizes, "<MetadataOnly/>"), some(&[0, 1, 2]));
        assert_eq!(
            places(sizes, "<TiffData IFD=\"4\" PlaneCount=\"3\"/>"),
            some(&[4, 5, 6])
        );
        let reversed = "<TiffData FirstC=\"2\" IFD=\"0\"/><TiffData FirstC='1' IFD='1'></TiffData><TiffData FirstC=\"0\" IFD=\"2\"/>";
        assert_eq!(places(sizes, reversed), some(&[2, 1, 0]));
        let deep = "DimensionOrder=\"XYZCT\" SizeC=\"2\" SizeZ=\"2\" SizeT=\"1\"";
        let told = "<TiffData FirstC=\"1\" FirstZ=\"0\" IFD=\"0\"/><TiffData FirstC=\"0\" FirstZ=\"1\" IFD=\"3\"/>";
        assert_eq!(places(deep, told), [None, Some(3), Some(0), None]);
        let elsewhere = "<TiffData IFD=\"0\" FirstC=\"0\"><UUID FileName=\"a\">urn:uuid:1</UUID></TiffData><TiffData IFD=\"0\" FirstC=\"1\"><UUID FileName=\"b\">urn:uuid:2</UUID></TiffData>";
        assert_eq!(places(sizes, elsewhere), [Some(0), None, None]);
    }

    #[test]
    fn samples_of_a_plane_are_no_planes() {
        let attributes = "DimensionOrder=\"XYCZT\" SizeC=\"3\" SizeZ=\"1\" SizeT=\"1\"";
        assert_eq!(ome(&pixels(attributes, "<TiffData/>"), 3), None);
        let attributes = "DimensionOrder=\"XYCZT\" SizeC=\"6\" SizeZ=\"1\" SizeT=\"2\"";
        let found = ome(&pixels(attributes, "<TiffData/>"), 3).unwrap();
        assert_eq!(counts(&found), [6, 1, 2, 4]);
        assert_eq!(found.stack.to_string(), "C=6, Z=1, T=2");
    }

    #[test]
    fn broken_descriptions_are_none() {
        for text in [
            "<OME",
            "<OME><Pixels SizeC=3>",
            "<OME><Pixels SizeC=\"3",
            "<?xml <OME>",
        ] {
            assert_eq!(ome(text, 1), None, "{text}");
        }
        let huge = "DimensionOrder=\"XYCZT\" SizeC=\"9999999999\" SizeZ=\"9999999999\" SizeT=\"9\"";
        assert_eq!(ome(&pixels(huge, ""), 1), None);
    }
}
