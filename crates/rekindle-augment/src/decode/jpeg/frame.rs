//! What the headers of a JPEG file say, as far as the quick decoder reads it.
//!
//! Owns: which files the quick decoder takes (8 bits, sequential, Huffman-coded, one scan of all components, grey or three
//! components in the usual samplings), and their tables. Everything else, damaged headers too, is left to `any.rs`.

use std::ops::Range;

use super::huffman::HuffmanTable;
use super::standard::STANDARD;
use super::structure::{START_OF_SCAN, Structure};

/// How the components of a file stand for a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum Colour {
    Grey,
    YCbCr,
    Rgb,
    /// Four inks, and the same with three of them as YCbCr.
    Cmyk,
    Ycck,
    /// Components that stay what they are.
    Raw,
}

/// One component of a frame.
#[derive(Debug, Clone)]
pub(super) struct Component {
    id: u8,
    /// Blocks of it across one unit of the scan.
    pub(super) across: usize,
    /// Blocks of it down one unit of the scan.
    pub(super) down: usize,
    quantisation_index: u8,
    /// In the order of the file.
    pub(super) quantisation: [i16; 64],
    /// Indices of its tables.
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// A file that the quick decoder takes.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
    pub(super) colour: Colour,
    pub(super) dc_tables: [Option<HuffmanTable>; 4],
    pub(super) ac_tables: [Option<HuffmanTable>; 4],
    /// Units of the scan between two restarts; 0 for none.
    pub(super) restart_interval: usize,
    /// The entropy-coded data between restarts, in the bytes of the file.
    pub(super) data: Vec<Range<usize>>,
}

/// What was met so far on the way through the headers.
#[derive(Default)]
struct Headers {
    frame: Option<(usize, usize, Vec<Component>)>,
    quantisation: [Option<[i16; 64]>; 4],
    dc_tables: [Option<HuffmanTable>; 4],
    ac_tables: [Option<HuffmanTable>; 4],
    restart_interval: usize,
    is_jfif: bool,
    adobe_transform: Option<u8>,
}

impl Frame {
    /// Reads the headers; none where the file is of another kind or a header is damaged.
    pub(super) fn read(bytes: &[u8], structure: &Structure) -> Option<Self> {
        let mut headers = Headers::default();
        let (scan, before) = structure.segments.split_last()?;
        for (code, range) in before {
            headers.read_segment(*code, &bytes[range.clone()])?;
        }
        if scan.0 != START_OF_SCAN {
            return None;
        }
        let (width, height, mut components) = headers.frame.take()?;
        headers.read_scan(&bytes[scan.1.clone()], &mut components)?;
        let colour = headers.colour(&components);
        let mut data = Vec::with_capacity(structure.restarts.len() + 1);
        let mut start = scan.1.end;
        for (number, &position) in structure.restarts.iter().enumerate() {
            // Restarts count from 0 to 7 and around.
            if usize::from(bytes[position + 1]) != 0xd0 + number % 8 {
                return None;
            }
            data.push(start..position);
            start = position + 2;
        }
        data.push(start..structure.data_end);
        let frame = Self {
            width,
            height,
            components,
            colour,
            dc_tables: headers.dc_tables,
            ac_tables: headers.ac_tables,
            restart_interval: headers.restart_interval,
            data,
        };
        let [across, down] = frame.units();
        let expected = match frame.restart_interval {
            0 => 1,
            interval => (across * down).div_ceil(interval),
        };
        (frame.data.len() == expected).then_some(frame)
    }

    /// Blocks of the finest component across and down one unit of the scan.
    pub(super) fn unit_blocks(&self) -> [usize; 2] {
        // The first component is the finest, which `read_frame` checks.
        let finest = &self.components[0];
        [finest.across, finest.down]
    }

    /// Units of the scan across and down.
    pub(super) fn units(&self) -> [usize; 2] {
        let [across, down] = self.unit_blocks();
        [
            self.width.div_ceil(8 * across),
            self.height.div_ceil(8 * down),
        ]
    }
}

impl Headers {
    fn read_segment(&mut self, code: u8, content: &[u8]) -> Option<()> {
        match code {
            0xc0 | 0xc1 if self.frame.is_none() => self.frame = Some(read_frame(content)?),
            0xc4 => self.read_huffman_tables(content)?,
            0xdb => self.read_quantisation_tables(content)?,
            0xdd => {
                let [high, low] = content.try_into().ok()?;
                self.restart_interval = usize::from(u16::from_be_bytes([high, low]));
            }
            0xe0 => self.is_jfif |= content.starts_with(b"JFIF\0"),
            0xee if content.starts_with(b"Adobe") => {
                self.adobe_transform = Some(*content.get(11)?);
            }
            // Other application data and comments.
            0xe1..=0xef | 0xfe => {}
            // Other kinds of frame, arithmetic coding, a height given later.
            _ => return None,
        }
        Some(())
    }

    fn read_quantisation_tables(&mut self, mut content: &[u8]) -> Option<()> {
        while let [head, rest @ ..] = content {
            let (wide, index) = (head >> 4, usize::from(head & 15));
            let mut table = [0; 64];
            let width = if wide == 0 { 64 } else { 128 };
            if wide > 1 || rest.len() < width {
                return None;
            }
            for (place, value) in table.iter_mut().enumerate() {
                *value = match wide {
                    0 => i16::from(rest[place]),
                    _ => i16::from_be_bytes([rest[2 * place], rest[2 * place + 1]]),
                };
                if *value <= 0 {
                    return None;
                }
            }
            *self.quantisation.get_mut(index)? = Some(table);
            content = &rest[width..];
        }
        Some(())
    }

    fn read_huffman_tables(&mut self, mut content: &[u8]) -> Option<()> {
        while let [head, rest @ ..] = content {
            let counts: [u8; 16] = rest.get(..16)?.try_into().ok()?;
            let symbols: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let is_ac = match head >> 4 {
                0 => false,
                1 => true,
                _ => return None,
            };
            let table = HuffmanTable::new(counts, rest.get(16..16 + symbols)?, is_ac)?;
            let tables = if is_ac {
                &mut self.ac_tables
            } else {
                &mut self.dc_tables
            };
            *tables.get_mut(usize::from(head & 15))? = Some(table);
            content = &rest[16 + symbols..];
        }
        Some(())
    }

    /// What a file without tables of codes, such as a frame of motion JPEG, is written with.
    fn fill_standard_tables(&mut self, component: &Component) -> Option<()> {
        let standard = |index: usize| STANDARD.get(index);
        let (dc, ac) = (component.dc, component.ac);
        if let (Some(place @ None), Some([codes, _])) = (self.dc_tables.get_mut(dc), standard(dc)) {
            *place = Some(HuffmanTable::new(*codes.0, codes.1, false)?);
        }
        if let (Some(place @ None), Some([_, codes])) = (self.ac_tables.get_mut(ac), standard(ac)) {
            *place = Some(HuffmanTable::new(*codes.0, codes.1, true)?);
        }
        Some(())
    }

    /// The header of the scan: all components in the order of the frame, all coefficients.
    fn read_scan(&mut self, content: &[u8], components: &mut [Component]) -> Option<()> {
        let (&count, rest) = content.split_first()?;
        let (chosen, spectrum) = rest.split_at_checked(2 * components.len())?;
        if usize::from(count) != components.len() || spectrum != [0, 63, 0] {
            return None;
        }
        for (component, chosen) in components.iter_mut().zip(chosen.chunks_exact(2)) {
            component.dc = usize::from(chosen[1] >> 4);
            component.ac = usize::from(chosen[1] & 15);
            self.fill_standard_tables(component)?;
            self.dc_tables.get(component.dc)?.as_ref()?;
            self.ac_tables.get(component.ac)?.as_ref()?;
            if component.id != chosen[0] {
                return None;
            }
            let table = self
                .quantisation
                .get(usize::from(component.quantisation_index));
            component.quantisation = (*table?)?;
        }
        Some(())
    }

    /// The rule of libjpeg's `default_decompress_parms`.
    fn colour(&self, components: &[Component]) -> Colour {
        if components.len() == 1 {
            return Colour::Grey;
        }
        let named_rgb = components.iter().map(|component| component.id).eq(*b"RGB");
        match (self.is_jfif, self.adobe_transform) {
            (true, _) => Colour::YCbCr,
            (false, Some(0)) => Colour::Rgb,
            (false, None) if named_rgb => Colour::Rgb,
            _ => Colour::YCbCr,
        }
    }
}

/// Width, height and components of a frame header.
fn read_frame(content: &[u8]) -> Option<(usize, usize, Vec<Component>)> {
    let (head, rest) = content.split_at_checked(6)?;
    let height = usize::from(u16::from_be_bytes([head[1], head[2]]));
    let width = usize::from(u16::from_be_bytes([head[3], head[4]]));
    let count = usize::from(head[5]);
    if head[0] != 8 || width == 0 || height == 0 || rest.len() != 3 * count {
        return None;
    }
    let mut components: Vec<Component> = rest
        .chunks_exact(3)
        .map(|bytes| Component {
            id: bytes[0],
            across: usize::from(bytes[1] >> 4),
            down: usize::from(bytes[1] & 15),
            quantisation_index: bytes[2],
            quantisation: [0; 64],
            dc: 0,
            ac: 0,
        })
        .collect();
    let samplings: Vec<(usize, usize)> = components
        .iter()
        .map(|component| (component.across, component.down))
        .collect();
    match samplings[..] {
        // A scan of one component has units of one block, whatever the sampling says.
        [(1..=4, 1..=4)] => (components[0].across, components[0].down) = (1, 1),
        [(1 | 2, 1 | 2), (1, 1), (1, 1)] => {}
        _ => return None,
    }
    Some((width, height, components))
}
