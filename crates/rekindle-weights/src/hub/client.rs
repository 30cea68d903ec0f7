//! Fetching: what a file is (HEAD), its bytes (GET, resumed where they were cut), the checks, and its place in the cache.
//!
//! Nothing is given a name in the cache before its size and its hash are right.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ureq::http::HeaderMap;

use super::digest::Kind;
use super::name::{is_commit, is_hexadecimal};
use super::request::{Requests, Try, text, unreachable};
use super::{Fetching, HubFile, HubSettings, cache};
use crate::HubError;

/// No file of text is larger.
const LARGEST_TEXT: u64 = 4 << 20;
/// No single file of weights of these networks is larger.
const LARGEST_FILE: u64 = 64 << 30;
/// How long another program may hold a file's lock.
const LONGEST_LOCK: Duration = Duration::from_secs(1800);

/// What the hub says of a file.
struct Facts {
    commit: String,
    etag: String,
    size: Option<u64>,
}

pub(super) struct Client<'a> {
    settings: &'a HubSettings,
    requests: Requests<'a>,
}

impl<'a> Client<'a> {
    pub(super) fn new(settings: &'a HubSettings) -> Self {
        Self {
            settings,
            requests: Requests::new(settings),
        }
    }

    pub(super) fn download(
        &self,
        file: &HubFile,
        sha256: Option<&str>,
        progress: &mut dyn FnMut(Fetching<'_>),
    ) -> Result<PathBuf, HubError> {
        let url = self.settings.url(file);
        let facts = self.again(file, progress, |_| self.facts(file, &url))?;
        if let (Some(card), Some(Kind::Sha256)) = (sha256, Kind::of(&facts.etag))
            && card != facts.etag
        {
            return Err(wrong_hash(file, &facts.etag, card, "its card"));
        }
        let cache = &self.settings.cache;
        let blob = cache::repository(cache, file)
            .join("blobs")
            .join(&facts.etag);
        cache::make_parent(&blob)?;
        let lock = cache
            .join(".locks")
            .join(cache::folder(file))
            .join(format!("{}.lock", facts.etag));
        cache::make_parent(&lock)?;
        let _lock = self.lock(file, &lock, progress)?;
        if !self.is_right(file, &facts, sha256, &blob)? {
            cache::remove_file(&blob)?;
            self.fill(file, &url, &facts, sha256, &blob, progress)?;
        }
        cache::place(cache, file, &facts.commit, &facts.etag)
    }

    /// Whether the blob is there and what it must be: another revision has the same file, or another program was faster.
    fn is_right(
        &self,
        file: &HubFile,
        facts: &Facts,
        sha256: Option<&str>,
        blob: &Path,
    ) -> Result<bool, HubError> {
        let Ok(metadata) = std::fs::metadata(blob) else {
            return Ok(false);
        };
        if facts.size.is_some_and(|size| size != metadata.len()) {
            return Ok(false);
        }
        Ok(check(file, blob, facts, sha256).is_ok())
    }

    /// Python's own lock, so that the two do not write the same file at once.
    fn lock(
        &self,
        file: &HubFile,
        path: &Path,
        progress: &mut dyn FnMut(Fetching<'_>),
    ) -> Result<File, HubError> {
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path);
        let lock = open.map_err(cache::io_error("write", path))?;
        let since = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                // File systems without locks: the hash is checked all the same.
                Err(TryLockError::Error(_)) => return Ok(lock),
                Err(TryLockError::WouldBlock) if since.elapsed() > LONGEST_LOCK => {
                    return Err(HubError::Locked {
                        file: file.to_string(),
                        lock: path.to_owned(),
                        seconds: since.elapsed().as_secs(),
                    });
                }
                Err(TryLockError::WouldBlock) => {
                    progress(Fetching {
                        file: file.file(),
                        done: 0,
                        total: None,
                        waiting: Some("another program is fetching it"),
                    });
                    sleep(Duration::from_millis(200));
                }
            }
        }
    }

    /// Tries until it is done, or nothing new has come so many times.
    fn again<T>(
        &self,
        file: &HubFile,
        progress: &mut dyn FnMut(Fetching<'_>),
        mut step: impl FnMut(&mut dyn FnMut(Fetching<'_>)) -> Result<(Try<T>, u64), HubError>,
    ) -> Result<T, HubError> {
        let (mut failures, mut most) = (0, 0);
        loop {
            let (error, wait, here) = match step(progress)? {
                (Try::Done(value), _) => return Ok(value),
                (Try::Again(error, wait), here) => (error, wait, here),
            };
            if here > most {
                (failures, most) = (0, here);
            }
            failures += 1;
            if failures > self.settings.retries {
                return Err(error);
            }
            let wait = wait.unwrap_or(self.settings.pause * 2_u32.saturating_pow(failures - 1));
            let reason = error.to_string();
            progress(Fetching {
                file: file.file(),
                done: here,
                total: None,
                waiting: Some(&reason),
            });
            sleep(wait.min(self.settings.patience));
        }
    }

    /// Commit, etag and size, from a HEAD.
    fn facts(&self, file: &HubFile, url: &str) -> Result<(Try<Facts>, u64), HubError> {
        let response = match self.requests.follow(file, url, None, true)? {
            Try::Done(response) => response,
            Try::Again(error, wait) => return Ok((Try::Again(error, wait), 0)),
        };
        let headers = response.headers();
        let not = |reason: &str| HubError::NotAHub {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        let commit = match text(headers, "x-repo-commit") {
            Some(commit) if is_commit(commit) => commit.to_owned(),
            Some(_) => return Err(not("its X-Repo-Commit is no commit")),
            None if is_commit(file.revision()) => file.revision().to_owned(),
            None => return Err(not("its answer has no X-Repo-Commit")),
        };
        let etag = text(headers, "x-linked-etag").or_else(|| text(headers, "etag"));
        let etag = etag.ok_or_else(|| not("its answer has no ETag"))?;
        let etag = etag.trim_start_matches("W/").trim_matches('"');
        // It becomes the name of a file.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=128).contains(&etag.len()) || !etag.bytes().all(plain) {
            return Err(not("its ETag cannot be the name of a file"));
        }
        let size = match text(headers, "x-linked-size").or_else(|| text(headers, "content-length"))
        {
            Some(size)
                if !response.status().is_redirection() || headers.contains_key("x-linked-size") =>
            {
                Some(
                    size.trim()
                        .parse()
                        .map_err(|_| not("the size it says is no number"))?,
                )
            }
            _ => None,
        };
        self.check_size(file, size)?;
        Ok((
            Try::Done(Facts {
                commit,
                etag: etag.to_owned(),
                size,
            }),
            0,
        ))
    }

    fn check_size(&self, file: &HubFile, size: Option<u64>) -> Result<u64, HubError> {
        let limit = match file.file().ends_with(".json") {
            true => LARGEST_TEXT,
            false => LARGEST_FILE,
        };
        match size {
            Some(size) if size > limit => Err(HubError::WrongSize {
                file: file.to_string(),
                found: size,
                expected: limit,
            }),
            _ => Ok(limit),
        }
    }

    /// Fetches the bytes into `ETAG.incomplete`, checks them, and gives them their name.
    fn fill(
        &self,
        file: &HubFile,
        url: &str,
        facts: &Facts,
        sha256: Option<&str>,
        blob: &Path,
        progress: &mut dyn FnMut(Fetching<'_>),
    ) -> Result<(), HubError> {
        if facts.size.is_none() && sha256.is_none() && Kind::of(&facts.etag).is_none() {
            return Err(HubError::Unverifiable {
                file: file.to_string(),
                url: url.to_owned(),
            });
        }
        let part = blob.with_file_name(format!("{}.incomplete", facts.etag));
        // A part from an earlier time may be of anything: if the whole is wrong with it, all is fetched once more.
        let mut resumed = std::fs::metadata(&part).is_ok_and(|metadata| metadata.len() > 0);
        loop {
            self.again(file, progress, |progress| {
                self.bytes(file, url, facts, &part, progress)
            })?;
            match check(file, &part, facts, sha256) {
                Ok(()) => break,
                Err(error) => {
                    cache::remove_file(&part)?;
                    if !std::mem::take(&mut resumed) {
                        return Err(error);
                    }
                }
            }
        }
        std::fs::rename(&part, blob).map_err(cache::io_error("write", blob))
    }

    /// One GET, from where the part ends.
    fn bytes(
        &self,
        file: &HubFile,
        url: &str,
        facts: &Facts,
        part: &Path,
        progress: &mut dyn FnMut(Fetching<'_>),
    ) -> Result<(Try<()>, u64), HubError> {
        let io = || cache::io_error("write", part);
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(part);
        let mut out = open.map_err(io())?;
        let mut here = out.metadata().map_err(io())?.len();
        if facts.size.is_some_and(|size| here > size) {
            here = 0;
        }
        if here > 0 && facts.size == Some(here) {
            return Ok((Try::Done(()), here));
        }
        let mut response = match self.requests.follow(file, url, Some(here), false)? {
            Try::Done(response) => response,
            Try::Again(error, wait) => return Ok((Try::Again(error, wait), here)),
        };
        let status = response.status().as_u16();
        if status == 416 {
            // The part is not one of this file.
            out.set_len(0).map_err(io())?;
            let error = self.requests.status(file, url, &response);
            return Ok((Try::Again(error, Some(Duration::ZERO)), 0));
        }
        let start = match (status, range(response.headers())) {
            (206, Some((start, total)))
                if start == here
                    && (total.is_none() || facts.size.is_none() || total == facts.size) =>
            {
                here
            }
            (206, found) => {
                out.set_len(0).map_err(io())?;
                let reason = format!("asked for bytes from {here} on, it gives {found:?}");
                let url = url.to_owned();
                return Ok((Try::Again(HubError::NotAHub { url, reason }, None), 0));
            }
            _ => 0,
        };
        let said = response
            .body()
            .content_length()
            .map(|length| start + length);
        if let (Some(found), Some(expected)) = (said, facts.size)
            && found != expected
        {
            out.set_len(0).map_err(io())?;
            let file = file.to_string();
            return Err(HubError::WrongSize {
                file,
                found,
                expected,
            });
        }
        let is_page = text(response.headers(), "content-type")
            .is_some_and(|kind| kind.starts_with("text/html"));
        if is_page && !file.file().ends_with(".html") {
            out.set_len(0).map_err(io())?;
            return Err(HubError::NotAHub {
                url: url.to_owned(),
                reason: "it gives a web page in place of the file".into(),
            });
        }
        let total = facts.size.or(said);
        let limit = self.check_size(file, total)?;
        out.set_len(start).map_err(io())?;
        out.seek(SeekFrom::Start(start)).map_err(io())?;
        here = start;
        let mut reader = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(read) => read,
                Err(error) => return Ok((Try::Again(unreachable(file, url, &error), None), here)),
            };
            if read == 0 {
                break;
            }
            here += read as u64;
            if here > total.unwrap_or(limit) {
                out.set_len(0).map_err(io())?;
                return Err(HubError::WrongSize {
                    file: file.to_string(),
                    found: here,
                    expected: total.unwrap_or(limit),
                });
            }
            out.write_all(&buffer[..read]).map_err(io())?;
            progress(Fetching {
                file: file.file(),
                done: here,
                total,
                waiting: None,
            });
        }
        match total {
            Some(total) if here < total => {
                let cut = format!("the connection was cut after {here} of {total} bytes");
                Ok((Try::Again(unreachable(file, url, &cut), None), here))
            }
            _ => {
                out.sync_all().map_err(io())?;
                Ok((Try::Done(()), here))
            }
        }
    }
}

/// Compares a whole file with its size and hashes.
fn check(file: &HubFile, path: &Path, facts: &Facts, sha256: Option<&str>) -> Result<(), HubError> {
    let found = std::fs::metadata(path)
        .map_err(cache::io_error("read", path))?
        .len();
    if let Some(expected) = facts.size
        && found != expected
    {
        let file = file.to_string();
        return Err(HubError::WrongSize {
            file,
            found,
            expected,
        });
    }
    if let Some(kind) = Kind::of(&facts.etag) {
        let found = kind.digest(path)?;
        if found != facts.etag {
            return Err(wrong_hash(file, &found, &facts.etag, "the hub"));
        }
        if kind == Kind::Sha256 {
            // The card's was compared before.
            return Ok(());
        }
    }
    if let Some(card) = sha256.filter(|hash| hash.len() == 64 && is_hexadecimal(hash)) {
        let found = Kind::Sha256.digest(path)?;
        if found != card {
            return Err(wrong_hash(file, &found, card, "its card"));
        }
    }
    Ok(())
}

fn wrong_hash(file: &HubFile, found: &str, expected: &str, whose: &'static str) -> HubError {
    HubError::WrongHash {
        file: file.to_string(),
        found: found.to_owned(),
        expected: expected.to_owned(),
        whose,
    }
}

/// First byte and total of a Content-Range.
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let value = text(headers, "content-range")?.strip_prefix("bytes ")?;
    let (range, total) = value.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}
