//! docs/settings.md says what the sources say: every setting with its type, choices, default and documentation.
//!
//! `REKINDLE_WRITE_DOCS=1 cargo test --test settings` writes the page anew.

mod page;
mod source;

use std::path::Path;

#[test]
fn the_page_of_settings_says_what_the_sources_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut types = std::collections::BTreeMap::new();
    for name in [
        "kernels", "augment", "backbone", "data", "head", "model", "finetune",
    ] {
        types.extend(source::types(
            &root.join(format!("crates/rekindle-{name}/src")),
        ));
    }
    let expected = page::page(&types);
    let path = root.join("docs/settings.md");
    if std::env::var_os("REKINDLE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(
            found, expected,
            "REKINDLE_WRITE_DOCS=1 cargo test --test settings"
        );
    }
    assert_eq!(
        found.len(),
        expected.len(),
        "REKINDLE_WRITE_DOCS=1 cargo test --test settings"
    );
}
