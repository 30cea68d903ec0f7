//! One request to the hub: redirects, the token, and what a status means. What is asked for is `client.rs`'s.

use std::time::{Duration, SystemTime};

use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use super::{HubFile, HubSettings};
use crate::HubError;

/// More redirects than the hub's two or three are a circle.
const MOST_REDIRECTS: usize = 8;

/// What one try came to.
pub(super) enum Try<T> {
    Done(T),
    /// Worth another try, after so long if the server says it.
    Again(HubError, Option<Duration>),
}

/// Sends requests.
pub(super) struct Requests<'a> {
    settings: &'a HubSettings,
    agent: Agent,
}

impl<'a> Requests<'a> {
    pub(super) fn new(settings: &'a HubSettings) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here: the token goes to the endpoint alone, and the first answer's headers count.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("rekindle/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(settings.timeout))
            .timeout_recv_response(Some(settings.timeout))
            .timeout_per_read(Some(settings.timeout))
            .build();
        Self {
            settings,
            agent: config.into(),
        }
    }

    /// Sends a request and follows redirects; the answer's status is one of success, 416, or of a redirect that need not be followed.
    ///
    /// Of a HEAD, a redirect that says what the file is, is not followed: the host behind it knows no commit.
    pub(super) fn follow(
        &self,
        file: &HubFile,
        url: &str,
        from: Option<u64>,
        head: bool,
    ) -> Result<Try<Response<Body>>, HubError> {
        let mut at = url.to_owned();
        for _ in 0..MOST_REDIRECTS {
            let mut request = match head {
                true => self.agent.head(&at),
                false => self.agent.get(&at),
            };
            if let Some(token) = self
                .settings
                .token
                .as_deref()
                .filter(|_| is_same_host(&at, &self.settings.endpoint))
            {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            if let Some(from) = from.filter(|from| *from > 0) {
                request = request.header("range", format!("bytes={from}-"));
            }
            let response = match request.call() {
                Ok(response) => response,
                Err(error) => return Ok(Try::Again(unreachable(file, &at, &error), None)),
            };
            let status = response.status();
            if status.is_redirection() {
                let location = text(response.headers(), "location").map(str::to_owned);
                let location = location.ok_or_else(|| HubError::NotAHub {
                    url: at.clone(),
                    reason: format!("status {status} without a Location"),
                })?;
                let is_relative = location.starts_with('/') && !location.starts_with("//");
                if head && says(response.headers(), is_relative) {
                    return Ok(Try::Done(response));
                }
                at = join(&at, &location).ok_or_else(|| HubError::NotAHub {
                    url: at.clone(),
                    reason: "its Location is no address that may be followed".into(),
                })?;
                continue;
            }
            if status.is_success() || (status == 416 && !head) {
                return Ok(Try::Done(response));
            }
            let error = self.status(file, &at, &response);
            if !matches!(status.as_u16(), 408 | 429 | 500 | 502..=504) {
                return Err(error);
            }
            let wait = text(response.headers(), "retry-after").and_then(retry_after);
            return match wait {
                Some(wait) if wait > self.settings.patience => Err(HubError::Busy {
                    status: status.as_u16(),
                    seconds: wait.as_secs(),
                }),
                wait => Ok(Try::Again(error, wait)),
            };
        }
        Err(HubError::NotAHub {
            url: url.to_owned(),
            reason: "its redirects have no end".into(),
        })
    }

    /// What a status that is no success means.
    pub(super) fn status(&self, file: &HubFile, url: &str, response: &Response<Body>) -> HubError {
        let headers = response.headers();
        let code = text(headers, "x-error-code").unwrap_or_default();
        let message = text(headers, "x-error-message");
        let message = message.map(|message| {
            message
                .chars()
                .take(300)
                .filter(|c| !c.is_control())
                .collect()
        });
        let repository = file.repository().to_owned();
        let endpoint = self.settings.endpoint.clone();
        let status = response.status().as_u16();
        match (status, code) {
            (_, "RevisionNotFound") => HubError::NoRevision {
                repository,
                revision: file.revision().to_owned(),
                endpoint,
            },
            (_, "EntryNotFound") => HubError::NoFile {
                repository,
                file: file.file().to_owned(),
                revision: file.revision().to_owned(),
                endpoint,
            },
            // Without a token, the hub says 401 also of what is not there.
            (_, "RepoNotFound") | (401 | 404, "") => HubError::NoRepository {
                repository,
                endpoint,
                message,
            },
            (401 | 403, _) => HubError::NotAllowed {
                file: file.to_string(),
                repository,
                endpoint,
                status,
                message,
            },
            _ => HubError::Status {
                url: url.to_owned(),
                status,
                message,
            },
        }
    }
}

/// Whether a redirect says what the file is, so that the host behind it need not be asked. A relative one without a hash leads to
/// another name of the repository.
fn says(headers: &HeaderMap, is_relative: bool) -> bool {
    headers.contains_key("x-repo-commit") && (!is_relative || headers.contains_key("x-linked-etag"))
}

pub(super) fn unreachable(file: &HubFile, url: &str, reason: &dyn std::fmt::Display) -> HubError {
    HubError::Unreachable {
        file: file.to_string(),
        // Addresses behind a redirect are signed, and say who may fetch.
        url: url.split('?').next().unwrap_or(url).to_owned(),
        reason: reason.to_string(),
    }
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Seconds, or a date.
fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some((scheme, host))
}

fn is_same_host(url: &str, endpoint: &str) -> bool {
    let (a, b) = (origin(url), origin(endpoint));
    a.is_some()
        && a.map(|(scheme, host)| (scheme, host.to_ascii_lowercase()))
            == b.map(|(scheme, host)| (scheme, host.to_ascii_lowercase()))
}

/// Where a redirect leads. One from an encrypted address to an open one is not followed.
fn join(from: &str, location: &str) -> Option<String> {
    let (scheme, host) = origin(from)?;
    if let Some(rest) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    if location.starts_with('/') {
        return Some(format!("{scheme}://{host}{location}"));
    }
    match origin(location)? {
        ("https", _) => Some(location.to_owned()),
        ("http", _) if scheme == "http" => Some(location.to_owned()),
        _ => None,
    }
}
