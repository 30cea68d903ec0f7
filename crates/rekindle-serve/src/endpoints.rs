//! The one list of routes. The router, `/openapi.json` and the tests are made from it, so that none knows a route that another does not.

use axum::http::Method;

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The page.
    Page,
    /// What the model says of images.
    Predict,
    /// What in a picture decided.
    #[cfg(feature = "explain")]
    Explain,
    /// What is served.
    Model,
    /// Whether the program runs.
    Health,
    /// Whether requests should come.
    Ready,
    /// Counters for Prometheus.
    Metrics,
    /// This list, for programs.
    OpenApi,
}

impl Endpoint {
    /// All there are in this build.
    pub const ALL: &[Self] = &[
        Self::Page,
        Self::Predict,
        #[cfg(feature = "explain")]
        Self::Explain,
        Self::Model,
        Self::Health,
        Self::Ready,
        Self::Metrics,
        Self::OpenApi,
    ];

    /// The path, below wherever the router is mounted.
    pub fn path(self) -> &'static str {
        match self {
            Self::Page => "/",
            Self::Predict => "/predict",
            #[cfg(feature = "explain")]
            Self::Explain => "/explain",
            Self::Model => "/model",
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Metrics => "/metrics",
            Self::OpenApi => "/openapi.json",
        }
    }

    /// The method.
    pub fn method(self) -> Method {
        match self {
            Self::Predict => Method::POST,
            #[cfg(feature = "explain")]
            Self::Explain => Method::POST,
            _ => Method::GET,
        }
    }

    /// What it is for, in a sentence.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Page => "A page to drop a picture on",
            Self::Predict => "What the model says of one or several images",
            #[cfg(feature = "explain")]
            Self::Explain => "What in a picture decided, by Grad-CAM",
            Self::Model => "Classes, preprocessing, task and limits of what is served",
            Self::Health => "Whether the program runs",
            Self::Ready => "Whether requests should come: not while it stops",
            Self::Metrics => "Counters and times for Prometheus",
            Self::OpenApi => "This description",
        }
    }
}
