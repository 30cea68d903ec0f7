//! What in a picture decided: Grad-CAM of one picture at a time, on a thread of its own beside the batches.

use std::sync::Arc;

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rekindle_data::OutputKind;
use rekindle_insight::InsightError;
use rekindle_insight::explain::{ExplainOptions, Explainer, Explanation, overlay};
use rekindle_insight::plots::png;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, oneshot};

use crate::service::Shared;
use crate::workers::Workers;
use crate::{Refusal, ServeError};

/// Most pictures that wait to be explained.
const WAITING: usize = 8;

/// The thread, and how the model is explained; or why it cannot be.
#[derive(Debug)]
pub(crate) struct Explaining {
    worker: Workers,
    explainer: Result<Arc<Explainer>, String>,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
}

/// A picture with what decided drawn over it, and what was said of it.
#[derive(Debug)]
pub(crate) struct Explained {
    pub explanation: Explanation,
    /// A PNG file of the size that the network sees.
    pub overlay: Vec<u8>,
}

impl Explaining {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system starts no more threads.
    pub fn start(shared: &Arc<Shared>) -> Result<Self, ServeError> {
        let explainer = Explainer::new(Arc::clone(&shared.model), ExplainOptions::default());
        Ok(Self {
            worker: Workers::start("explain", 1)?,
            explainer: explainer.map(Arc::new).map_err(|error| error.to_string()),
            shared: Arc::clone(shared),
            room: Arc::new(Semaphore::new(WAITING)),
        })
    }

    /// Whether the model can be explained.
    pub fn is_possible(&self) -> bool {
        self.explainer.is_ok()
    }

    /// Explains an output, without one the likeliest.
    ///
    /// # Errors
    ///
    /// 501 for a model that cannot be explained, 503 where too many wait, and as a prediction.
    pub async fn explain(&self, bytes: Bytes, output: Option<usize>) -> Result<Explained, Refusal> {
        let explainer = self
            .explainer
            .clone()
            .map_err(|reason| Refusal::new(axum::http::StatusCode::NOT_IMPLEMENTED, reason))?;
        let place = Arc::clone(&self.room).try_acquire_owned();
        let place = place.map_err(|_| {
            let message = format!("{WAITING} pictures wait to be explained already; come again");
            Refusal::busy(message, 1)
        })?;
        let shared = Arc::clone(&self.shared);
        let (reply, answer) = oneshot::channel();
        self.worker.add(move || {
            if !reply.is_closed() {
                let found = explained(&shared, &explainer, &bytes, output);
                drop(place);
                let _ = reply.send(found);
            }
        });
        answer.await.unwrap_or_else(|_| {
            Err(Refusal::own(
                "the picture was lost by a mistake of the service; its log says more",
            ))
        })
    }
}

fn explained(
    shared: &Shared,
    explainer: &Explainer,
    bytes: &[u8],
    output: Option<usize>,
) -> Result<Explained, Refusal> {
    let views = shared.decoding.views(&shared.model, bytes);
    let views = views.map_err(|error| Refusal::of(&error))?;
    let own = |error: InsightError| Refusal::own(error.to_string());
    let explanation = explainer.explain_views(&views, output).map_err(own)?;
    let drawn = match explanation.maps.first() {
        Some(map) => overlay(views.first(), &map.map),
        None => views.first().clone(),
    };
    Ok(Explained {
        overlay: png(&drawn).map_err(own)?,
        explanation,
    })
}

impl Explained {
    /// As JSON, under the keys of `explanations.json`, with the picture as a `data:` address.
    pub fn json(&self, kind: OutputKind) -> Value {
        let mut object = Map::new();
        let said = &self.explanation;
        object.insert("output".into(), said.name.clone().into());
        let value = match kind {
            OutputKind::Numbers => "value",
            OutputKind::Distribution | OutputKind::Indicators => "probability",
        };
        object.insert(value.into(), said.value.into());
        object.insert("score".into(), said.score.into());
        if let Some(found) = said.maps.first() {
            let [height, width] = found.map.size();
            let rows: Vec<&[f32]> = found.map.values().chunks(width).collect();
            object.insert("method".into(), found.method.name().into());
            object.insert("stage".into(), json!(found.stage));
            object.insert("size".into(), json!([height, width]));
            object.insert("values".into(), json!(rows));
        }
        let address = format!("data:image/png;base64,{}", STANDARD.encode(&self.overlay));
        object.insert("overlay".into(), address.into());
        object.into()
    }
}
