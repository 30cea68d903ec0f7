//! PyTorch's files: names, shapes and values of tensors. The reader is pytorch-reader; what it may be asked to do is bounded here.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use pytorch_reader::{DType, PytorchReader, Tensor};

use crate::FileError;
use crate::pickle::{Finding, scan};

/// The largest `data.pkl` that is unpacked. Real ones have some hundred bytes per tensor.
const LARGEST_PICKLE: u64 = 32 << 20;

/// Shape and values of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Its sides, outermost first.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Vec<f32>,
}

/// The tensors of a `.pth`, `.pt` or `.bin` file, by name; their values are read when they are asked for.
///
/// All that `torch.save` has written: zip (since 1.6), legacy, tar. Names are the path through the dictionaries,
/// `state_dict.conv1.weight`. A whole model counts as its state dict. No code is run: names of functions stay names.
#[derive(Debug)]
pub struct PytorchFile {
    origin: String,
    tensors: HashMap<String, Tensor>,
    /// Bytes that all tensors which were read may have.
    limit: u64,
}

impl PytorchFile {
    /// Opens a file; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not one of PyTorch's, asks for code to be run, or claims more than a file of its size can hold.
    pub fn open(path: &Path, origin: &str) -> Result<Self, FileError> {
        let io = |source| FileError::Read {
            origin: origin.to_owned(),
            source,
        };
        let length = std::fs::metadata(path).map_err(io)?.len();
        examine(path, origin)?;
        let reader = PytorchReader::new(path).map_err(|error| broken(origin, &error))?;
        Ok(Self {
            origin: origin.to_owned(),
            tensors: reader.into_tensors(),
            // Views of the same storage repeat its bytes, and a zip may be compressed, but no state dict grows much by either.
            limit: length.saturating_mul(4).saturating_add(1 << 20),
        })
    }

    /// The names of all tensors but counters (`num_batches_tracked`), in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.tensors.keys().map(String::as_str);
        names.filter(|name| !name.ends_with("num_batches_tracked"))
    }

    /// The values of these tensors, in f32, in the order of the names.
    ///
    /// # Errors
    ///
    /// One is not there, is no floating-point tensor or damaged, or all together have more bytes than a file of this size can hold.
    pub fn read(&self, names: &[&str]) -> Result<Vec<Values>, FileError> {
        let mut bytes = 0_u64;
        for name in names {
            let tensor = self.tensor(name)?;
            bytes = bytes.saturating_add(tensor.byte_len() as u64);
        }
        if bytes > self.limit {
            return Err(FileError::OutOfProportion {
                origin: self.origin.clone(),
                what: "its tensors have more bytes than a file of its size can hold",
                found: bytes,
                limit: self.limit,
            });
        }
        names.iter().map(|name| self.values(name)).collect()
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, FileError> {
        let found = self.tensors.get(name);
        found.ok_or_else(|| FileError::BrokenPytorch {
            origin: self.origin.clone(),
            reason: format!("it has no tensor `{name}`"),
        })
    }

    fn values(&self, name: &str) -> Result<Values, FileError> {
        let tensor = self.tensor(name)?;
        let dtype = tensor.dtype();
        if !matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16) {
            return Err(FileError::ElementType {
                origin: self.origin.clone(),
                key: name.to_owned(),
                found: format!("{dtype:?}"),
            });
        }
        let bytes = tensor
            .read()
            .map_err(|error| broken(&self.origin, &error))?;
        // The reader gives them in the machine's own order of bytes.
        let values = match dtype {
            DType::F64 => numbers(&bytes, |b| f64::from_ne_bytes(b) as f32),
            DType::F32 => numbers(&bytes, f32::from_ne_bytes),
            DType::F16 => numbers(&bytes, |b| half::f16::from_ne_bytes(b).to_f32()),
            _ => numbers(&bytes, |b| half::bf16::from_ne_bytes(b).to_f32()),
        };
        Ok(Values {
            shape: tensor.shape().to_vec(),
            values,
        })
    }
}

fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (whole, _) = bytes.as_chunks::<N>();
    whole.iter().map(|bytes| number(*bytes)).collect()
}

fn broken(origin: &str, reason: &dyn std::fmt::Display) -> FileError {
    FileError::BrokenPytorch {
        origin: origin.to_owned(),
        reason: reason.to_string(),
    }
}

/// Looks through the file's pickles before anything is made of them.
fn examine(path: &Path, origin: &str) -> Result<(), FileError> {
    let open = || {
        File::open(path).map_err(|source| FileError::Read {
            origin: origin.to_owned(),
            source,
        })
    };
    let mut head = [0; 512];
    let length = read_head(&mut open()?, &mut head);
    let head = &head[..length];
    let judge = |finding: Result<(), Finding>| match finding {
        // What cannot be followed the reader refuses, and says why.
        Ok(()) | Err(Finding::Unreadable) => Ok(()),
        Err(Finding::Code(callable)) => Err(FileError::AsksForCode {
            origin: origin.to_owned(),
            callable,
        }),
        Err(Finding::TooMany(limit)) => Err(FileError::OutOfProportion {
            origin: origin.to_owned(),
            what: "its pickle has too many parts",
            found: limit + 1,
            limit,
        }),
    };
    if head.starts_with(b"PK") {
        let mut archive = zip::ZipArchive::new(BufReader::new(open()?))
            .map_err(|error| broken(origin, &error))?;
        for index in 0..archive.len() {
            let entry = archive
                .by_index(index)
                .map_err(|error| broken(origin, &error))?;
            if !entry.name_raw().ends_with(b"data.pkl") {
                continue;
            }
            if entry.size() > LARGEST_PICKLE {
                return Err(FileError::OutOfProportion {
                    origin: origin.to_owned(),
                    what: "its pickle is too large",
                    found: entry.size(),
                    limit: LARGEST_PICKLE,
                });
            }
            let mut pickle = Vec::new();
            let read = entry.take(LARGEST_PICKLE).read_to_end(&mut pickle);
            read.map_err(|error| broken(origin, &error))?;
            judge(scan(&mut Cursor::new(pickle)))?;
        }
        return Ok(());
    }
    if head.get(257..262) == Some(b"ustar") {
        // Its tables of storages are read whole: by their own size, which the file bounds.
        let mut archive = tar::Archive::new(BufReader::new(open()?));
        let entries = archive.entries().map_err(|error| broken(origin, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| broken(origin, &error))?;
            let is_pickle = entry.path().is_ok_and(|path| path.ends_with("pickle"));
            if is_pickle {
                judge(scan(&mut BufReader::new(entry)))?;
            }
        }
        return Ok(());
    }
    // Legacy: magic number, protocol, system, the object, the list of storages; else one pickle.
    let mut input = BufReader::new(open()?);
    for _ in 0..5 {
        match scan(&mut input) {
            Err(Finding::Unreadable) => break,
            other => judge(other)?,
        }
    }
    Ok(())
}

/// As many of the first bytes as there are.
fn read_head(file: &mut File, head: &mut [u8]) -> usize {
    let mut length = 0;
    while let Ok(read @ 1..) = file.read(&mut head[length..]) {
        length += read;
    }
    length
}
