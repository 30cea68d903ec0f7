//! The backward pass of a normalisation of maps side by side.

use std::marker::PhantomData;

use super::{Member, Rows};
use crate::Activation;
use crate::buffer::Buffer;
use crate::channels::{Access, Known, Part, Whole, in_parts, with_known};
use crate::parallel::Shared;
use crate::simd::{Kernel, Level, Simd, dispatch_at};

/// The backward pass of [`join_normalized`](super::join_normalized). With `u = x * scale + shift` and `g = gradient * activation'(u)` it
/// gives `sum(g)` and `sum(g * (x - mean))` of each channel, and `scale * g`: the gradient of `x` where the scale is a constant, and its
/// first part where it comes from the batch's own moments ([`settle`](crate::norm::settle) is the other).
#[derive(Debug, Clone, Copy)]
pub struct JoinedNorm<'a> {
    /// What is normalised.
    pub maps: &'a [Member<'a>],
    /// `[all channels]`.
    pub scale: &'a [f32],
    /// `[all channels]`.
    pub shift: &'a [f32],
    /// `[all channels]`.
    pub mean: &'a [f32],
    /// What follows.
    pub activation: Activation,
    /// The gradient of the result, `[pixels, all channels]`.
    pub gradient: &'a [f32],
}

/// Where `scale * g` of a map goes.
pub enum Target<'a> {
    /// Nowhere.
    Nothing,
    /// Into this array, whose numbers are overwritten.
    Store(&'a mut [f32]),
    /// To the numbers of this array.
    Add(&'a mut [f32]),
}

impl JoinedNorm<'_> {
    /// The sums over all pixels, in single precision within a part of fixed size and in double precision over the parts: of `g`, then of
    /// `g * (x - mean)`, each `[all channels]`.
    ///
    /// # Panics
    ///
    /// When a slice has another length than its documentation says, or there is not one target for each map.
    pub fn backward(&self, targets: &mut [Target<'_>]) -> [Vec<f64>; 2] {
        let rows = Rows::of_members(self.maps);
        for (slice, what) in [
            (self.scale, "scale"),
            (self.shift, "shift"),
            (self.mean, "mean"),
        ] {
            assert_eq!(slice.len(), rows.channels, "{what} of joined maps");
        }
        assert_eq!(self.gradient.len(), rows.len(), "gradient of joined maps");
        assert_eq!(targets.len(), self.maps.len(), "targets of joined maps");
        let each = self.maps.iter().zip(targets);
        let maps: Vec<Piece<'_>> = each
            .map(|(map, target)| {
                let (to, way) = match target {
                    Target::Nothing => (Shared::new(&mut []), Way::Nothing),
                    Target::Store(to) => (shared(map, to), Way::Store),
                    Target::Add(to) => (shared(map, to), Way::Add),
                };
                Piece { map: *map, to, way }
            })
            .collect();
        with_known!(self.activation, K => self.run::<K>(rows, &maps))
    }

    fn run<K: Known>(&self, rows: Rows, maps: &[Piece<'_>]) -> [Vec<f64>; 2] {
        let width = 2 * rows.channels;
        let mut sums = Buffer::unspecified(width * rows.parts());
        let (level, of_parts) = (Level::current(), Shared::new(&mut sums));
        let part = |part: usize| {
            let [first, last] = rows.part(part);
            let mask = Mask::<K> {
                maps,
                norm: self,
                // SAFETY: every part has its own stretch of the sums, which outlive the loop.
                sums: Shared::at(unsafe { of_parts.get().add(part * width) }),
                channels: rows.channels,
                first,
                last,
                activation: PhantomData,
            };
            dispatch_at(level, mask);
        };
        in_parts(rows.parts(), &part);
        let mut total = vec![0.0f64; width];
        for part in sums.chunks_exact(width) {
            let each = total.iter_mut().zip(part);
            each.for_each(|(sum, x)| *sum += f64::from(*x));
        }
        let products = total.split_off(rows.channels);
        [total, products]
    }
}

fn shared(map: &Member<'_>, to: &mut [f32]) -> Shared<f32> {
    assert_eq!(to.len(), map.numbers.len(), "gradient of one of the maps");
    Shared::new(to)
}

#[derive(Clone, Copy)]
enum Way {
    Nothing,
    Store,
    Add,
}

struct Piece<'a> {
    map: Member<'a>,
    to: Shared<f32>,
    way: Way,
}

struct Mask<'a, K> {
    maps: &'a [Piece<'a>],
    norm: &'a JoinedNorm<'a>,
    /// Of this part.
    sums: Shared<f32>,
    channels: usize,
    first: usize,
    last: usize,
    activation: PhantomData<K>,
}

/// No array is written, it is written, it is added to: known to the compiler.
const NOTHING: u8 = 0;
const STORE: u8 = 1;
const ADD: u8 = 2;

impl<K: Known> Kernel for Mask<'_, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut start = 0;
        for piece in self.maps {
            // SAFETY: the map's own channels.
            unsafe {
                match piece.way {
                    Way::Nothing => self.map::<S, NOTHING>(s, piece, start),
                    Way::Store => self.map::<S, STORE>(s, piece, start),
                    Way::Add => self.map::<S, ADD>(s, piece, start),
                }
            }
            start += piece.map.channels;
        }
    }
}

impl<K: Known> Mask<'_, K> {
    /// # Safety
    ///
    /// `start` is the map's first channel among all.
    #[inline(always)]
    unsafe fn map<S: Simd, const WAY: u8>(&self, s: S, piece: &Piece<'_>, start: usize) {
        let channels = piece.map.channels;
        let mut channel = 0;
        // SAFETY: the registers lie inside the map's channels.
        unsafe {
            while channel + 4 * S::LANES <= channels {
                self.registers::<S, Whole, WAY, 4>(s, Whole, piece, [start, channel]);
                channel += 4 * S::LANES;
            }
            while channel + 2 * S::LANES <= channels {
                self.registers::<S, Whole, WAY, 2>(s, Whole, piece, [start, channel]);
                channel += 2 * S::LANES;
            }
            if channel + S::LANES <= channels {
                self.registers::<S, Whole, WAY, 1>(s, Whole, piece, [start, channel]);
                channel += S::LANES;
            }
            if channel < channels {
                let rest = Part(channels - channel);
                self.registers::<S, Part, WAY, 1>(s, rest, piece, [start, channel]);
            }
        }
    }

    /// All pixels of the part, `N` registers of channels.
    ///
    /// # Safety
    ///
    /// The registers lie inside the map's channels from `channel` on, and `start` is the map's first channel among all.
    #[inline(always)]
    unsafe fn registers<S: Simd, A: Access<S>, const WAY: u8, const N: usize>(
        &self,
        s: S,
        access: A,
        piece: &Piece<'_>,
        [start, channel]: [usize; 2],
    ) {
        let JoinedNorm {
            scale,
            shift,
            mean,
            gradient,
            ..
        } = *self.norm;
        let place = start + channel;
        // SAFETY: the caller's promise; the pixels and the sums are this part's.
        unsafe {
            let [scales, shifts, means] = [scale.as_ptr(), shift.as_ptr(), mean.as_ptr()];
            let (mut scale, mut shift, mut mean) = ([s.zero(); N], [s.zero(); N], [s.zero(); N]);
            for n in 0..N {
                scale[n] = access.load(s, scales.add(place + n * S::LANES));
                shift[n] = access.load(s, shifts.add(place + n * S::LANES));
                mean[n] = access.load(s, means.add(place + n * S::LANES));
            }
            let (mut sums, mut products) = ([s.zero(); N], [s.zero(); N]);
            let own = piece.map.channels;
            let mut pixel = self.first;
            while pixel < self.last {
                let x = piece.map.numbers.as_ptr().add(pixel * own + channel);
                let gradient = gradient.as_ptr().add(pixel * self.channels + place);
                for n in 0..N {
                    let x = access.load(s, x.add(n * S::LANES));
                    let u = s.mul_add(x, scale[n], shift[n]);
                    let g = access.load(s, gradient.add(n * S::LANES));
                    let g = K::ACTIVATION.backward(s, u, g);
                    sums[n] = s.add(sums[n], g);
                    products[n] = s.mul_add(g, s.sub(x, mean[n]), products[n]);
                    if WAY != NOTHING {
                        let to = piece.to.get().add(pixel * own + channel + n * S::LANES);
                        let scaled = match WAY {
                            ADD => s.mul_add(g, scale[n], access.load(s, to)),
                            _ => s.mul(g, scale[n]),
                        };
                        access.store(s, to, scaled);
                    }
                }
                pixel += 1;
            }
            for n in 0..N {
                let to = self.sums.get().add(place + n * S::LANES);
                access.store(s, to, sums[n]);
                access.store(s, to.add(self.channels), products[n]);
            }
        }
    }
}
