//! Names for what a command writes and the user has not named.

use std::path::Path;

/// What names of data begin with: the name of the folder of images, or of the file without its extension.
pub fn stem(data: &Path) -> String {
    let whole = data.canonicalize().unwrap_or_else(|_| data.to_path_buf());
    let name = match whole.is_file() {
        true => whole.file_stem(),
        false => whole.file_name(),
    };
    name.map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned())
}

/// The stem of the data, a number and an ending: the first number that is free in the directory.
pub fn free_name(directory: &Path, data: &Path, ending: &str) -> String {
    let stem = stem(data);
    (1u64..)
        .map(|number| format!("{stem}-{number}{ending}"))
        .find(|name| !directory.join(name).exists())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_number_is_taken() {
        let free = |ending| free_name(Path::new("no such folder"), Path::new("photos/"), ending);
        assert_eq!(free(""), "photos-1");
        assert_eq!(free("-preview.png"), "photos-1-preview.png");
    }
}
