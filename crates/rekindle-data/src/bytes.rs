//! The bytes of an image, from a file of its own or from its place in a tar file.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Take},
    path::{Path, PathBuf},
};

use super::{ImageFolder, Sample, TarMember};

impl ImageFolder {
    /// The bytes of a sample's image, undecoded.
    ///
    /// # Errors
    /// What the system says, or [`io::ErrorKind::UnexpectedEof`] where a tar file has become shorter.
    ///
    /// # Panics
    /// When the sample is not one of this folder's.
    pub fn read(&self, sample: &Sample) -> io::Result<Vec<u8>> {
        let Some(member) = self.member_of(sample) else {
            return fs::read(self.readable_path(sample)?);
        };
        let mut bytes = Vec::with_capacity(member.length as usize);
        open_member(member)?.read_to_end(&mut bytes)?;
        match bytes.len() as u64 == member.length {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The image's bytes from the first on, to be read as far as they are needed.
    pub(super) fn open(&self, sample: &Sample) -> io::Result<Take<File>> {
        match self.member_of(sample) {
            Some(member) => open_member(member),
            None => Ok(File::open(self.readable_path(sample)?)?.take(u64::MAX)),
        }
    }

    /// How many bytes an image's file, or its part of a file, has; asked of the system, without opening it.
    ///
    /// # Errors
    /// It is not there.
    pub fn length(&self, sample: &Sample) -> io::Result<u64> {
        match self.member_of(sample) {
            Some(member) => Ok(member.length),
            None => Ok(std::fs::metadata(self.path_of(sample))?.len()),
        }
    }

    /// The path of a file whose name can be written in a split file or a report.
    fn readable_path(&self, sample: &Sample) -> io::Result<PathBuf> {
        match sample
            .path
            .file_name()
            .is_none_or(|name| name.to_str().is_some())
        {
            true => Ok(self.path_of(sample)),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "its name is not valid Unicode; rename it",
            )),
        }
    }

    fn member_of(&self, sample: &Sample) -> Option<&TarMember> {
        sample.member.map(|place| &self.members[place as usize])
    }
}

/// Opened anew for each image: thousands of shards would be more open files than systems allow, and it costs microseconds.
fn open_member(member: &TarMember) -> io::Result<Take<File>> {
    let shard: &Path = &member.shard;
    let mut file = File::open(shard)?;
    file.seek(SeekFrom::Start(member.offset))?;
    Ok(file.take(member.length))
}
