//! Planes of samples to pixels: what the own decoders share.
//!
//! Owns: the smooth enlarging of coarser planes and the interleaving of colours. It does not own the conversions of colours, which
//! differ.

/// Fills `sums` with values that are to be enlarged, and with the first and the last of them once more where `repeated` says so.
#[inline(always)]
pub(super) fn with_ends(
    values: impl Iterator<Item = i16>,
    repeated: [bool; 2],
    sums: &mut Vec<i16>,
) {
    sums.clear();
    if repeated[0] {
        sums.push(0);
    }
    sums.extend(values);
    if let ([true, _], [first, second, ..]) = (repeated, sums.as_mut_slice()) {
        *first = *second;
    }
    if repeated[1] {
        sums.extend(sums.last().copied());
    }
}

/// Two samples for each value but the first and the last one: three parts of it and one of the value before, or behind.
#[inline(always)]
pub(super) fn enlarge<const SHIFT: usize>(sums: &[i16], bias: [i16; 2], output: &mut [u8]) {
    let count = sums.len().saturating_sub(2);
    let (before, here, after) = (&sums[..count], &sums[1..][..count], &sums[2..][..count]);
    let output = &mut output[..2 * count];
    for (((pair, before), here), after) in
        output.chunks_exact_mut(2).zip(before).zip(here).zip(after)
    {
        pair[0] = ((3 * here + before + bias[0]) >> SHIFT) as u8;
        pair[1] = ((3 * here + after + bias[1]) >> SHIFT) as u8;
    }
}

/// Pixels from their three colours.
#[inline(always)]
pub(super) fn interleave(red: &[u8], green: &[u8], blue: &[u8], line: &mut [u8]) {
    for (((pixel, red), green), blue) in line.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
        pixel.copy_from_slice(&[*red, *green, *blue]);
    }
}

/// Rows of numbers whose parts of so many bits change places: the second, fourth .. of the upper row and the first, third .. of
/// the lower one. Steps of it exchange rows and columns.
#[inline(always)]
pub(super) fn exchange<const BITS: u32, const N: usize>(
    mut upper: [u64; N],
    mut lower: [u64; N],
) -> ([u64; N], [u64; N]) {
    let even = u64::MAX / ((1 << BITS) + 1);
    for (upper, lower) in upper.iter_mut().zip(&mut lower) {
        let before = *upper;
        *upper = (before & even) | ((*lower & even) << BITS);
        *lower = ((before >> BITS) & even) | (*lower & !even);
    }
    (upper, lower)
}
