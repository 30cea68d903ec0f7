//! Hashes by which the hub names files: SHA-256 of large ones, Git's SHA-1 of small ones.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::name::is_hexadecimal;
use crate::HubError;

/// Which hash a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 64 digits.
    Sha256,
    /// 40 digits: SHA-1 of `blob LENGTH\0` and the file.
    Git,
}

impl Kind {
    /// The hash that an etag is, if it is one.
    pub(super) fn of(etag: &str) -> Option<Self> {
        match etag.len() {
            64 if is_hexadecimal(etag) => Some(Self::Sha256),
            40 if is_hexadecimal(etag) => Some(Self::Git),
            _ => None,
        }
    }

    /// The hash of a file, in hexadecimal.
    pub(super) fn digest(self, path: &Path) -> Result<String, HubError> {
        let io = |source| HubError::Io {
            verb: "read",
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut sha256 = Sha256::new();
        let mut sha1 = Sha1::new();
        sha1.update(format!("blob {length}\0").as_bytes());
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).map_err(io)?;
            if read == 0 {
                break;
            }
            match self {
                Self::Sha256 => sha256.update(&buffer[..read]),
                Self::Git => sha1.update(&buffer[..read]),
            }
        }
        Ok(match self {
            Self::Sha256 => hexadecimal(&sha256.finalize()),
            Self::Git => hexadecimal(&sha1.finalize()),
        })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha256sum_and_git_hash_object() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "hello\n").unwrap();
        assert_eq!(
            Kind::Git.digest(&path).unwrap(),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
        assert_eq!(
            Kind::Sha256.digest(&path).unwrap(),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(Kind::of("abc"), None);
    }
}
