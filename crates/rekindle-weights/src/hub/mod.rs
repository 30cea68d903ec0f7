//! Files of the Hugging Face hub: what is cached, and what is fetched. Cards and networks are other crates'.

mod cache;
#[cfg(feature = "net")]
mod client;
mod digest;
mod name;
#[cfg(feature = "net")]
mod request;
mod settings;

use std::path::PathBuf;

pub use cache::{CachedFile, Verdict};
pub use name::HubFile;
pub use settings::HubSettings;

use crate::HubError;

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetching<'a> {
    /// The file's name in its repository.
    pub file: &'a str,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes that it has, where the hub says so.
    pub total: Option<u64>,
    /// Why it is being waited, if it is: the hub is busy, or the connection was cut.
    pub waiting: Option<&'a str>,
}

/// The hub and its cache. Each file is looked for in the cache first, and what is there, and right, is taken without asking the hub.
#[derive(Debug, Clone)]
pub struct Hub {
    settings: HubSettings,
}

impl Hub {
    /// A hub with these settings.
    pub fn new(settings: HubSettings) -> Self {
        Self { settings }
    }

    /// The hub that the environment names, as Python's tools read it.
    ///
    /// # Errors
    ///
    /// No place for the cache is known, or a variable cannot be used.
    pub fn from_environment() -> Result<Self, HubError> {
        Ok(Self::new(HubSettings::from_environment()?))
    }

    /// Its settings.
    pub fn settings(&self) -> &HubSettings {
        &self.settings
    }

    /// Where the file is in the cache, if it is there; its bytes are not looked at.
    pub fn cached(&self, file: &HubFile) -> Option<PathBuf> {
        cache::find(&self.settings.cache, file).map(|found| found.path)
    }

    /// The file's place in the cache; fetched where it is missing or damaged.
    ///
    /// `sha256` is the file's hash in hexadecimal where a card knows it; else the hub's own is checked: its SHA-256 of a large file, Git's
    /// SHA-1 of a small one. `progress` hears of what comes over the network.
    ///
    /// # Errors
    ///
    /// The file cannot be had, or is not what it must be; then no file is left under its name.
    pub fn fetch(
        &self,
        file: &HubFile,
        sha256: Option<&str>,
        progress: &mut dyn FnMut(Fetching<'_>),
    ) -> Result<PathBuf, HubError> {
        let mut damaged = None;
        if let Some(found) = cache::find(&self.settings.cache, file) {
            match found.check(sha256)? {
                Verdict::Right | Verdict::Unknown => return Ok(found.path),
                Verdict::Damaged {
                    found: hash,
                    expected,
                } => {
                    damaged = Some(HubError::Damaged {
                        path: found.path,
                        repository: file.repository().to_owned(),
                        found: hash,
                        expected,
                    });
                }
            }
        }
        if self.settings.offline {
            return Err(damaged.unwrap_or_else(|| HubError::Offline {
                file: file.to_string(),
                cache: self.settings.cache.clone(),
                url: self.settings.url(file),
            }));
        }
        self.download(file, sha256, progress, damaged)
    }

    #[cfg(feature = "net")]
    fn download(
        &self,
        file: &HubFile,
        sha256: Option<&str>,
        progress: &mut dyn FnMut(Fetching<'_>),
        _: Option<HubError>,
    ) -> Result<PathBuf, HubError> {
        client::Client::new(&self.settings).download(file, sha256, progress)
    }

    #[cfg(not(feature = "net"))]
    fn download(
        &self,
        file: &HubFile,
        _: Option<&str>,
        _: &mut dyn FnMut(Fetching<'_>),
        damaged: Option<HubError>,
    ) -> Result<PathBuf, HubError> {
        Err(damaged.unwrap_or_else(|| HubError::NoClient {
            file: file.to_string(),
            cache: self.settings.cache.clone(),
            url: self.settings.url(file),
        }))
    }

    /// Whether a cached file is what its name says, or has this SHA-256; none if it is not cached.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn verify(
        &self,
        file: &HubFile,
        sha256: Option<&str>,
    ) -> Result<Option<Verdict>, HubError> {
        let found = cache::find(&self.settings.cache, file);
        found.map(|found| found.check(sha256)).transpose()
    }

    /// Every file of weights in the cache, of whatever program.
    ///
    /// # Errors
    ///
    /// The cache is there and cannot be read.
    pub fn list(&self) -> Result<Vec<CachedFile>, HubError> {
        cache::list(&self.settings.cache)
    }

    /// Removes a repository, all its files and revisions, from the cache; the bytes that they took, or none if it was not there.
    ///
    /// # Errors
    ///
    /// The name is none, or it cannot be removed.
    pub fn remove(&self, repository: &str) -> Result<Option<u64>, HubError> {
        let file = HubFile::new(repository, None, "model.safetensors")?;
        cache::remove(&self.settings.cache, &file)
    }
}
