//! The copies: maps to the array of all channels, as they are or normalised, and a gradient of that array back to the maps.

use std::marker::PhantomData;

use super::{Member, Rows};
use crate::Activation;
use crate::buffer::streams;
use crate::channels::{Access, Known, Part, Whole, in_parts, known, with_known};
use crate::parallel::Shared;
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// `out`, `[pixels, all channels]`, is given the channels of each map, one map's behind the other's.
///
/// # Panics
///
/// When the maps are not of the same pixels, there are none, or `out` has another length.
pub fn join(maps: &[Member<'_>], out: &mut [f32]) {
    run::<known::Identity, false>(maps, [&[]; 2], out);
}

/// `out = activation(x * scale + shift)` with the maps side by side as `x`; scale and shift are `[all channels]`.
///
/// # Panics
///
/// As [`join`], and when there is not one scale and shift for each channel.
pub fn join_normalized(
    maps: &[Member<'_>],
    scale: &[f32],
    shift: &[f32],
    activation: Activation,
    out: &mut [f32],
) {
    with_known!(activation, K => run::<K, true>(maps, [scale, shift], out));
}

fn run<K: Known, const NORMAL: bool>(maps: &[Member<'_>], factors: [&[f32]; 2], out: &mut [f32]) {
    let rows = Rows::of_members(maps);
    assert_eq!(out.len(), rows.len(), "output of joined maps");
    if NORMAL {
        for factor in factors {
            assert_eq!(factor.len(), rows.channels, "factors of joined maps");
        }
    }
    let lines = maps.iter().all(|map| map.channels.is_multiple_of(16));
    let stream = lines && streams(out);
    let (level, out) = (Level::current(), Shared::new(out));
    let part = |part: usize| {
        let [first, last] = rows.part(part);
        dispatch_at(
            level,
            Join::<K, NORMAL> {
                maps,
                factors,
                out,
                channels: rows.channels,
                first,
                last,
                stream,
                activation: PhantomData,
            },
        );
    };
    in_parts(rows.parts(), &part);
}

struct Join<'a, K, const NORMAL: bool> {
    maps: &'a [Member<'a>],
    /// Scale and shift.
    factors: [&'a [f32]; 2],
    out: Shared<f32>,
    channels: usize,
    first: usize,
    last: usize,
    stream: bool,
    activation: PhantomData<K>,
}

impl<K: Known, const NORMAL: bool> Kernel for Join<'_, K, NORMAL> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut start = 0;
        for map in self.maps {
            for pixel in self.first..self.last {
                let mut channel = 0;
                while channel + S::LANES <= map.channels {
                    // SAFETY: a whole register of the map's channels, of a pixel that is this part's.
                    unsafe { self.register(s, Whole, map, start, [pixel, channel]) };
                    channel += S::LANES;
                }
                if channel < map.channels {
                    let rest = Part(map.channels - channel);
                    // SAFETY: the channels that are left.
                    unsafe { self.register(s, rest, map, start, [pixel, channel]) };
                }
            }
            start += map.channels;
        }
        if self.stream {
            s.fence();
        }
    }
}

impl<K: Known, const NORMAL: bool> Join<'_, K, NORMAL> {
    /// # Safety
    ///
    /// The lanes of `access` lie inside the map's channels from `channel` on, the pixel inside the part, and `start` is the map's first
    /// channel among all.
    #[inline(always)]
    unsafe fn register<S: Simd, A: Access<S>>(
        &self,
        s: S,
        access: A,
        map: &Member<'_>,
        start: usize,
        [pixel, channel]: [usize; 2],
    ) {
        // SAFETY: the caller's promise; a streamed output is aligned, and so is each register in it where all channels are whole lines.
        unsafe {
            let mut x = access.load(s, map.numbers.as_ptr().add(pixel * map.channels + channel));
            let place = start + channel;
            if NORMAL {
                let [scale, shift] = self.factors;
                let scale = access.load(s, scale.as_ptr().add(place));
                let shift = access.load(s, shift.as_ptr().add(place));
                x = K::ACTIVATION.vector(s, s.mul_add(x, scale, shift));
            }
            let to = self.out.get().add(pixel * self.channels + place);
            access.store_or_stream(s, to, x, self.stream);
        }
    }
}

/// The reverse of [`join`]: each map is given its channels of `joined`; what is left out is passed over.
///
/// # Panics
///
/// When `joined` or a map has another length than the number of channels and the pixels say.
pub fn split(joined: &[f32], channels: &[usize], maps: &mut [Option<&mut [f32]>]) {
    assert_eq!(channels.len(), maps.len(), "maps of a joined one");
    let all: usize = channels.iter().sum();
    assert!(
        all > 0 && joined.len().is_multiple_of(all),
        "{} numbers of maps of {all} channels",
        joined.len()
    );
    let pixels = joined.len() / all;
    let rows = Rows::of(
        channels
            .iter()
            .map(|channels| [pixels * channels, *channels]),
    );
    let mut start = 0;
    let mut pieces = Vec::with_capacity(maps.len());
    for (map, &channels) in maps.iter_mut().zip(channels) {
        if let Some(map) = map {
            assert_eq!(map.len(), pixels * channels, "a map of a joined one");
            pieces.push(Piece {
                to: Shared::new(map),
                start,
                channels,
            });
        }
        start += channels;
    }
    let level = Level::current();
    let part = |part: usize| {
        let [first, last] = rows.part(part);
        dispatch_at(
            level,
            Split {
                joined,
                pieces: &pieces,
                channels: all,
                first,
                last,
            },
        );
    };
    in_parts(rows.parts(), &part);
}

/// Channels of the joined map and where they go.
struct Piece {
    to: Shared<f32>,
    start: usize,
    channels: usize,
}

struct Split<'a> {
    joined: &'a [f32],
    pieces: &'a [Piece],
    channels: usize,
    first: usize,
    last: usize,
}

impl Kernel for Split<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for piece in self.pieces {
            for pixel in self.first..self.last {
                // SAFETY: the pixels are this part's, and the channels inside the piece.
                unsafe {
                    let from = self
                        .joined
                        .as_ptr()
                        .add(pixel * self.channels + piece.start);
                    let to = piece.to.get().add(pixel * piece.channels);
                    let mut channel = 0;
                    while channel + S::LANES <= piece.channels {
                        s.store(to.add(channel), s.load(from.add(channel)));
                        channel += S::LANES;
                    }
                    if channel < piece.channels {
                        let rest = piece.channels - channel;
                        let x = s.load_partial(from.add(channel), rest);
                        s.store_partial(to.add(channel), x, rest);
                    }
                }
            }
        }
    }
}
