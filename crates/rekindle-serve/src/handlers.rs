//! What each route does. Owns the way from a request to its answer; the parts of it are other files'.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rekindle_data::OutputKind;
use serde_json::{Value, json};

use crate::answer::entry;
use crate::query::Wanted;
use crate::refusal::{json_response, note};
use crate::{Picture, Refusal, Service, body, input, metrics, openapi, page};

/// The images of a request and what keeps their room.
async fn received(
    service: &Service,
    began: Instant,
    request: Request,
) -> Result<(Vec<Picture>, tokio::sync::OwnedSemaphorePermit), Refusal> {
    let (parts, body) = request.into_parts();
    let whole = body::read(service, began, &parts.headers, body).await?;
    let most = service.options().request_images;
    let pictures = input::pictures(parts, whole.bytes, most).await?;
    Ok((pictures, whole.room))
}

/// `POST /predict`.
pub(crate) async fn predict(
    State(service): State<Service>,
    request: Request,
) -> Result<Response, Refusal> {
    let began = Instant::now();
    let info = service.model().info();
    let wanted = Wanted::of(request.uri(), info)?;
    let (pictures, _room) = received(&service, began, request).await?;
    let names: Vec<Option<String>> = pictures.iter().map(|one| one.name.clone()).collect();
    let answers = service.in_time(began, service.predict(pictures)).await?;
    // A single image without a name has the answer to itself, and so has its error.
    if let ([None], [Err(refusal)]) = (&names[..], &answers[..]) {
        return Err(refusal.clone());
    }
    let entries: Vec<Value> = names
        .iter()
        .zip(&answers)
        .map(|(name, answer)| entry(info, name.as_deref(), answer, &wanted))
        .collect();
    let mut body = json!({ "predictions": entries });
    let first = answers.iter().find_map(|answer| answer.as_ref().err());
    match first.filter(|_| answers.iter().all(Result::is_err)) {
        None => Ok(json_response(StatusCode::OK, &body)),
        Some(refusal) => {
            body["error"] = refusal.message.clone().into();
            let mut response = json_response(refusal.status, &body);
            note(response.extensions_mut(), refusal.message.clone());
            Ok(response)
        }
    }
}

/// `POST /explain`.
#[cfg(feature = "explain")]
pub(crate) async fn explain(
    State(service): State<Service>,
    request: Request,
) -> Result<Response, Refusal> {
    let began = Instant::now();
    let info = service.model().info();
    let output = crate::query::explained(request.uri(), info)?;
    let accept = request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|kinds| kinds.to_str().ok()).unwrap_or("");
    let wants_png = accept.contains("image/png") && !accept.contains("application/json");
    let (mut pictures, _room) = received(&service, began, request).await?;
    let picture = match (pictures.pop(), pictures.is_empty()) {
        (Some(picture), true) => picture,
        _ => return Err(Refusal::malformed("one picture is explained at a time")),
    };
    let explaining = service.explaining().explain(picture.bytes, output);
    let explained = service.in_time(began, explaining).await?;
    Ok(match wants_png {
        true => ([(header::CONTENT_TYPE, "image/png")], explained.overlay).into_response(),
        false => json_response(StatusCode::OK, &explained.json(info.task.outputs())),
    })
}

/// `GET /model`.
pub(crate) async fn model(State(service): State<Service>) -> Response {
    let info = service.model().info();
    let options = service.options();
    let [height, width] = info.preprocessing.input_size;
    #[cfg(feature = "explain")]
    let explains = service.explaining().is_possible();
    #[cfg(not(feature = "explain"))]
    let explains = false;
    let body = json!({
        "name": options.name,
        "rekindle": info.rekindle,
        "architecture": info.architecture,
        "networks": service.model().networks().len(),
        "task": info.task.name(),
        "outputs": match info.task.outputs() {
            OutputKind::Distribution => "classes",
            OutputKind::Indicators => "labels",
            OutputKind::Numbers => "numbers",
        },
        "classes": info.classes,
        "input_size": [height, width],
        "preprocessing": info.preprocessing,
        "temperature": info.after.temperature.as_ref().map(|fitted| fitted.value),
        "threshold": info.after.threshold.as_ref().map(|threshold| threshold.probability),
        "familiarity": info.after.familiarity.is_some(),
        "explain": explains,
        "limits": {
            "body_bytes": options.body_bytes,
            "request_images": options.request_images,
            "pixels": options.decode.max_pixels,
            "queue_images": options.queue_images,
            "batch_images": options.batch_images,
            "timeout_seconds": options.timeout.as_secs_f64(),
        },
    });
    json_response(StatusCode::OK, &body)
}

/// `GET /health`.
pub(crate) async fn health() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "ok" }))
}

/// `GET /ready`.
pub(crate) async fn ready(State(service): State<Service>) -> Result<Response, Refusal> {
    match service.is_ready() {
        true => Ok(json_response(StatusCode::OK, &json!({ "status": "ready" }))),
        false => Err(Refusal::busy("the service is stopping", 5)),
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(service): State<Service>) -> Response {
    let options = service.options();
    let text = service
        .metrics()
        .text(&options.name, service.waiting(), options.queue_images);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// `GET /openapi.json`.
pub(crate) async fn openapi(State(service): State<Service>) -> Response {
    json_response(StatusCode::OK, &openapi::document(&service))
}

/// `GET /`.
pub(crate) async fn page() -> Response {
    page::response()
}

/// What there is no route for.
pub(crate) async fn not_found(uri: Uri) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        format!(
            "there is nothing at {:?}; GET /openapi.json lists what there is",
            uri.path()
        ),
    )
}

/// A route with another method.
pub(crate) async fn other_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{:?} does not take {method}; see /openapi.json", uri.path()),
    )
}
