//! The sizes of the algorithm.

/// Frequencies of a tile.
pub(super) const FREQUENCIES: usize = 36;
/// Outputs of a tile in each direction.
pub(super) const STEP: usize = 4;
/// Bytes of frequencies that all threads work on together: within the last-level cache.
pub(super) const SHARED_BYTES: usize = 10 << 20;
