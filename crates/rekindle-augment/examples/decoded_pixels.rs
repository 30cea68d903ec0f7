//! Decodes the files that are named on standard input, one a line, for a comparison with other decoders.
//!
//! ```text
//! ls folder/* | cargo run -p rekindle-augment --example decoded_pixels
//! ```
//!
//! Of each file it prints the name, a tab, and `WIDTH HEIGHT` or `! ERROR`; the pixels of `FILE` go to `FILE.rgb`, three bytes each.
//! `tests/compare_decoders.py` makes thousands of files, and compares.

use std::io::{BufRead, Write};

use rekindle_augment::{DecodeLimits, decode};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut output = std::io::stdout().lock();
    for path in std::io::stdin().lock().lines() {
        let path = path?;
        match decode(&std::fs::read(&path)?, &DecodeLimits::default()) {
            Ok(decoded) => {
                let (width, height) = decoded.image.dimensions();
                std::fs::write(format!("{path}.rgb"), decoded.image.as_raw())?;
                writeln!(output, "{path}\t{width} {height}")?;
            }
            Err(error) => writeln!(output, "{path}\t! {error}")?,
        }
    }
    Ok(())
}
