//! What can go wrong with the hub and with files of weights: facts as fields, and what to do next.

use std::path::PathBuf;

/// What can go wrong when a file is fetched from the hub or looked for in its cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The name of a file on the hub is not one.
    #[error(
        "`{text}` is no file on the hub: {reason}; expected hf://OWNER/REPO, hf://OWNER/REPO@REVISION or hf://OWNER/REPO/FILE"
    )]
    BadName {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Neither a cache nor a home directory is known.
    #[error(
        "the hub's cache has no place, since neither HOME nor HF_HOME is set; set HF_HOME to a directory"
    )]
    NoCache,
    /// An environment variable cannot be used.
    #[error("the environment variable {name} is {value}: {reason}")]
    BadVariable {
        /// Its name.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file is not in the cache, and the network may not be used.
    #[error("{file} is not in the cache {}, and HF_HUB_OFFLINE is set; unset it, or fetch the file where there is a network: {}", cache.display(), by_hand(.url, .cache))]
    Offline {
        /// The file.
        file: String,
        /// The cache.
        cache: PathBuf,
        /// Where it can be had.
        url: String,
    },
    /// The file is not in the cache, and the program cannot fetch.
    #[error("{file} is not in the cache {}, and this program was built without the feature `hub`: {}", cache.display(), by_hand(.url, .cache))]
    NoClient {
        /// The file.
        file: String,
        /// The cache.
        cache: PathBuf,
        /// Where it can be had.
        url: String,
    },
    /// The hub could not be reached.
    #[error("cannot reach the hub for {file}: {reason} ({url}); check the network, or HF_ENDPOINT where a mirror is used; {}", by_hand_other(.url))]
    Unreachable {
        /// The file.
        file: String,
        /// The address.
        url: String,
        /// What the system said, at the last of several tries.
        reason: String,
    },
    /// The hub has no such repository, or does not show it.
    #[error("the hub has no repository {repository}, or it is private{}: check its name on {endpoint}, or set HF_TOKEN to a token that may read it", said(.message))]
    NoRepository {
        /// OWNER/REPO.
        repository: String,
        /// Where it was looked for.
        endpoint: String,
        /// The hub's own words.
        message: Option<String>,
    },
    /// The repository has no such revision.
    #[error(
        "the repository {repository} has no revision `{revision}`; its branches, tags and commits are on {endpoint}/{repository}/tree/main"
    )]
    NoRevision {
        /// OWNER/REPO.
        repository: String,
        /// The revision.
        revision: String,
        /// Where it was looked for.
        endpoint: String,
    },
    /// The repository has no such file.
    #[error(
        "the repository {repository} has no file {file} at revision `{revision}`; its files are on {endpoint}/{repository}/tree/{revision}"
    )]
    NoFile {
        /// OWNER/REPO.
        repository: String,
        /// The file.
        file: String,
        /// The revision.
        revision: String,
        /// Where it was looked for.
        endpoint: String,
    },
    /// The hub wants to know who asks.
    #[error("the hub does not give {file} to this user (status {status}{}): accept the conditions on {endpoint}/{repository}, and set HF_TOKEN to a token that may read it", said(.message))]
    NotAllowed {
        /// The file.
        file: String,
        /// OWNER/REPO.
        repository: String,
        /// Where it was asked for.
        endpoint: String,
        /// 401 or 403.
        status: u16,
        /// The hub's own words.
        message: Option<String>,
    },
    /// The hub is busy for longer than is waited.
    #[error(
        "the hub is busy (status {status}) and asks to be left alone for {seconds} s; try again then"
    )]
    Busy {
        /// 429 or 503.
        status: u16,
        /// Its Retry-After.
        seconds: u64,
    },
    /// An answer with another status.
    #[error("{url} answers with status {status}{}", said(.message))]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// The hub's own words.
        message: Option<String>,
    },
    /// What answers is not a hub, or what it says cannot be used.
    #[error(
        "{url} does not answer as the hub does: {reason}; check HF_ENDPOINT, and whether a proxy or a login page stands between"
    )]
    NotAHub {
        /// The address.
        url: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// The file has another size than was said.
    #[error("{file} came with {found} bytes, and the hub says {expected}; it was not kept")]
    WrongSize {
        /// The file.
        file: String,
        /// What came.
        found: u64,
        /// What was said.
        expected: u64,
    },
    /// The file has another hash than it must have.
    #[error(
        "{file} has the hash {found}, and {whose} says {expected}: it was changed, or damaged on its way; it was not kept"
    )]
    WrongHash {
        /// The file.
        file: String,
        /// What came.
        found: String,
        /// What was expected.
        expected: String,
        /// Who says so.
        whose: &'static str,
    },
    /// Neither size nor hash of the file are known.
    #[error(
        "{url} gives neither a hash nor a size by which {file} can be checked, so it was not fetched; download it by hand and pass it as a file"
    )]
    Unverifiable {
        /// The file.
        file: String,
        /// The address.
        url: String,
    },
    /// A file in the cache is not what it must be.
    #[error("{} in the cache is damaged: its hash is {found}, and its name says {expected}; `rekindle weights remove {repository}` removes it, and it is fetched again when it is needed", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// OWNER/REPO.
        repository: String,
        /// Its hash.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// Another program holds the file for too long.
    #[error("another program has been fetching {file} for {seconds} s; wait for it, or end it (lock {})", lock.display())]
    Locked {
        /// The file.
        file: String,
        /// The lock.
        lock: PathBuf,
        /// How long it was waited.
        seconds: u64,
    },
    /// `config.json` cannot be understood.
    #[error("{origin} is not the config.json of a timm network: {reason}")]
    BadConfig {
        /// The file.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system said no.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What can go wrong when a file of weights is read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is something else.
    #[error("{origin} holds no weights: it is {found}; {advice}")]
    NotWeights {
        /// The file.
        origin: String,
        /// What it is.
        found: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// It cannot be read.
    #[error("cannot read the weights {origin}: {source}")]
    Read {
        /// The file.
        origin: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is damaged, or of a kind that is not known.
    #[error(
        "{origin} is not a readable PyTorch file: {reason}; check that the download is whole, or save the state dict again, as .safetensors if possible"
    )]
    BrokenPytorch {
        /// The file.
        origin: String,
        /// What the reader said.
        reason: String,
    },
    /// Its pickle calls something that no weights need.
    #[error(
        "{origin} asks for `{callable}` to be run, which no weights need: it was made to attack programs that load it. Nothing of it was run; delete the file"
    )]
    AsksForCode {
        /// The file.
        origin: String,
        /// Module and name.
        callable: String,
    },
    /// What it says it holds is out of proportion.
    #[error("{origin} is not a sound PyTorch file: {what} ({found}, at most {limit} can be)")]
    OutOfProportion {
        /// The file.
        origin: String,
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: u64,
        /// How much there may be.
        limit: u64,
    },
    /// A tensor's element type is not a floating-point one.
    #[error("{origin}: tensor `{key}` has element type {found}; expected F16, BF16, F32 or F64")]
    ElementType {
        /// The file.
        origin: String,
        /// The tensor.
        key: String,
        /// Its type.
        found: String,
    },
}

fn said(message: &Option<String>) -> String {
    match message {
        Some(message) => format!(", `{message}`"),
        None => String::new(),
    }
}

fn by_hand(url: &str, cache: &std::path::Path) -> String {
    let cache = cache.display();
    format!(
        "download {url} and pass it with --weights FILE, or copy the cache {cache} from another machine"
    )
}

fn by_hand_other(url: &str) -> String {
    format!("or download {url} elsewhere and pass it with --weights FILE")
}
