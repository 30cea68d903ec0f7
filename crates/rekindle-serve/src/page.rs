//! The page: one document with its style and script in it, so that nothing is fetched but the service's own routes. Owns its headers.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The document, and which of its parts a browser may run, by their hashes.
static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
    let document = HTML.replace("{style}", STYLE).replace("{script}", SCRIPT);
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action \
         'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    (document, policy)
});

/// The page as an answer.
pub(crate) fn response() -> Response {
    let (document, policy) = &*PAGE;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
    ];
    (headers, document.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_no_other_address_and_has_no_script_in_its_markup() {
        let (document, policy) = &*PAGE;
        for text in ["http://", "https://", "//cdn", " onclick=", " onload="] {
            assert!(!document.contains(text), "{text}");
        }
        assert!(!document.contains("{style}") && !document.contains("{script}"));
        assert!(!policy.contains("unsafe"), "{policy}");
        // What stands in the document is what was hashed.
        assert!(document.contains(&format!("<script>{SCRIPT}</script>")));
        assert!(document.contains(&format!("<style>{STYLE}</style>")));
    }
}
