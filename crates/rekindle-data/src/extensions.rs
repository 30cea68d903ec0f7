//! Which names of files are those of images.

/// File name extensions taken for images, in lower case; upper case counts as well. The content decides the format when it is read.
pub const IMAGE_EXTENSIONS: [&str; 14] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm",
    "pnm",
];

/// Extensions of image formats that cannot be decoded: they are counted apart, so that the reader learns what to convert.
pub const UNSUPPORTED_EXTENSIONS: [&str; 7] = ["heic", "heif", "avif", "jxl", "jp2", "psd", "svg"];

/// `jpg, jpeg, ...`: the supported extensions, for messages.
pub(crate) fn supported() -> String {
    IMAGE_EXTENSIONS.join(", ")
}
