//! Files of every Huffman-coded kind of 8 bits: sequential and progressive, any number of scans, any sampling, grey, three colours and
//! four inks.
//!
//! Owns: the headers of such files, and the way from scan to scan to the samples of the whole picture; what it refuses or finds damaged
//! is the verdict on the file. Samples and colours come out of the steps of the quick decoder, so they are libjpeg's bit by bit.
//!
//! Source: ITU-T T.81; libjpeg-turbo's rules where the standard leaves something open.

use std::ops::Range;

use super::coefficients::{Band, Blocks, Coder, Pass, Scan};
use super::colour;
use super::frame::Colour;
use super::huffman::{Damage, ZIGZAG};
use super::inverse_dct::write_samples;
use super::scan::{Part, Plane};
use super::standard::STANDARD;
use super::structure::{START_OF_SCAN, Structure, append_unstuffed, next_marker};
use super::symbols::SymbolTable;
use crate::vectorised::vectorised;

/// Why a file is not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A kind that is not read, in words.
    Kind(String),
    /// What contradicts the format.
    Damage(String),
    /// What is missing at the end.
    End(String),
}

fn damage<T>(reason: &str) -> Result<T, Refusal> {
    Err(Refusal::Damage(reason.to_owned()))
}

/// One component of a frame.
#[derive(Debug, Clone)]
struct Component {
    id: u8,
    sampling: [usize; 2],
    quantisation_index: usize,
    /// From the first scan that has the component on.
    quantisation: Option<[i16; 64]>,
    /// For each coefficient, how many low bits of it are still missing; -1 where nothing of it came.
    missing: [i8; 64],
}

/// What the frame header says.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) width: usize,
    pub(super) height: usize,
    components: Vec<Component>,
    is_progressive: bool,
}

impl Header {
    /// The frame header, by its marker; other markers are none.
    fn read(code: u8, content: &[u8]) -> Option<Result<Self, Refusal>> {
        let kind = match code {
            0xc0..=0xc2 => None,
            0xc3 => Some("lossless JPEG"),
            0xc5..=0xc7 | 0xde => Some("hierarchical JPEG"),
            0xc9..=0xcb => Some(
                "arithmetic coding; libjpeg-turbo's `jpegtran IMAGE.jpg > NEW.jpg` writes the same pixels in the usual coding",
            ),
            0xcd..=0xcf => Some("hierarchical JPEG with arithmetic coding"),
            0xf7 => Some("JPEG-LS"),
            _ => return None,
        };
        if let Some(kind) = kind {
            return Some(Err(Refusal::Kind(kind.to_owned())));
        }
        Some(Self::of_content(content, code == 0xc2))
    }

    fn of_content(content: &[u8], is_progressive: bool) -> Result<Self, Refusal> {
        let Some((&[bits, a, b, c, d, count], rest)) = content.split_first_chunk::<6>() else {
            return damage("its frame header is too short");
        };
        if bits != 8 {
            return Err(Refusal::Kind(format!("samples of {bits} bits")));
        }
        let count = usize::from(count);
        if rest.len() < 3 * count {
            return damage("its frame header is too short");
        }
        let components: Vec<Component> = rest[..3 * count]
            .chunks_exact(3)
            .map(|bytes| Component {
                id: bytes[0],
                sampling: [usize::from(bytes[1] >> 4), usize::from(bytes[1] & 15)],
                quantisation_index: usize::from(bytes[2]),
                quantisation: None,
                missing: [-1; 64],
            })
            .collect();
        let is_wrong =
            |component: &Component| component.sampling.iter().any(|n| !(1..=4).contains(n));
        if components.iter().any(is_wrong) {
            return damage("a sampling factor is not between 1 and 4");
        }
        Ok(Self {
            width: usize::from(u16::from_be_bytes([c, d])),
            height: usize::from(u16::from_be_bytes([a, b])),
            components,
            is_progressive,
        })
    }

    /// The first frame header of a file, without looking at what is behind it.
    pub(super) fn find(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut position = 2;
        let cut = || Refusal::End("it ends before the size of the picture".to_owned());
        loop {
            let marker = next_marker(bytes, position).ok_or_else(cut)?;
            let code = bytes[marker + 1];
            if matches!(code, 0x01 | 0xd0..=0xd8) {
                position = marker + 2;
                continue;
            }
            if matches!(code, START_OF_SCAN | 0xd9) {
                return damage("it has no frame header");
            }
            let length = bytes.get(marker + 2..marker + 4).ok_or_else(cut)?;
            let end = marker + 2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
            let content = bytes.get(marker + 4..end).ok_or_else(cut)?;
            if let Some(header) = Self::read(code, content) {
                return header;
            }
            position = end;
        }
    }

    pub(super) fn component_count(&self) -> usize {
        self.components.len()
    }

    /// The largest sampling factors.
    fn finest(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let factors = self.components.iter().map(|it| it.sampling[axis]);
            factors.max().unwrap_or(1)
        })
    }
}

/// A picture whose scans are being read.
pub(super) struct AnyFile {
    header: Header,
    blocks: Vec<Blocks>,
    quantisation: [Option<[i16; 64]>; 4],
    dc_tables: [Option<SymbolTable>; 4],
    ac_tables: [Option<SymbolTable>; 4],
    restart_interval: usize,
    is_jfif: bool,
    adobe_transform: Option<u8>,
}

impl AnyFile {
    /// Decodes a file whose size was checked: its size in pixels, and the pixels as `colour::pixels` gives them. `colour` is what its
    /// components are; none is what the file itself says.
    pub(super) fn decode(
        bytes: &[u8],
        structure: &Structure,
        colour: Option<Colour>,
    ) -> Result<(Colour, Vec<u8>), Refusal> {
        let header = Header::find(bytes)?;
        let mut file = Self::new(header)?;
        let mut has_frame = false;
        for (code, range) in &structure.segments {
            let content = &bytes[range.clone()];
            match code {
                0xc4 => file.read_huffman_tables(content)?,
                0xdb => file.read_quantisation_tables(content)?,
                0xdd => {
                    let Ok([high, low]) = <[u8; 2]>::try_from(content) else {
                        return damage("its restart interval is no number");
                    };
                    file.restart_interval = usize::from(u16::from_be_bytes([high, low]));
                }
                0xe0 => file.is_jfif |= content.starts_with(b"JFIF\0"),
                0xee if content.starts_with(b"Adobe") => {
                    file.adobe_transform = content.get(11).copied();
                }
                0xdc => {
                    return Err(Refusal::Kind(
                        "a height that is given behind the pixels".to_owned(),
                    ));
                }
                &START_OF_SCAN if has_frame => file.read_scan(bytes, range)?,
                &START_OF_SCAN => return damage("its pixels come before its frame header"),
                _ => match Header::read(*code, content) {
                    Some(Err(refusal)) => return Err(refusal),
                    Some(Ok(_)) if has_frame => return damage("it has two frame headers"),
                    Some(Ok(_)) => has_frame = true,
                    None => {}
                },
            }
        }
        file.check_complete()?;
        let colour = match colour {
            Some(colour) => colour,
            None => file.colour()?,
        };
        Ok((colour, file.pixels(colour)))
    }

    fn new(header: Header) -> Result<Self, Refusal> {
        if header.components.is_empty() || header.components.len() > 4 {
            return Err(Refusal::Kind(format!(
                "{} components",
                header.components.len()
            )));
        }
        let mut header = header;
        if let [component] = &mut header.components[..] {
            // A scan of one component has units of one block, whatever the sampling says.
            component.sampling = [1, 1];
        }
        let finest = header.finest();
        for axis in [0, 1] {
            let divides =
                |component: &Component| finest[axis].is_multiple_of(component.sampling[axis]);
            if !header.components.iter().all(divides) {
                return Err(Refusal::Kind(
                    "a sampling in which pixels of one component lie between those of another"
                        .to_owned(),
                ));
            }
        }
        let units = [
            header.width.div_ceil(8 * finest[0]),
            header.height.div_ceil(8 * finest[1]),
        ];
        let size = [header.width, header.height];
        let blocks = header.components.iter().map(|component| {
            let padded = [0, 1].map(|axis| units[axis] * component.sampling[axis]);
            Blocks {
                size: [0, 1]
                    .map(|axis| (size[axis] * component.sampling[axis]).div_ceil(8 * finest[axis])),
                stride: padded[0],
                values: vec![0; 64 * padded[0] * padded[1]],
            }
        });
        Ok(Self {
            blocks: blocks.collect(),
            header,
            quantisation: [None; 4],
            dc_tables: [const { None }; 4],
            ac_tables: [const { None }; 4],
            restart_interval: 0,
            is_jfif: false,
            adobe_transform: None,
        })
    }

    fn read_quantisation_tables(&mut self, mut content: &[u8]) -> Result<(), Refusal> {
        while let [head, rest @ ..] = content {
            let (wide, index) = (head >> 4, usize::from(head & 15));
            let width = if wide == 0 { 64 } else { 128 };
            let place = self.quantisation.get_mut(index);
            let (0 | 1, Some(place), Some(values)) = (wide, place, rest.get(..width)) else {
                return damage("its quantisation tables are cut");
            };
            let mut table = [0; 64];
            for (place, step) in table.iter_mut().enumerate() {
                *step = match wide {
                    0 => i16::from(values[place]),
                    _ => i16::from_be_bytes([values[2 * place], values[2 * place + 1]]),
                };
                if *step <= 0 {
                    return damage("a step of its quantisation is not between 1 and 32767");
                }
            }
            *place = Some(table);
            content = &rest[width..];
        }
        Ok(())
    }

    fn read_huffman_tables(&mut self, mut content: &[u8]) -> Result<(), Refusal> {
        while let [head, rest @ ..] = content {
            let Some((counts, rest)) = rest.split_first_chunk::<16>() else {
                return damage("its Huffman tables are cut");
            };
            let symbols: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let tables = match head >> 4 {
                0 => &mut self.dc_tables,
                1 => &mut self.ac_tables,
                _ => return damage("a Huffman table is of no known kind"),
            };
            let place = tables.get_mut(usize::from(head & 15));
            let (Some(place), Some(symbols)) = (place, rest.get(..symbols)) else {
                return damage("its Huffman tables are cut");
            };
            let Some(table) = SymbolTable::new(counts, symbols) else {
                return damage("a Huffman table is no code");
            };
            *place = Some(table);
            content = &rest[symbols.len()..];
        }
        Ok(())
    }

    /// Reads the scan whose header lies in `range`.
    fn read_scan(&mut self, bytes: &[u8], range: &Range<usize>) -> Result<(), Refusal> {
        let content = &bytes[range.clone()];
        let Some((&count, rest)) = content.split_first() else {
            return damage("the header of a scan is empty");
        };
        let count = usize::from(count);
        let (Some(chosen), Some(&[first, last, bits])) = (
            rest.get(..2 * count),
            rest.get(2 * count..2 * count + 3)
                .and_then(|it| it.first_chunk()),
        ) else {
            return damage("the header of a scan is too short");
        };
        if !(1..=4).contains(&count) {
            return damage("a scan has no components");
        }
        let pass = self.pass(count, [first, last, bits >> 4, bits & 15])?;
        let mut indices = Vec::with_capacity(count);
        for chosen in chosen.chunks_exact(2) {
            let found = self
                .header
                .components
                .iter()
                .position(|it| it.id == chosen[0]);
            let Some(index) = found.filter(|index| !indices.contains(index)) else {
                return damage("a scan names a component that the frame has not");
            };
            indices.push(index);
        }
        self.fill_standard_tables(chosen, pass)?;
        for &index in &indices {
            self.note_scan(index, pass)?;
        }
        let coders: Vec<Coder> = indices
            .iter()
            .zip(chosen.chunks_exact(2))
            .map(|(&component, chosen)| Coder {
                component,
                dc: self
                    .dc_tables
                    .get(usize::from(chosen[1] >> 4))
                    .and_then(Option::as_ref),
                ac: self
                    .ac_tables
                    .get(usize::from(chosen[1] & 15))
                    .and_then(Option::as_ref),
                unit: match count {
                    1 => [1, 1],
                    _ => self.header.components[component].sampling,
                },
            })
            .collect();
        let finest = self.header.finest();
        let units = match indices[..] {
            [index] => self.blocks[index].size,
            _ => [
                self.header.width.div_ceil(8 * finest[0]),
                self.header.height.div_ceil(8 * finest[1]),
            ],
        };
        let scan = Scan {
            coders,
            pass,
            units,
        };
        let all = units[0] * units[1];
        let interval = match self.restart_interval {
            0 => all,
            interval => interval,
        };
        let parts = parts(bytes, range.end, all.div_ceil(interval.max(1)))?;
        let mut data = Vec::new();
        let blocks = &mut self.blocks;
        for (number, part) in parts.into_iter().enumerate() {
            let units = number * interval..((number + 1) * interval).min(all);
            data.clear();
            append_unstuffed(bytes, part, &mut data);
            vectorised(
                #[inline(always)]
                || scan.read(&data, units, blocks),
            )
            .map_err(|damage| match damage {
                Damage::Code => {
                    Refusal::Damage("its data holds a code that stands for nothing".to_owned())
                }
                Damage::End => Refusal::End("the data ends before the picture does".to_owned()),
            })?;
        }
        Ok(())
    }

    /// What a scan of so many components has, by the last numbers of its header.
    fn pass(&self, count: usize, [first, last, high, low]: [u8; 4]) -> Result<Pass, Refusal> {
        if !self.header.is_progressive {
            // As libjpeg does, which warns of other numbers and goes on.
            return Ok(Pass::Sequential);
        }
        let low_bits = u32::from(low);
        let is_right = low <= 13 && (high == 0 || low + 1 == high);
        let band = Band {
            first: usize::from(first),
            last: usize::from(last),
            low: low_bits,
        };
        match (first, last, high) {
            (0, 0, 0) if is_right => Ok(Pass::FirstDc(low_bits)),
            (0, 0, _) if is_right => Ok(Pass::NextDc(low_bits)),
            (1.., ..=63, _) if is_right && first <= last && count == 1 => Ok(match high {
                0 => Pass::FirstAc(band),
                _ => Pass::NextAc(band),
            }),
            _ => damage("a progressive scan has a range that cannot be"),
        }
    }

    /// Keeps what a scan brings of a component, and the steps that hold for it from its first scan on.
    fn note_scan(&mut self, index: usize, pass: Pass) -> Result<(), Refusal> {
        let component = &mut self.header.components[index];
        if component.quantisation.is_none() {
            let table = self.quantisation.get(component.quantisation_index);
            let Some(Some(table)) = table else {
                return damage("a quantisation table is missing");
            };
            component.quantisation = Some(*table);
        }
        let (range, low, is_first) = match pass {
            Pass::Sequential => (0..=63, 0, true),
            Pass::FirstDc(low) => (0..=0, low, true),
            Pass::NextDc(low) => (0..=0, low, false),
            Pass::FirstAc(band) => (band.first..=band.last, band.low, true),
            Pass::NextAc(band) => (band.first..=band.last, band.low, false),
        };
        let expected = if is_first { -1 } else { low as i8 + 1 };
        if component.missing[range.clone()]
            .iter()
            .any(|missing| *missing != expected)
        {
            return damage("a scan brings what another one has brought, or comes before its turn");
        }
        component.missing[range].fill(low as i8);
        Ok(())
    }

    /// Motion JPEG and some cameras leave the tables of codes out.
    fn fill_standard_tables(&mut self, chosen: &[u8], pass: Pass) -> Result<(), Refusal> {
        let needs_dc = matches!(pass, Pass::Sequential | Pass::FirstDc(_));
        let needs_ac = !matches!(pass, Pass::FirstDc(_) | Pass::NextDc(_));
        for chosen in chosen.chunks_exact(2) {
            for (tables, number, which, is_needed) in [
                (&mut self.dc_tables, chosen[1] >> 4, 0, needs_dc),
                (&mut self.ac_tables, chosen[1] & 15, 1, needs_ac),
            ] {
                let number = usize::from(number);
                if let (Some(place @ None), Some(pair)) =
                    (tables.get_mut(number), STANDARD.get(number))
                    && pass == Pass::Sequential
                {
                    let (counts, symbols): (&[u8; 16], &[u8]) = pair[which];
                    *place = SymbolTable::new(counts, symbols);
                }
                if is_needed && tables.get(number).is_none_or(Option::is_none) {
                    return damage("a Huffman table is missing");
                }
            }
        }
        Ok(())
    }

    /// Refuses a picture of which scans are missing. libjpeg smooths such pictures where one of the first ten coefficients is not whole,
    /// and takes the others as they are; here only those are taken.
    fn check_complete(&self) -> Result<(), Refusal> {
        let is_cut =
            |component: &Component| component.missing[..10].iter().any(|missing| *missing != 0);
        if self.header.components.iter().any(is_cut) {
            return Err(Refusal::End("scans of the picture are missing".to_owned()));
        }
        Ok(())
    }

    /// The rule of libjpeg's `default_decompress_parms`.
    fn colour(&self) -> Result<Colour, Refusal> {
        let ids = self.header.components.iter().map(|component| component.id);
        Ok(
            match (
                self.header.components.len(),
                self.is_jfif,
                self.adobe_transform,
            ) {
                (1, ..) => Colour::Grey,
                (3, true, _) => Colour::YCbCr,
                (3, false, Some(0)) => Colour::Rgb,
                (3, false, None) if ids.eq(*b"RGB") => Colour::Rgb,
                (3, ..) => Colour::YCbCr,
                (4, _, None | Some(0)) => Colour::Cmyk,
                (4, ..) => Colour::Ycck,
                (count, ..) => return Err(Refusal::Kind(format!("{count} components"))),
            },
        )
    }

    fn pixels(self, colour: Colour) -> Vec<u8> {
        let picture = [self.header.width, self.header.height];
        let finest = self.header.finest();
        let mut planes = Vec::with_capacity(self.blocks.len());
        for (component, blocks) in self.header.components.iter().zip(self.blocks) {
            let ratio = [0, 1].map(|axis| finest[axis] / component.sampling[axis]);
            let mut plane = Plane::whole(picture, ratio);
            let steps = component.quantisation.unwrap_or([1; 64]);
            vectorised(
                #[inline(always)]
                || transform(&blocks, &steps, &mut plane),
            );
            planes.push(plane);
        }
        let part = Part {
            columns: 0..picture[0],
            rows: 0..picture[1],
            block_size: 8,
        };
        colour::pixels(&planes, colour, &part)
    }
}

/// The samples of all blocks.
#[inline(always)]
fn transform(blocks: &Blocks, steps: &[i16; 64], plane: &mut Plane) {
    let mut in_place = [0; 64];
    for (place, step) in ZIGZAG.iter().zip(steps) {
        in_place[*place] = *step;
    }
    let [across, down] = blocks.size;
    for row in 0..down {
        for column in 0..across {
            let start = 64 * (row * blocks.stride + column);
            let Some(values) = blocks.values[start..].first_chunk::<64>() else {
                return;
            };
            let mut block = [0i16; 64];
            for ((place, value), step) in block.iter_mut().zip(values).zip(&in_place) {
                *place = value.wrapping_mul(*step);
            }
            let last = usize::from(values[1..].iter().any(|value| *value != 0));
            let output = &mut plane.samples[8 * (row * plane.stride + column)..];
            write_samples(&block, last, 8, output, plane.stride);
        }
    }
}

/// The data of a scan between its restarts, of which there have to be as many as the header says, in their order.
fn parts(bytes: &[u8], start: usize, expected: usize) -> Result<Vec<Range<usize>>, Refusal> {
    let mut parts = Vec::new();
    let mut from = start;
    let mut position = start;
    while let Some(marker) = next_marker(bytes, position) {
        position = marker + 2;
        let code = bytes[marker + 1];
        if !matches!(code, 0xd0..=0xd7) {
            parts.push(from..marker);
            break;
        }
        if usize::from(code - 0xd0) != parts.len() % 8 {
            return damage("a restart marker is missing");
        }
        parts.push(from..marker);
        from = position;
    }
    // Some programs write one more behind the last unit.
    if parts.len() == expected + 1 && parts.last().is_some_and(Range::is_empty) {
        parts.pop();
    }
    if parts.len() != expected {
        return damage("it has fewer or more restart markers than it says");
    }
    Ok(parts)
}
