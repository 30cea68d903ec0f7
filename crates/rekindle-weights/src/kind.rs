//! What a file is, by its first bytes: names lie, and downloads go wrong.

use crate::FileError;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `.safetensors`.
    Safetensors,
    /// `.pth`, `.pt`, `.bin`: zip, tar, legacy or a plain pickle.
    Pytorch,
}

impl FileKind {
    /// How many of the first bytes suffice.
    pub const NEEDED: usize = 512;

    /// The kind of a file that begins with these bytes, the first [`Self::NEEDED`] or all there are; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// It is empty, a web page, an error message, a pointer of Git LFS, or of another known kind. What is none of these is left to the
    /// reader of `.safetensors`, which says what is wrong.
    pub fn of(head: &[u8], origin: &str) -> Result<Self, FileError> {
        let head = &head[..head.len().min(Self::NEEDED)];
        let not = |found, advice| {
            Err(FileError::NotWeights {
                origin: origin.to_owned(),
                found,
                advice,
            })
        };
        const AGAIN: &str = "download it again, and look at what came";
        let text = head.trim_ascii_start();
        if head.is_empty() {
            return not("empty", AGAIN);
        }
        if head.starts_with(b"version https://git-lfs") {
            return not(
                "a pointer of Git LFS, which stands for the file",
                "fetch the file itself: `git lfs pull`, or `rekindle weights fetch`",
            );
        }
        if head.get(8) == Some(&b'{') && !text.starts_with(b"<") {
            return Ok(Self::Safetensors);
        }
        if text.starts_with(b"<") {
            return not("a web page", AGAIN);
        }
        if text.starts_with(b"{") {
            return not("a text in JSON, perhaps an error message", AGAIN);
        }
        const CONVERT: &str =
            "load it with its own library and save its state dict as .safetensors";
        for (magic, found) in [
            (&b"\x89HDF"[..], "an HDF5 file (Keras)"),
            (b"GGUF", "a GGUF file"),
            (b"\x93NUMPY", "an array of NumPy"),
            (b"\x1f\x8b", "compressed with gzip"),
            (b"Rar!", "a RAR archive"),
            (b"7z\xbc\xaf", "a 7-Zip archive"),
        ] {
            if head.starts_with(magic) {
                return not(found, CONVERT);
            }
        }
        let tar = head.get(257..262) == Some(b"ustar");
        if head.starts_with(b"PK") || head[0] == 0x80 || tar {
            return Ok(Self::Pytorch);
        }
        Ok(Self::Safetensors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Result<FileKind, String> {
        FileKind::of(bytes, "f").map_err(|error| error.to_string())
    }

    #[test]
    fn files_of_weights_are_known_by_their_first_bytes() {
        let header = [&128_u64.to_le_bytes()[..], b"{\"a\":"].concat();
        assert_eq!(found(&header), Ok(FileKind::Safetensors));
        assert_eq!(found(b"PK\x03\x04.."), Ok(FileKind::Pytorch));
        assert_eq!(found(b"\x80\x02\x8a\nl\xfc\x9cF"), Ok(FileKind::Pytorch));
        let mut tar = [b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(found(&tar), Ok(FileKind::Pytorch));
    }

    #[test]
    fn what_a_download_brings_in_place_of_weights_is_named() {
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"<!DOCTYPE html><html>", "a web page"),
            (b"\n <html lang=\"en\">", "a web page"),
            (b"{\"error\":\"Repository not found\"}", "JSON"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:",
                "Git LFS",
            ),
            (b"\x89HDF\r\n", "Keras"),
        ] {
            let error = found(bytes).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
