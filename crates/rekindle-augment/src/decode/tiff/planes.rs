//! The planes of a stack that become the channels of one picture, where that is asked for.
//!
//! Owns: which planes they are, and in which words they are refused where they do not fit together. What a file says of its planes is
//! `stack.rs`'s; nothing is ever guessed of one that says nothing.

use super::directory::{Directory, File};
use super::page::{Alpha, Meaning, Page, dimensions, is_aside, pages};
use super::stack::{Described, Places, Stack, described};
use super::{FORMAT, cut};
use crate::decode::bands;
use crate::decode::limits::DecodeLimits;
use crate::decode::reading::{AlphaUse, TiffPlanes};
use crate::error::AugmentError;

fn refused(reason: impl Into<String>) -> AugmentError {
    AugmentError::UnsupportedFeature {
        format: FORMAT,
        reason: reason.into(),
    }
}

/// The stack that a file is, of which the first plane alone is read; none where it has no more, or they are asked for.
pub(in crate::decode) fn unread_stack(file: &File, how: TiffPlanes) -> Option<Stack> {
    if how != TiffPlanes::First {
        return None;
    }
    let first = file.first()?;
    let Described { stack, places } = described(&first)?;
    // A copy of one plane by itself may still have the description of all.
    let has_more = match places {
        Places::InOrder => {
            let mut own = pages(file).filter(|page| !is_aside(page));
            own.nth(1).is_some() || behind(file, &first, 1).is_ok()
        }
        Places::Pages(_) => pages(file).filter(|page| !is_aside(page)).nth(1).is_some(),
    };
    has_more.then_some(stack)
}

fn behind<'a>(
    file: &File<'a>,
    first: &Directory<'a>,
    number: usize,
) -> Result<Page<'a>, AugmentError> {
    Page::read(file, first, false, AlphaUse::White)?.behind(number)
}

/// The planes of a file that are the channels of its picture; none where that is one page.
pub(super) fn planes<'a>(
    file: &File<'a>,
    main: &Directory<'a>,
    limits: &DecodeLimits,
) -> Result<Option<Vec<Page<'a>>>, AugmentError> {
    let how = limits.reading.tiff_planes;
    if how == TiffPlanes::First {
        return Ok(None);
    }
    let all: Vec<Directory> = pages(file).collect();
    let own: Vec<&Directory> = all.iter().filter(|page| !is_aside(page)).collect();
    let described = all.first().and_then(described);
    let count = match &described {
        Some(found) => found.stack.planes as usize,
        None => own.len(),
    };
    if count < 2 {
        return Ok(None);
    }
    if how == TiffPlanes::Channels {
        check_meaning(described.as_ref(), count)?;
    }
    if limits.has_bands() {
        bands::check_count(FORMAT, count, limits)?;
    } else if count > 3 {
        return Err(refused(format!(
            "{count} planes, of which the file does not say which are red, green and blue; `input.channels = {count}` takes all"
        )));
    }
    let size = dimensions(main)?;
    let read = |page: &Directory<'a>| plane(file, page, size, count, limits);
    let lacking = |found: usize| {
        refused(format!(
            "its description names {count} planes, and it has {found} pages"
        ))
    };
    let planes = match described.map(|found| found.places) {
        Some(Places::Pages(places)) => places
            .into_iter()
            .enumerate()
            .map(|(number, place)| {
                let place = place.ok_or_else(|| {
                    refused(format!(
                        "plane {} of {count} lies in another file, or its description does not say where",
                        number + 1
                    ))
                })?;
                read(all.get(place).ok_or_else(|| lacking(all.len()))?)
            })
            .collect::<Result<Vec<_>, _>>()?,
        _ if own.len() >= count => {
            let own = own.into_iter().take(count);
            own.map(read).collect::<Result<Vec<_>, _>>()?
        }
        _ if own.len() == 1 => {
            let first = read(own[0])?;
            let behind = (1..count).map(|number| first.behind(number));
            let behind = behind.collect::<Result<Vec<_>, _>>();
            let behind = behind.map_err(|error| match error {
                // Such as one plane that was saved by itself with the words for all.
                AugmentError::UnsupportedFeature { .. } => lacking(1),
                other => other,
            })?;
            [vec![first], behind].concat()
        }
        _ => return Err(lacking(own.len())),
    };
    let kind = |page: &Page| (page.bits, page.number);
    match planes.iter().find(|page| kind(page) != kind(&planes[0])) {
        Some(other) => Err(refused(format!(
            "planes of different kinds: samples of {} and of {} bits, or numbers of another kind",
            planes[0].bits, other.bits
        ))),
        None => Ok(Some(planes)),
    }
}

/// Refuses planes that are not, or not only, channels by what the file says.
fn check_meaning(described: Option<&Described>, count: usize) -> Result<(), AugmentError> {
    match described.map(|found| found.stack) {
        None => Err(refused(format!(
            "it has {count} pages and does not say that they are channels; `data.tiff_planes = \"all\"` takes each page for one"
        ))),
        Some(stack) if stack.slices > 1 || stack.times > 1 => Err(refused(format!(
            "it is a stack ({stack}), and `data.tiff_planes = \"channels\"` takes the channels of one slice and one moment; save those by \
             themselves, or take each of its {count} planes for a channel with `\"all\"`"
        ))),
        Some(_) => Ok(()),
    }
}

/// A plane, which has to be of the picture's size and of one sample.
fn plane<'a>(
    file: &File<'a>,
    page: &Directory<'a>,
    size: (u32, u32),
    count: usize,
    limits: &DecodeLimits,
) -> Result<Page<'a>, AugmentError> {
    if let Some(tag) = page.cut_tag() {
        let reason = format!("the values of tag {tag} lie behind its end");
        return Err(cut(file.bytes, &reason));
    }
    let (width, height) = dimensions(page)?;
    if (width, height) != size {
        return Err(refused(format!(
            "planes of different sizes: {} by {} and {width} by {height} pixels",
            size.0, size.1
        )));
    }
    let page = Page::read(file, page, false, AlphaUse::White)?;
    match &page.meaning {
        Meaning::Grey {
            alpha: Alpha::None,
            is_inverted,
        } if page.samples == 1 => match *is_inverted && limits.has_bands() {
            true => Err(refused("bands of which 0 is white")),
            false => Ok(page),
        },
        Meaning::Palette(_) => Err(refused(format!(
            "a stack of {count} planes with a table of colours, of which no channel can be made"
        ))),
        _ => Err(refused(format!(
            "a stack of {count} planes of which each has {} samples, such as colours, and is no single channel",
            page.samples
        ))),
    }
}
