//! Bodies of requests into memory: no more than is allowed, in time, and to their end where the sender would else not read the answer.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;

use crate::{Refusal, Service};

/// What is thrown away of a body that is too large, in multiples of the limit, before the connection is closed on its sender.
const DRAINED: usize = 4;
/// Longest time that this takes.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A body, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(crate) struct WholeBody {
    pub bytes: Bytes,
    /// What keeps its room.
    pub room: OwnedSemaphorePermit,
}

/// Reads a body.
///
/// # Errors
///
/// 413 for one that is too large, 503 where there is no room, 408 where it does not come in time, 400 where its sender goes away.
pub(crate) async fn read(
    service: &Service,
    began: Instant,
    headers: &HeaderMap,
    body: Body,
) -> Result<WholeBody, Refusal> {
    let limit = service.options().body_bytes;
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    let asks_first = headers.contains_key(header::EXPECT);
    let too_large = || {
        Refusal::too_large(format!(
            "the body has more than the {limit} bytes that a request may have; send a smaller picture, or fewer at a time"
        ))
    };
    if length.is_some_and(|length| length > limit) {
        if !asks_first {
            drain(body, limit).await;
        }
        return Err(too_large());
    }
    let room = match service.room(length.unwrap_or(limit)) {
        Ok(room) => room,
        Err(refusal) => {
            if !asks_first {
                drain(body, limit).await;
            }
            return Err(refusal);
        }
    };
    let left = service.options().timeout.saturating_sub(began.elapsed());
    let whole = async {
        let mut body = body;
        let mut bytes = Vec::with_capacity(length.unwrap_or(0));
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err(Refusal::malformed(
                    "the body ended before its time; send the request again",
                ));
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > limit {
                drop(bytes);
                drain(body, limit).await;
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Bytes::from(bytes))
    };
    match tokio::time::timeout(left, whole).await {
        Ok(bytes) => Ok(WholeBody {
            bytes: bytes?,
            room,
        }),
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the body did not come within {} s; send it again over a faster connection",
                service.options().timeout.as_secs_f64()
            ),
        )),
    }
}

/// Reads and forgets: a sender whose connection is closed while it still writes does not see the answer.
async fn drain(mut body: Body, limit: usize) {
    let all = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > limit.saturating_mul(DRAINED) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, all).await;
}
