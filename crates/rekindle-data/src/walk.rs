//! Lists the files under a folder in a fixed order, and counts what is left out.
//!
//! This file owns which names are images, which are hidden, and how links are followed; what the folders mean is `scan.rs`'s.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::extensions::{
    DICOM_WITHOUT_EXTENSION, IMAGE_EXTENSIONS, SCIENTIFIC_EXTENSIONS, UNSUPPORTED_EXTENSIONS,
};
use crate::{DataError, SkippedFiles};

/// Names that systems leave in folders, compared in lower case; names that begin with a dot are hidden as well.
const SYSTEM_NAMES: [&str; 6] = [
    "thumbs.db",
    "desktop.ini",
    "__macosx",
    "@eadir",
    "$recycle.bin",
    "system volume information",
];

/// The extension of NumPy's arrays.
const ARRAY: &str = "npy";

/// Whether a file is an array by its name, which may be an image.
pub(super) fn is_array(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case(ARRAY))
}

/// What a file is by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Image,
    Unsupported(String),
    Other(String),
}

pub(super) fn kind_of(name: &str) -> FileKind {
    let extension = match name.rsplit_once('.') {
        Some((_, extension)) => extension.to_lowercase(),
        None => return FileKind::Other("(no extension)".into()),
    };
    if IMAGE_EXTENSIONS.contains(&extension.as_str()) {
        FileKind::Image
    } else if UNSUPPORTED_EXTENSIONS.contains(&extension.as_str())
        || SCIENTIFIC_EXTENSIONS.contains(&extension.as_str())
    {
        FileKind::Unsupported(format!(".{extension}"))
    } else {
        FileKind::Other(format!(".{extension}"))
    }
}

/// Whether a file may be an image of a scanner by its name, which then has no extension, or ends in a number as the names of UIDs do.
fn may_be_dicom(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_none_or(|extension| extension.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a file is DICOM by its content.
fn is_dicom(path: &Path) -> bool {
    let mut start = [0; 132];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start.ends_with(b"DICM")
}

/// One name in a folder.
#[derive(Debug)]
pub(super) struct Entry {
    /// With signs in the place of what is not Unicode.
    pub name: String,
    /// As the system has it.
    file_name: OsString,
    pub is_directory: bool,
    is_link: bool,
}

/// A walk over one image folder.
#[derive(Debug)]
pub(super) struct Walk {
    root: PathBuf,
    pub skipped: SkippedFiles,
    /// Links, relative to the root, that lead back to a folder they lie in.
    pub link_cycles: Vec<PathBuf>,
}

impl Walk {
    /// Checks that `root` is a folder.
    pub fn new(root: &Path) -> Result<Self, DataError> {
        let path = root.to_path_buf();
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => Ok(Self {
                root: path,
                skipped: SkippedFiles::default(),
                link_cycles: Vec::new(),
            }),
            Ok(_) => Err(DataError::NotADirectory { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(DataError::FolderMissing { path })
            }
            Err(source) => Err(DataError::UnreadableDirectory { path, source }),
        }
    }

    /// The entries of a folder, sorted by the bytes of their names. Hidden ones are counted and left out.
    ///
    /// A file whose name is not Unicode is listed, and fails when it is read: one bad image does not end the work. A folder of such a name
    /// cannot be a class.
    pub fn entries(&mut self, relative: &Path) -> Result<Vec<Entry>, DataError> {
        let directory = self.root.join(relative);
        let unreadable = |source| DataError::UnreadableDirectory {
            path: directory.clone(),
            source,
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(&directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let file_name = entry.file_name();
            let name = file_name.to_string_lossy().into_owned();
            if name.starts_with('.') || SYSTEM_NAMES.contains(&name.to_lowercase().as_str()) {
                self.skipped.hidden += 1;
                continue;
            }
            let mut kind = entry.file_type().map_err(unreadable)?;
            let is_link = kind.is_symlink();
            if is_link && let Ok(target) = fs::metadata(entry.path()) {
                kind = target.file_type();
            }
            if kind.is_dir() && file_name.to_str().is_none() {
                return Err(DataError::NotUnicode { path: entry.path() });
            }
            // A broken link stays in the list: it is an image that cannot be read, which must not go unnoticed. Pipes and devices are
            // no files: opening one could wait for ever.
            if kind.is_dir() || kind.is_file() || kind.is_symlink() {
                entries.push(Entry {
                    name,
                    file_name,
                    is_directory: kind.is_dir(),
                    is_link,
                });
            } else {
                *self.skipped.other.entry("(not a file)".into()).or_default() += 1;
            }
        }
        entries.sort_unstable_by(|a, b| {
            a.file_name
                .as_encoded_bytes()
                .cmp(b.file_name.as_encoded_bytes())
        });
        Ok(entries)
    }

    /// The images in a folder and in the folders inside it, relative to the root, sorted name by name along the path.
    ///
    /// NumPy's arrays are images where there are no others: beside pictures they are masks or features of them, which are left out.
    pub fn images_under(&mut self, relative: &Path) -> Result<Vec<PathBuf>, DataError> {
        let (mut images, mut arrays) = (Vec::new(), Vec::new());
        self.descend(relative, false, &mut images, &mut arrays)?;
        if images.is_empty() {
            return Ok(arrays);
        }
        if !arrays.is_empty() {
            *self.skipped.other.entry(format!(".{ARRAY}")).or_default() += arrays.len();
        }
        Ok(images)
    }

    fn descend(
        &mut self,
        relative: &Path,
        through_link: bool,
        images: &mut Vec<PathBuf>,
        arrays: &mut Vec<PathBuf>,
    ) -> Result<(), DataError> {
        for entry in self.entries(relative)? {
            let path = relative.join(&entry.file_name);
            if entry.is_directory {
                let through_link = through_link || entry.is_link;
                if through_link && self.leads_back(&path) {
                    self.link_cycles.push(path);
                } else {
                    self.descend(&path, through_link, images, arrays)?;
                }
            } else if is_array(&entry.name) {
                arrays.push(path);
            } else if self.take_file(&path, &entry.name) {
                images.push(path);
            }
        }
        Ok(())
    }

    /// Whether a file is an image by its name; counts it as left out otherwise. Of one without extension the first bytes are looked at.
    pub fn take_file(&mut self, relative: &Path, name: &str) -> bool {
        let counts = match kind_of(name) {
            FileKind::Image => return true,
            FileKind::Unsupported(extension) => self.skipped.unsupported.entry(extension),
            FileKind::Other(_) if may_be_dicom(name) && is_dicom(&self.root.join(relative)) => self
                .skipped
                .unsupported
                .entry(DICOM_WITHOUT_EXTENSION.into()),
            FileKind::Other(extension) => self.skipped.other.entry(extension),
        };
        *counts.or_default() += 1;
        false
    }

    /// Whether a folder is the same as one of those it lies in.
    fn leads_back(&self, relative: &Path) -> bool {
        let Ok(target) = self.root.join(relative).canonicalize() else {
            return false;
        };
        relative.ancestors().skip(1).any(|ancestor| {
            self.root
                .join(ancestor)
                .canonicalize()
                .is_ok_and(|known| known == target)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_in_any_case() {
        assert_eq!(kind_of("a.JPG"), FileKind::Image);
        assert_eq!(kind_of("a.b.Tiff"), FileKind::Image);
        assert_eq!(kind_of("IMG_1.HEIC"), FileKind::Unsupported(".heic".into()));
        assert_eq!(kind_of("notes.txt"), FileKind::Other(".txt".into()));
        assert_eq!(kind_of("png"), FileKind::Other("(no extension)".into()));
    }

    #[test]
    fn arrays_are_images_where_there_are_no_others() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/1.npy", "a/2.NPY", "b/1.npy", "b/1.png"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        let mut walk = Walk::new(folder.path()).unwrap();
        let listed = |walk: &mut Walk, folder: &str| walk.images_under(Path::new(folder)).unwrap();
        assert_eq!(
            listed(&mut walk, "a"),
            ["a/1.npy", "a/2.NPY"].map(PathBuf::from)
        );
        assert_eq!(listed(&mut walk, "b"), [PathBuf::from("b/1.png")]);
        assert_eq!(walk.skipped.other[".npy"], 1);
    }

    #[test]
    fn hidden_and_system_names_are_counted_and_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".DS_Store", "Thumbs.db", "a.png", "b.txt", "c.heic"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        fs::create_dir(folder.path().join(".ipynb_checkpoints")).unwrap();
        fs::write(
            folder.path().join(".ipynb_checkpoints/a-checkpoint.png"),
            b"x",
        )
        .unwrap();
        fs::create_dir(folder.path().join("__MACOSX")).unwrap();
        let mut walk = Walk::new(folder.path()).unwrap();
        assert_eq!(
            walk.images_under(Path::new("")).unwrap(),
            [PathBuf::from("a.png")]
        );
        assert_eq!(walk.skipped.hidden, 4);
        assert_eq!(walk.skipped.other[".txt"], 1);
        assert_eq!(walk.skipped.unsupported[".heic"], 1);
    }

    #[test]
    fn files_of_scanners_are_known_without_an_extension() {
        let folder = tempfile::tempdir().unwrap();
        let dicom = [vec![0; 128], b"DICM".to_vec()].concat();
        for (name, bytes) in [
            ("IM000001", &dicom[..]),
            ("1.2.840.113619.2.5", &dicom),
            ("README", b"words"),
            ("notes.txt", &dicom),
            ("a.dcm", &dicom),
            ("1.5", b"words"),
        ] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let mut walk = Walk::new(folder.path()).unwrap();
        assert_eq!(
            walk.images_under(Path::new("")).unwrap(),
            [""; 0].map(PathBuf::from)
        );
        assert_eq!(walk.skipped.unsupported[DICOM_WITHOUT_EXTENSION], 2);
        assert_eq!(walk.skipped.unsupported[".dcm"], 1);
        assert_eq!(walk.skipped.other["(no extension)"], 1);
        let text = walk.skipped.to_string();
        assert!(
            text.contains("2 DICOM files without extension (not supported"),
            "{text}"
        );
    }

    #[test]
    fn images_come_sorted_name_by_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/inner")).unwrap();
        for name in [
            "c.png",
            "b/10.png",
            "b/2.png",
            "b/inner/a.png",
            "B.png",
            "b.png",
        ] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        let images = Walk::new(folder.path())
            .unwrap()
            .images_under(Path::new(""))
            .unwrap();
        let expected = [
            "B.png",
            "b/10.png",
            "b/2.png",
            "b/inner/a.png",
            "b.png",
            "c.png",
        ];
        assert_eq!(images, expected.map(PathBuf::from));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_cycles_end() {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("far.png"), b"x").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("near.png"), b"x").unwrap();
        symlink(outside.path(), folder.path().join("a/linked")).unwrap();
        symlink(folder.path(), inner.join("loop")).unwrap();
        symlink(folder.path().join("gone.png"), inner.join("broken.png")).unwrap();
        let mut walk = Walk::new(folder.path()).unwrap();
        let images = walk.images_under(Path::new("a")).unwrap();
        let expected = ["a/inner/broken.png", "a/inner/near.png", "a/linked/far.png"];
        assert_eq!(images, expected.map(PathBuf::from));
        assert_eq!(walk.link_cycles, [PathBuf::from("a/inner/loop")]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_name_that_is_not_unicode_is_a_bad_image_and_not_the_end() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
        for name in [odd, "a.png".as_ref()] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        let images = Walk::new(folder.path())
            .unwrap()
            .images_under(Path::new(""))
            .unwrap();
        assert_eq!(images, [PathBuf::from("a.png"), PathBuf::from(odd)]);
        let folder = crate::ImageFolder {
            root: folder.path().to_path_buf(),
            samples: images
                .into_iter()
                .map(|path| crate::Sample::file(path, 0, None))
                .collect(),
            ..crate::ImageFolder::default()
        };
        assert!(folder.read(&folder.samples[0]).is_ok());
        let error = folder.read(&folder.samples[1]).unwrap_err().to_string();
        assert!(error.contains("not valid Unicode"), "{error}");
    }

    #[test]
    fn what_is_not_a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        fs::write(&file, b"x").unwrap();
        assert!(matches!(
            Walk::new(&file),
            Err(DataError::NotADirectory { .. })
        ));
        assert!(matches!(
            Walk::new(&folder.path().join("none")),
            Err(DataError::FolderMissing { .. })
        ));
    }
}
