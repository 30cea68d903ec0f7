//! The images of a request: its body itself, parts of a form, or base64 in JSON.

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, header};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::{Picture, Refusal};

/// How the images of a request are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The body is an image.
    Raw,
    /// `multipart/form-data`, as browsers and `curl -F` send.
    Multipart,
    /// JSON with base64.
    Json,
}

fn form(headers: &HeaderMap) -> Form {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "multipart/form-data" => Form::Multipart,
        "application/json" => Form::Json,
        // The format is found from the content, so that what else it is called does not matter; `curl --data-binary` calls it a form.
        _ => Form::Raw,
    }
}

/// The images of a request, at most `most`, and whether they are named one by one.
///
/// # Errors
///
/// The body is not what its content type says, holds no image or too many.
pub(crate) async fn pictures(
    parts: Parts,
    body: Bytes,
    most: usize,
) -> Result<Vec<Picture>, Refusal> {
    let pictures = match form(&parts.headers) {
        Form::Raw => vec![Picture {
            name: None,
            bytes: body,
        }],
        Form::Multipart => {
            let mut request = Request::from_parts(parts, Body::from(body));
            // The whole body is here and within its own limit.
            DefaultBodyLimit::disable().apply(&mut request);
            of_form(request, most).await?
        }
        Form::Json => {
            let read = tokio::task::spawn_blocking(move || of_json(&body, most));
            read.await
                .unwrap_or_else(|_| Err(Refusal::own("reading the JSON failed")))?
        }
    };
    match pictures.is_empty() {
        true => Err(Refusal::malformed(
            "the request holds no image; send one as the body, in a form or in JSON",
        )),
        false => Ok(pictures),
    }
}

fn too_many(most: usize) -> Refusal {
    Refusal::too_large(format!(
        "the request has more than {most} images; send them in several requests"
    ))
}

async fn of_form(request: Request<Body>, most: usize) -> Result<Vec<Picture>, Refusal> {
    let unreadable = |reason: String| {
        Refusal::malformed(format!(
            "the body is not the form that its content type says: {reason}"
        ))
    };
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| unreadable(error.body_text()))?;
    let mut pictures = Vec::new();
    loop {
        let field = form.next_field().await;
        let Some(field) = field.map_err(|error| unreadable(error.body_text()))? else {
            return Ok(pictures);
        };
        let Some(name) = field.file_name().map(str::to_owned) else {
            let name = field.name().unwrap_or_default().to_owned();
            return Err(Refusal::malformed(format!(
                "the form's field {name:?} is no file; send images as files, and `top` or `threshold` behind the `?` of the address"
            )));
        };
        if pictures.len() == most {
            return Err(too_many(most));
        }
        let bytes = field.bytes().await;
        pictures.push(Picture {
            name: Some(name).filter(|name| !name.is_empty()),
            bytes: bytes.map_err(|error| unreadable(error.body_text()))?,
        });
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    image: Option<Entry>,
    images: Option<Vec<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Entry {
    Plain(String),
    Named(Named),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: Option<String>,
    data: String,
}

fn of_json(body: &[u8], most: usize) -> Result<Vec<Picture>, Refusal> {
    let document: Document = serde_json::from_slice(body).map_err(|error| {
        Refusal::malformed(format!(
            "the JSON cannot be read: {error}; expected {{\"image\": \"BASE64\"}}, or {{\"images\": [..]}} of such texts or of \
             {{\"name\": \"cat.jpg\", \"data\": \"BASE64\"}}"
        ))
    })?;
    let entries: Vec<Entry> = match (document.image, document.images) {
        (Some(_), Some(_)) => {
            return Err(Refusal::malformed(
                "the JSON has both `image` and `images`; leave one out",
            ));
        }
        (image, images) => image
            .into_iter()
            .chain(images.into_iter().flatten())
            .collect(),
    };
    if entries.len() > most {
        return Err(too_many(most));
    }
    let picture = |(place, entry): (usize, Entry)| {
        let (name, data) = match entry {
            Entry::Plain(data) => (None, data),
            Entry::Named(named) => (named.name, named.data),
        };
        let bytes = bytes_of(&data).map_err(|error| {
            Refusal::malformed(format!("image {place} (from 0) is not base64: {error}"))
        })?;
        Ok(Picture {
            name,
            bytes: bytes.into(),
        })
    };
    entries.into_iter().enumerate().map(picture).collect()
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The bytes of a base64 text: of both alphabets, padded or not, in lines or not, alone or in a `data:` address.
fn bytes_of(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    let data = match text
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"))
    {
        Some((_, data)) => data,
        None => text,
    };
    let mut dense = std::borrow::Cow::Borrowed(data.as_bytes());
    if dense.iter().any(u8::is_ascii_whitespace) {
        dense.to_mut().retain(|byte| !byte.is_ascii_whitespace());
    }
    let is_url_safe = dense.iter().any(|byte| b"-_".contains(byte));
    match is_url_safe {
        true => URL_SAFE.decode(&dense),
        false => STANDARD.decode(&dense),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> String {
        let refusal = of_json(json.as_bytes(), 2).unwrap_err();
        assert!(refusal.status.is_client_error());
        refusal.message
    }

    #[test]
    fn base64_is_read_as_it_is_written_anywhere() {
        for text in [
            "/+8Av78=",
            "/+8Av78",
            "_-8Av78",
            "_-8Av78=",
            "/+8A\nv78=\n",
            "data:image/png;base64,/+8Av78=",
        ] {
            assert_eq!(bytes_of(text).unwrap(), [255, 239, 0, 191, 191], "{text}");
        }
        assert!(bytes_of("no base64!").is_err());
        assert_eq!(bytes_of("").unwrap(), [0; 0]);
    }

    #[test]
    fn json_holds_one_image_or_several_named_or_not() {
        let read = |json: &str| of_json(json.as_bytes(), 2).unwrap();
        assert_eq!(read(r#"{"image": "AAA="}"#)[0].bytes[..], [0, 0]);
        let two = read(r#"{"images": ["AA", {"name": "a.png", "data": "AAA="}]}"#);
        assert_eq!(two.len(), 2);
        assert_eq!(two[0].name, None);
        assert_eq!(two[1].name.as_deref(), Some("a.png"));
        assert!(read(r#"{"images": []}"#).is_empty());
    }

    #[test]
    fn what_is_wrong_with_json_is_named() {
        assert!(error("{").contains("cannot be read"));
        assert!(error(r#"{"picture": "AA"}"#).contains("picture"));
        assert!(error(r#"{"image": "AA", "images": []}"#).contains("both"));
        assert!(error(r#"{"images": ["AA", "!"]}"#).contains("image 1"));
        assert!(error(r#"{"images": ["AA", "AA", "AA"]}"#).contains("more than 2 images"));
    }

    #[test]
    fn the_content_type_says_how_images_are_written() {
        let of = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            form(&headers)
        };
        assert_eq!(of("multipart/form-data; boundary=x"), Form::Multipart);
        assert_eq!(of("Application/JSON; charset=utf-8"), Form::Json);
        assert_eq!(of("image/jpeg"), Form::Raw);
        assert_eq!(of("application/x-www-form-urlencoded"), Form::Raw);
        assert_eq!(form(&HeaderMap::new()), Form::Raw);
    }
}
