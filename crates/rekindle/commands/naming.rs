//! Names for what a command writes and the user has not named.

use std::path::Path;

/// The name of the folder of images, or of the file without its extension, a number and an ending: the first number that is free in
/// the directory.
pub fn free_name(directory: &Path, data: &Path, ending: &str) -> String {
    let whole = data.canonicalize().unwrap_or_else(|_| data.to_path_buf());
    let name = match whole.is_file() {
        true => whole.file_stem(),
        false => whole.file_name(),
    };
    let folder = name.map_or_else(|| "run".into(), |name| name.to_string_lossy());
    (1u64..)
        .map(|number| format!("{folder}-{number}{ending}"))
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
