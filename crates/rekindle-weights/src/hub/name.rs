//! Names of files on the hub, and what makes one safe: no part of it may lead out of the cache's own folder.

use std::fmt;
use std::str::FromStr;

use crate::HubError;

/// A file of a repository at a revision: `hf://OWNER/REPO[@REVISION][/FILE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    repository: String,
    revision: String,
    file: String,
}

/// What is fetched where no file is named.
const DEFAULT_FILE: &str = "model.safetensors";

impl HubFile {
    /// A file of a repository `OWNER/REPO`; without a revision `main`.
    ///
    /// # Errors
    ///
    /// A part is not one that the hub has, or could lead out of the cache.
    pub fn new(repository: &str, revision: Option<&str>, file: &str) -> Result<Self, HubError> {
        let revision = revision.unwrap_or("main");
        let bad = |reason| HubError::BadName {
            text: format!("{repository}@{revision}/{file}"),
            reason,
        };
        let (owner, name) = repository
            .split_once('/')
            .ok_or_else(|| bad("it has no owner before the repository's name"))?;
        if !is_repository_part(owner) || !is_repository_part(name) {
            return Err(bad(
                "owner and repository consist of letters, digits, `-`, `_` and `.`, which do not stand twice or at an end",
            ));
        }
        if !is_relative(revision) {
            return Err(bad("its revision is no branch, tag or commit"));
        }
        if !is_relative(file) {
            return Err(bad("its file is no path within a repository"));
        }
        Ok(Self {
            repository: repository.to_owned(),
            revision: revision.to_owned(),
            file: file.to_owned(),
        })
    }

    /// Whether a text is meant as a file on the hub.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("hf://") || text.starts_with("hf-hub:")
    }

    /// `OWNER/REPO`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Branch, tag or commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The path in the repository.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Another file of the same repository and revision.
    ///
    /// # Errors
    ///
    /// The path could lead out of the cache.
    pub fn sibling(&self, file: &str) -> Result<Self, HubError> {
        Self::new(&self.repository, Some(&self.revision), file)
    }

    /// Whether no file was named and the usual one is meant.
    pub fn is_default_file(&self) -> bool {
        self.file == DEFAULT_FILE
    }
}

impl FromStr for HubFile {
    type Err = HubError;

    /// Parses `hf://OWNER/REPO[@REVISION][/FILE]`, or timm's `hf-hub:OWNER/REPO[@REVISION]`. A revision with a slash (`refs/pr/1`) has it
    /// as `%2F`.
    fn from_str(text: &str) -> Result<Self, HubError> {
        let bad = |reason| HubError::BadName {
            text: text.to_owned(),
            reason,
        };
        let rest = text
            .strip_prefix("hf://")
            .or_else(|| text.strip_prefix("hf-hub:"))
            .ok_or_else(|| bad("it does not begin with hf://"))?;
        let mut parts = rest.splitn(3, '/');
        let owner = parts.next().unwrap_or_default();
        let name = parts
            .next()
            .ok_or_else(|| bad("it has no owner before the repository's name"))?;
        let (name, revision) = match name.split_once('@') {
            Some((name, revision)) => {
                (name, Some(revision.replace("%2F", "/").replace("%2f", "/")))
            }
            None => (name, None),
        };
        let file = parts.next().unwrap_or(DEFAULT_FILE);
        Self::new(&format!("{owner}/{name}"), revision.as_deref(), file).map_err(
            |error| match error {
                HubError::BadName { reason, .. } => bad(reason),
                other => other,
            },
        )
    }
}

impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf://{}", self.repository)?;
        if self.revision != "main" {
            write!(f, "@{}", self.revision.replace('/', "%2F"))?;
        }
        write!(f, "/{}", self.file)
    }
}

/// The hub's own rule: at most 96 of these characters, no `--` (which the cache's folders use), no `..`, none of `-.` at an end.
fn is_repository_part(part: &str) -> bool {
    (1..=96).contains(&part.len())
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !part.contains("--")
        && !part.contains("..")
        && !part.starts_with(['-', '.'])
        && !part.ends_with(['-', '.'])
}

/// A path of plain names: relative, without `..`, without what Windows or a URL reads otherwise.
fn is_relative(path: &str) -> bool {
    path.len() <= 512
        && path.split('/').all(|name| {
            !name.is_empty()
                && name.len() <= 255
                && !name.chars().all(|character| character == '.')
                && !name.ends_with(['.', ' '])
                && name
                    .chars()
                    .all(|character| !character.is_control() && !"\\:*?\"<>|%#".contains(character))
        })
}

/// Whether it is a commit: 40 hexadecimal digits, small.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && is_hexadecimal(text)
}

pub(super) fn is_hexadecimal(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_owner_and_repository_and_perhaps_revision_and_file() {
        let parts = |text: &str| {
            let file: HubFile = text.parse().unwrap();
            [file.repository(), file.revision(), file.file()].map(str::to_owned)
        };
        assert_eq!(
            parts("hf://timm/resnet50.a1_in1k"),
            ["timm/resnet50.a1_in1k", "main", "model.safetensors"]
        );
        assert_eq!(parts("hf://o/n@v1.0/a/b.bin"), ["o/n", "v1.0", "a/b.bin"]);
        assert_eq!(
            parts("hf://o/n@refs%2Fpr%2F1"),
            ["o/n", "refs/pr/1", "model.safetensors"]
        );
        assert_eq!(parts("hf-hub:timm/vgg11.tv_in1k")[0], "timm/vgg11.tv_in1k");
        let file: HubFile = "hf://o/n@refs%2Fpr%2F1/a.bin".parse().unwrap();
        assert_eq!(file.to_string().parse::<HubFile>().unwrap(), file);
    }

    #[test]
    fn no_name_leads_out_of_the_cache() {
        for text in [
            "timm/resnet50",
            "hf://",
            "hf://o",
            "hf://o/",
            "hf:///n",
            "hf://../n",
            "hf://o/..",
            "hf://o/a--b",
            "hf://o/n/../x",
            "hf://o/n/./x",
            "hf://o/n//x",
            "hf://o/n/",
            "hf://o/n/a\\b",
            "hf://o/n/C:x",
            "hf://o/n@../main",
            "hf://o/n@",
            "hf://o/n@a%2F..%2Fb",
            "hf://o/n@/etc/passwd",
            "hf://o/n/%2e%2e/x",
            "hf://o/n/a\nb",
            "hf://o/n/...",
            "hf://o/n/a?b=c",
            "hf://o/n/a#b",
            "hf://-o/n",
            "hf://o n/x",
            "hf://o@evil.com/n",
        ] {
            assert!(text.parse::<HubFile>().is_err(), "{text}");
        }
        assert!("hf://o/n/a/".parse::<HubFile>().is_err());
        let long = format!("hf://o/{}", "n".repeat(97));
        assert!(long.parse::<HubFile>().is_err());
    }
}
