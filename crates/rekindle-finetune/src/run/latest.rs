//! `latest`, beside the runs of a folder: a link to the newest one.
//!
//! Owns its form and its way past what else may have that name: a link to a name in the same folder, or, where links are not possible, a
//! text file with that name in it. Anything else called `latest` is the user's and stays as it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The name of the link.
const LATEST: &str = "latest";

/// A `latest` that was pointed at a run, and what it pointed at before.
#[derive(Debug)]
pub struct Latest {
    link: PathBuf,
    previous: Option<String>,
}

impl Latest {
    /// Points the `latest` beside a run at it, in one step for whoever reads it. None where the name is taken by something else, or
    /// nothing can be written: a run does not depend on it.
    pub fn point_at(run: &Path) -> Option<Self> {
        let (folder, name) = (folder_of(run), run.file_name()?.to_str()?);
        let link = folder.join(LATEST);
        let previous = match link.symlink_metadata() {
            Err(_) => None,
            // Whatever is not ours stays.
            Ok(_) => Some(target(&link)?),
        };
        if name == LATEST {
            return None;
        }
        write(&link, name).ok()?;
        Some(Self { link, previous })
    }

    /// Takes it back for a run that came to nothing, unless another run has been pointed at since.
    pub fn take_back(self, run: &Path) {
        let name = run.file_name().and_then(|name| name.to_str());
        if target(&self.link).as_deref() != name {
            return;
        }
        let _ = match &self.previous {
            Some(previous) => write(&self.link, previous),
            None => fs::remove_file(&self.link),
        };
    }

    /// The run that a path means: itself, unless it is such a `latest`.
    pub fn follow(path: &Path) -> PathBuf {
        let is_latest = path.file_name().is_some_and(|name| name == LATEST);
        match is_latest.then(|| target(path)).flatten() {
            Some(name) => folder_of(path).join(name),
            None => path.to_path_buf(),
        }
    }

    /// Makes way for a run that is to be called `latest`.
    pub fn make_way(run: &Path) {
        let is_latest = run.file_name().is_some_and(|name| name == LATEST);
        if is_latest && target(run).is_some() {
            let _ = fs::remove_file(run);
        }
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// The name that a `latest` of ours points at; none for anything else.
fn target(link: &Path) -> Option<String> {
    let metadata = link.symlink_metadata().ok()?;
    let name = if metadata.is_symlink() {
        fs::read_link(link).ok()?.to_str()?.to_owned()
    } else if metadata.is_file() && metadata.len() < 4096 {
        let text = fs::read_to_string(link).ok()?;
        let name = text.strip_suffix('\n')?;
        // A file that merely has this name holds no name of a run.
        folder_of(link)
            .join(name)
            .is_dir()
            .then(|| name.to_owned())?
    } else {
        return None;
    };
    let mut parts = Path::new(&name).components();
    let is_name = matches!(parts.next(), Some(std::path::Component::Normal(_)));
    (is_name && parts.next().is_none() && name != LATEST).then_some(name)
}

/// Under a name of this process first, then renamed over the old one.
fn write(link: &Path, name: &str) -> io::Result<()> {
    let part = link.with_file_name(format!(".{LATEST}.{}.part", std::process::id()));
    let _ = fs::remove_file(&part);
    if link_to(name, &part).is_err() {
        fs::write(&part, format!("{name}\n"))?;
    }
    let renamed = fs::rename(&part, link);
    if renamed.is_err() {
        let _ = fs::remove_file(&part);
    }
    renamed
}

#[cfg(unix)]
fn link_to(name: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(name, link)
}

#[cfg(windows)]
fn link_to(name: &str, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_dir(name, link)
}

#[cfg(not(any(unix, windows)))]
fn link_to(_: &str, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        folder
    }

    #[test]
    fn it_follows_the_newest_run_and_goes_back_from_one_that_came_to_nothing() {
        let folder = runs(&["a-1", "a-2"]);
        let [first, second, latest] = ["a-1", "a-2", LATEST].map(|name| folder.path().join(name));
        assert_eq!(Latest::follow(&latest), latest);
        let none = Latest::point_at(&first).unwrap();
        assert_eq!(Latest::follow(&latest), first);
        none.take_back(&first);
        assert!(latest.symlink_metadata().is_err());
        Latest::point_at(&first).unwrap();
        let pointed = Latest::point_at(&second).unwrap();
        assert_eq!(Latest::follow(&latest), second);
        pointed.take_back(&second);
        assert_eq!(Latest::follow(&latest), first);
        // Nobody finds a half-written one.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_text_file_stands_for_a_link_where_there_are_none() {
        let folder = runs(&["a-1", "a-2"]);
        let latest = folder.path().join(LATEST);
        fs::write(&latest, "a-1\n").unwrap();
        assert_eq!(Latest::follow(&latest), folder.path().join("a-1"));
        Latest::point_at(&folder.path().join("a-2")).unwrap();
        assert_eq!(Latest::follow(&latest), folder.path().join("a-2"));
    }

    #[test]
    fn whatever_else_has_that_name_stays() {
        let folder = runs(&["a-1", LATEST]);
        let [run, latest] = ["a-1", LATEST].map(|name| folder.path().join(name));
        assert!(Latest::point_at(&run).is_none());
        Latest::make_way(&latest);
        assert!(latest.is_dir());
        fs::remove_dir(&latest).unwrap();
        fs::write(&latest, "my notes\n").unwrap();
        assert!(Latest::point_at(&run).is_none());
        assert_eq!(Latest::follow(&latest), latest);
        #[cfg(unix)]
        for elsewhere in ["../a-1", "/tmp", "latest"] {
            fs::remove_file(&latest).unwrap();
            link_to(elsewhere, &latest).unwrap();
            assert!(Latest::point_at(&run).is_none(), "{elsewhere}");
            assert_eq!(Latest::follow(&latest), latest);
        }
    }

    #[test]
    fn it_makes_way_for_a_run_of_that_name() {
        let folder = runs(&["a-1"]);
        let latest = folder.path().join(LATEST);
        Latest::point_at(&folder.path().join("a-1")).unwrap();
        Latest::make_way(&latest);
        assert!(latest.symlink_metadata().is_err());
        fs::create_dir(&latest).unwrap();
        assert!(Latest::point_at(&latest).is_none());
    }
}
