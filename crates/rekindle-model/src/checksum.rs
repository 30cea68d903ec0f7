//! The checksum of a model file's tensors. Owns how it is computed and written; where it stands is `model_file.rs`'s.

use rekindle_backbone::StateDict;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Its key in the metadata.
pub(crate) const KEY: &str = "checksum";
/// The algorithm: 128 bits of XXH3, at the speed of memory. It finds damage, not forgery.
const ALGORITHM: &str = "xxh3-128";

/// The checksum of tensors as a file holds them: f32, little-endian, in the order of their keys.
pub fn of_state(state: &StateDict) -> String {
    let mut digest = Xxh3::new();
    let mut bytes = Vec::new();
    for data in state.values() {
        bytes.clear();
        bytes.extend(data.iter::<f32>().flat_map(f32::to_le_bytes));
        digest.update(&bytes);
    }
    written(digest.digest128())
}

/// Compares a file's tensors with the checksum that was written beside them.
///
/// # Errors
///
/// What is wrong, in words.
pub(crate) fn check(file: &[u8], expected: &str) -> Result<(), String> {
    if expected.split(':').next() != Some(ALGORITHM) {
        return Err(format!(
            "its checksum `{expected}` is of a kind that this program does not know"
        ));
    }
    let found = written(xxh3_128(tensors(file)));
    match found == expected {
        true => Ok(()),
        false => Err(format!(
            "its weights have the checksum {found}, they were written with {expected}"
        )),
    }
}

/// The bytes of a safetensors file behind its header.
fn tensors(file: &[u8]) -> &[u8] {
    let length = file.first_chunk().map(|length| u64::from_le_bytes(*length));
    let start = length.and_then(|length| usize::try_from(length).ok()?.checked_add(8));
    start.and_then(|start| file.get(start..)).unwrap_or(&[])
}

fn written(digest: u128) -> String {
    format!("{ALGORITHM}:{digest:032x}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::files::to_safetensors;
    use burn::tensor::TensorData;

    #[test]
    fn one_bit_of_a_tensor_is_enough_and_the_header_does_not_count() {
        let state = BTreeMap::from([
            ("b".to_owned(), TensorData::new(vec![1.0f32, -2.5], [2])),
            ("a".to_owned(), TensorData::new(vec![0.5f32; 6], [2, 3])),
        ]);
        let checksum = of_state(&state);
        let metadata = BTreeMap::from([("any".to_owned(), "thing".to_owned())]);
        let mut file = to_safetensors(&state, metadata);
        assert_eq!(check(&file, &checksum), Ok(()));
        let last = file.len() - 1;
        file[last] ^= 1;
        assert!(check(&file, &checksum).unwrap_err().contains("checksum"));
        assert!(check(&file, "md5:0").unwrap_err().contains("kind"));
        assert!(check(b"short", &checksum).is_err());
    }
}
