//! Where the hub and its cache are, as Python's `huggingface_hub` reads the environment.

use std::path::PathBuf;
use std::time::Duration;

use super::HubFile;
use crate::HubError;

/// Where files come from and where they are kept.
#[derive(Clone)]
pub struct HubSettings {
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    /// The folder with `models--OWNER--REPO`.
    pub cache: PathBuf,
    /// What is sent to the endpoint, and to nobody else, to say who asks.
    pub token: Option<String>,
    /// Whether the network may not be used.
    pub offline: bool,
    /// How long a connection may say nothing.
    pub timeout: Duration,
    /// How often one thing is tried again without anything new coming.
    pub retries: u32,
    /// How long is waited before the first retry; twice as long before each further one.
    pub pause: Duration,
    /// The longest wait that a busy hub can ask for; one that asks for more is an error.
    pub patience: Duration,
}

/// Says all but the token.
impl std::fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubSettings")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("token", &self.token.as_ref().map(|_| "..."))
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

impl HubSettings {
    /// Settings with this endpoint and cache: online, without a token.
    pub fn new(endpoint: impl Into<String>, cache: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: endpoint.into().trim_end_matches('/').to_owned(),
            cache: cache.into(),
            token: None,
            offline: false,
            timeout: Duration::from_secs(30),
            retries: 5,
            pause: Duration::from_secs(1),
            patience: Duration::from_secs(120),
        }
    }

    /// What the environment says.
    ///
    /// # Errors
    ///
    /// As [`Self::from_variables`].
    pub fn from_environment() -> Result<Self, HubError> {
        Self::from_variables(&|name| std::env::var(name).ok())
    }

    /// What variables say, in Python's order: the cache is `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `$HF_HOME/hub`,
    /// `$XDG_CACHE_HOME/huggingface/hub` or `~/.cache/huggingface/hub`, with `~` and `$NAME` in them replaced; the token is `HF_TOKEN`,
    /// `HUGGING_FACE_HUB_TOKEN` or what stands in the file `HF_TOKEN_PATH` or `$HF_HOME/token`, trimmed, and none if
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set; the endpoint is `HF_ENDPOINT`; `HF_HUB_OFFLINE` and `TRANSFORMERS_OFFLINE` forbid the
    /// network; `HF_HUB_DOWNLOAD_TIMEOUT` is in seconds. A variable that is empty counts as one that is not set.
    ///
    /// # Errors
    ///
    /// No place for the cache is known, or a value cannot be used.
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let get = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let expanded = |name: &str| get(name).map(|value| expand(&value, variable));
        let home = expanded("HF_HOME")
            .map(PathBuf::from)
            .or_else(|| {
                expanded("XDG_CACHE_HOME").map(|cache| PathBuf::from(cache).join("huggingface"))
            })
            .or_else(|| {
                let home = get("HOME").or_else(|| get("USERPROFILE"))?;
                Some(PathBuf::from(home).join(".cache").join("huggingface"))
            });
        let cache = expanded("HF_HUB_CACHE")
            .or_else(|| expanded("HUGGINGFACE_HUB_CACHE"))
            .map(PathBuf::from)
            .or_else(|| home.as_ref().map(|home| home.join("hub")))
            .ok_or(HubError::NoCache)?;
        let endpoint = get("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let endpoint = endpoint.trim();
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(HubError::BadVariable {
                name: "HF_ENDPOINT",
                value: endpoint.to_owned(),
                reason: "expected an address that begins with https://",
            });
        }
        let mut settings = Self::new(endpoint, cache);
        let on = |name: &str| get(name).is_some_and(|value| is_true(&value));
        settings.offline = on("HF_HUB_OFFLINE") || on("TRANSFORMERS_OFFLINE");
        if let Some(value) = get("HF_HUB_DOWNLOAD_TIMEOUT") {
            let seconds = value
                .trim()
                .parse::<u64>()
                .ok()
                .filter(|seconds| *seconds > 0);
            settings.timeout = seconds
                .map(Duration::from_secs)
                .ok_or(HubError::BadVariable {
                    name: "HF_HUB_DOWNLOAD_TIMEOUT",
                    value,
                    reason: "expected whole seconds, at least 1",
                })?;
        }
        if !on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            let file = expanded("HF_TOKEN_PATH")
                .map(PathBuf::from)
                .or_else(|| home.map(|home| home.join("token")));
            settings.token = get("HF_TOKEN")
                .or_else(|| get("HUGGING_FACE_HUB_TOKEN"))
                // Most users have no such file.
                .or_else(|| std::fs::read_to_string(file?).ok())
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty());
        }
        if let Some(token) = &settings.token
            && !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(HubError::BadVariable {
                name: "HF_TOKEN",
                // Not said: logs are read by others.
                value: "..".into(),
                reason: "it has characters that no token has",
            });
        }
        Ok(settings)
    }

    /// Where a file can be downloaded.
    pub fn url(&self, file: &HubFile) -> String {
        format!(
            "{}/{}/resolve/{}/{}",
            self.endpoint,
            file.repository(),
            escape(file.revision(), false),
            escape(file.file(), true)
        )
    }
}

/// Python's own list.
fn is_true(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.trim().to_ascii_uppercase().as_str())
}

/// `~` at the beginning, `$NAME` and `${NAME}`; a name that is not set stays as it is, as in Python.
fn expand(value: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let (name, length) = match behind.strip_prefix('{') {
            Some(inner) => match inner.find('}') {
                Some(end) => (&inner[..end], end + 3),
                None => ("", 1),
            },
            None => {
                let end = behind
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(behind.len());
                (&behind[..end], end + 1)
            }
        };
        match variable(name).filter(|_| !name.is_empty()) {
            Some(found) => out.push_str(&found),
            None => out.push_str(&rest[at..at + length]),
        }
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    match out.strip_prefix('~') {
        Some(behind) if behind.is_empty() || behind.starts_with(['/', '\\']) => {
            let home = variable("HOME").or_else(|| variable("USERPROFILE"));
            home.map_or(out.clone(), |home| format!("{home}{behind}"))
        }
        _ => out,
    }
}

/// Percent-encodes what has a meaning in an address.
fn escape(text: &str, slashes: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        match plain || (slashes && byte == b'/') {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<HubSettings, HubError> {
        HubSettings::from_variables(&|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        let cache = |pairs: &[(&str, &str)]| of(pairs).unwrap().cache;
        assert_eq!(
            cache(&[("HOME", "/h")]),
            PathBuf::from("/h/.cache/huggingface/hub")
        );
        assert_eq!(
            cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]),
            PathBuf::from("/x/huggingface/hub")
        );
        assert_eq!(
            cache(&[("HOME", "/h"), ("HF_HOME", "~/hf")]),
            PathBuf::from("/h/hf/hub")
        );
        assert_eq!(
            cache(&[
                ("HOME", "/h"),
                ("D", "/d"),
                ("HF_HOME", "$D/${HOME}/$NONE/a")
            ]),
            PathBuf::from("/d//h/$NONE/a/hub")
        );
        assert_eq!(
            cache(&[("HF_HOME", "/a"), ("HF_HUB_CACHE", "/b")]),
            PathBuf::from("/b")
        );
        assert_eq!(
            cache(&[("HF_HOME", "/a"), ("HF_HUB_CACHE", " ")]),
            PathBuf::from("/a/hub")
        );
        assert!(matches!(of(&[]), Err(HubError::NoCache)));
    }

    #[test]
    fn a_token_is_trimmed_never_shown_and_refused_if_it_is_none() {
        let settings = of(&[("HOME", "/none"), ("HF_TOKEN", "hf_abc\n")]).unwrap();
        assert_eq!(settings.token.as_deref(), Some("hf_abc"));
        assert!(!format!("{settings:?}").contains("abc"));
        let error = of(&[("HOME", "/none"), ("HF_TOKEN", "hf abc")]).unwrap_err();
        assert!(!error.to_string().contains("abc"));
        let pairs = [
            ("HOME", "/none"),
            ("HF_TOKEN", "hf_abc"),
            ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"),
        ];
        assert_eq!(of(&pairs).unwrap().token, None);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(
            of(&[("HF_HOME", home)]).unwrap().token.as_deref(),
            Some("hf_file")
        );
    }

    #[test]
    fn offline_is_what_python_takes_for_true() {
        let offline = |value| {
            of(&[("HOME", "/h"), ("HF_HUB_OFFLINE", value)])
                .unwrap()
                .offline
        };
        assert!(["1", "on", "YES", "True"].into_iter().all(offline));
        assert!(!["0", "off", "", "no"].into_iter().any(offline));
        assert!(
            of(&[("HOME", "/h"), ("TRANSFORMERS_OFFLINE", "1")])
                .unwrap()
                .offline
        );
    }

    #[test]
    fn addresses_are_escaped_and_an_endpoint_must_be_one() {
        let settings = of(&[("HOME", "/h"), ("HF_ENDPOINT", "https://mirror.example/ ")]).unwrap();
        let file: HubFile = "hf://o/n@refs%2Fpr%2F1/a b/c.bin".parse().unwrap();
        assert_eq!(
            settings.url(&file),
            "https://mirror.example/o/n/resolve/refs%2Fpr%2F1/a%20b/c.bin"
        );
        assert!(of(&[("HOME", "/h"), ("HF_ENDPOINT", "mirror")]).is_err());
        assert!(of(&[("HOME", "/h"), ("HF_HUB_DOWNLOAD_TIMEOUT", "soon")]).is_err());
    }
}
