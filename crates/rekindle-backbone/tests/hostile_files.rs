//! Files of weights that lie: each is an error that names what is wrong, or values, and costs no more memory than the file has bytes.

use rekindle_backbone::{BackboneError, read_safetensors};

fn file(header: &str, bytes: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(vec![0; bytes]);
    file
}

fn error(bytes: &[u8]) -> String {
    read_safetensors(bytes, "f").unwrap_err().to_string()
}

#[test]
fn a_tensor_that_is_named_twice_is_an_error() {
    let tensor = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    let bytes = file(&format!(r#"{{"a":{tensor},"a":{tensor}}}"#), 4);
    let found = read_safetensors(&bytes, "f").unwrap_err();
    assert!(
        matches!(&found, BackboneError::DuplicateTensor { key, .. } if key == "a"),
        "{found}"
    );
    let bytes = file(&format!(r#"{{"a":{tensor}}}"#), 4);
    assert_eq!(read_safetensors(&bytes, "f").unwrap().0.len(), 1);
}

#[test]
fn offsets_that_overlap_shapes_that_overflow_and_headers_that_lie_are_errors() {
    let tensor = |shape: &str, from: usize, to: usize| {
        format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let two = |a: String, b: String, bytes| file(&format!(r#"{{"a":{a},"b":{b}}}"#), bytes);
    for bytes in [
        two(tensor("[2]", 0, 8), tensor("[2]", 4, 12), 12),
        two(tensor("[1]", 0, 4), tensor("[1]", 8, 12), 12),
        two(tensor("[1]", 0, 4), tensor("[1]", 0, 4), 4),
        file(&format!(r#"{{"a":{}}}"#, tensor("[4]", 0, 4)), 4),
        file(&format!(r#"{{"a":{}}}"#, tensor("[1]", 4, 0)), 4),
        file(&format!(r#"{{"a":{}}}"#, tensor("[1]", 0, 4)), 3),
        file(
            &format!(
                r#"{{"a":{}}}"#,
                tensor("[4294967296,4294967296,4294967296]", 0, 4)
            ),
            4,
        ),
        file(
            &format!(r#"{{"a":{}}}"#, tensor("[18446744073709551615,2]", 0, 4)),
            4,
        ),
        file(&format!(r#"{{"a":{}}}"#, tensor("[-1]", 0, 4)), 4),
        file(r#"{"a":"b"}"#, 4),
        file("[[[[[[", 0),
        file(&"[".repeat(100_000), 0),
        u64::MAX.to_le_bytes().to_vec(),
        [&(1_u64 << 40).to_le_bytes()[..], b"{}"].concat(),
        vec![0; 3],
        Vec::new(),
    ] {
        let error = error(&bytes);
        assert!(
            error.starts_with("f is not a readable .safetensors file"),
            "{error}"
        );
    }
}

#[test]
fn number_formats_that_no_weights_of_here_have_are_named() {
    let bytes = file(
        r#"{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}"#,
        4,
    );
    assert!(
        error(&bytes).contains("tensor `a` has element type F8_E4M3"),
        "{}",
        error(&bytes)
    );
}

/// A generator as good as a test needs.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit.max(1)
    }
}

/// `REKINDLE_MUTATIONS` sets how many mutants are read.
#[test]
fn a_damaged_file_is_an_error_or_values_and_never_more() {
    let count = std::env::var("REKINDLE_MUTATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_000);
    let whole = file(
        r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}"#,
        32,
    );
    let mut draw = Draw(3);
    let (mut refused, mut read) = (0, 0);
    for _ in 0..count {
        let mut bytes = whole.clone();
        for _ in 0..=draw.below(3) {
            let at = draw.below(bytes.len());
            match draw.below(5) {
                0 => bytes[at] = draw.below(256) as u8,
                1 => bytes[at] ^= 1 << draw.below(8),
                2 => bytes.truncate(at.max(1)),
                3 => bytes.insert(at, b"0123456789[]{},:\"-e"[draw.below(19)]),
                _ => {
                    bytes.remove(at);
                    bytes.push(0);
                }
            }
        }
        match read_safetensors(&bytes, "f") {
            Ok((state, _)) => {
                let numbers: usize = state.values().map(|data| data.shape().num_elements()).sum();
                assert!(numbers <= bytes.len());
                read += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    println!("{refused} refused, {read} read");
    assert!(refused > 0 && read > 0);
}
