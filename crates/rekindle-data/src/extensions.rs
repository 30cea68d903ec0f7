//! Which names of files are those of images.

/// File name extensions taken for images, in lower case; upper case counts as well. The content decides the format when it is read.
pub const IMAGE_EXTENSIONS: [&str; 14] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm",
    "pnm",
];

/// Extensions of image formats that cannot be decoded: they are counted apart, so that the reader learns what to convert.
pub const UNSUPPORTED_EXTENSIONS: [&str; 7] = ["heic", "heif", "avif", "jxl", "jp2", "psd", "svg"];

/// Extensions of files of instruments and of tables, which may hold pictures and are not decoded: counted apart, too.
pub const SCIENTIFIC_EXTENSIONS: [&str; 10] = [
    "dcm", "dicom", "fits", "fts", "nii", "h5", "hdf5", "npz", "parquet", "arrow",
];

/// What DICOM files are counted as that have no extension, as scanners write them.
pub(crate) const DICOM_WITHOUT_EXTENSION: &str = "DICOM files without extension";

/// Whether files are counted so, with a dot or as words, whose numbers one range has to go for.
pub(crate) fn is_scientific(counted_as: &str) -> bool {
    counted_as == DICOM_WITHOUT_EXTENSION
        || counted_as
            .strip_prefix('.')
            .is_some_and(|extension| SCIENTIFIC_EXTENSIONS.contains(&extension))
}

/// `jpg, jpeg, ...`: the supported extensions, for messages.
pub(crate) fn supported() -> String {
    IMAGE_EXTENSIONS.join(", ")
}
