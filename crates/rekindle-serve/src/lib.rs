//! A trained model over HTTP, on axum.
//!
//! - [`Service`]: a [`Predictor`](rekindle_model::Predictor) with threads that decode and predict, batches formed under load, and limits.
//! - [`router`]: its routes, which any axum program can mount; the page at `/`, `/predict`, `/explain` and what machines ask for.
//! - [`Server`]: a program of its own: binds, serves, and answers what is running before it stops.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use rekindle_model::{Predictor, device_from_name};
//! use rekindle_serve::{ServeOptions, Server, Service};
//!
//! let model = Predictor::load("runs/photos-1/model.safetensors".as_ref(), &device_from_name("cpu")?)?;
//! let service = Service::new(model, ServeOptions::default())?;
//! let server = Server::bind("127.0.0.1", 8000, service)?;
//! println!("http://{}", server.address());
//! server.run()?;
//! # Ok(())
//! # }
//! ```
//!
//! What travels in requests and answers is docs/serving.md's and `/openapi.json`'s to say.

mod answer;
mod batcher;
mod body;
mod decoding;
mod endpoints;
mod error;
#[cfg(feature = "explain")]
mod explaining;
mod guard;
mod handlers;
mod input;
mod metrics;
mod openapi;
mod options;
mod page;
mod query;
mod refusal;
mod router;
mod server;
mod service;
mod workers;

pub use error::ServeError;
pub use metrics::Metrics;
pub use options::{RequestLog, RequestRecord, ServeOptions};
pub use refusal::Refusal;
pub use router::router;
pub use server::{Handle, Server, is_loopback};
pub use service::{Picture, Service};
