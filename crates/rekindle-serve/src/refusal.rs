//! Why a request, or an image of it, gets no answer: the status, the words and when to come again.

use axum::http::header::{self, HeaderValue};
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Response};
use rekindle_augment::AugmentError;
use rekindle_model::ModelError;
use serde_json::json;

/// A request or an image that is refused. As an answer it is `{"error": "..."}` with the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// From 400 to 599.
    pub status: StatusCode,
    /// What was found, what was expected, and what to do.
    pub message: String,
    /// Seconds after which the client may come again.
    pub retry_after: Option<u64>,
}

/// Why a request was refused, kept beside the answer for the log.
#[derive(Debug, Clone)]
pub(crate) struct Reason(pub String);

impl Refusal {
    /// One with a status and words.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after: None,
        }
    }

    /// A request that is not as it should be: 400.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// More than is allowed: 413.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// No room for now: 503 with `Retry-After`.
    pub fn busy(message: impl Into<String>, seconds: u64) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: message.into(),
            retry_after: Some(seconds.max(1)),
        }
    }

    /// A mistake of the service: 500.
    pub fn own(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// What a model says against an image: 413 for one that is too large, 415 for content that is no image, 422 for a damaged one, in the
    /// words of `rekindle predict`; 500 for everything else.
    pub fn of(error: &ModelError) -> Self {
        let status = match error {
            ModelError::Augment(image) => match image {
                AugmentError::UnknownFormat { .. }
                | AugmentError::UnsupportedFormat { .. }
                | AugmentError::UnsupportedFeature { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                AugmentError::TooManyPixels { .. } | AugmentError::TooMuchMemory { .. } => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                AugmentError::Empty
                | AugmentError::Truncated { .. }
                | AugmentError::Corrupt { .. }
                | AugmentError::DecoderPanicked { .. }
                | AugmentError::NoPixels { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.message });
        let mut response = json_response(self.status, &body);
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        note(response.extensions_mut(), self.message);
        response
    }
}

/// Keeps why a request was refused for the log.
pub(crate) fn note(extensions: &mut Extensions, reason: String) {
    extensions.insert(Reason(reason));
}

/// An answer of JSON, which ends with a line end, as terminals like it.
pub(crate) fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_image_what_is_damaged_and_what_is_too_large_differ() {
        let decode = |bytes: &[u8]| {
            let error = rekindle_augment::decode(bytes, &Default::default()).unwrap_err();
            Refusal::of(&error.into())
        };
        let text = decode(b"no image at all");
        assert_eq!(text.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(
            text.message.contains("not a known image format"),
            "{text:?}"
        );
        assert_eq!(decode(b"").status, StatusCode::UNPROCESSABLE_ENTITY);
        let bomb = include_bytes!("../../../tests/data/bad/bomb.png");
        assert_eq!(decode(bomb).status, StatusCode::PAYLOAD_TOO_LARGE);
        let cut = include_bytes!("../../../tests/data/bad/truncated.jpg");
        assert_eq!(decode(cut).status, StatusCode::UNPROCESSABLE_ENTITY);
        let heic = include_bytes!("../../../tests/data/bad/heic_header.heic");
        assert_eq!(decode(heic).status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[test]
    fn who_is_to_come_again_is_told_when() {
        let response = Refusal::busy("full", 0).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
