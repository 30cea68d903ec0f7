//! The router: each endpoint with what does it, and what stands before all of them.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use crate::endpoints::Endpoint;
use crate::{Service, guard, handlers};

/// The routes of a service, to be served or mounted.
///
/// ```no_run
/// # fn f(service: rekindle_serve::Service) {
/// let app: axum::Router = axum::Router::new()
///     .route("/about", axum::routing::get(|| async { "photos, by kind" }))
///     .nest("/photos", rekindle_serve::router(service));
/// # }
/// ```
pub fn router(service: Service) -> Router {
    let mut router = Router::new();
    for endpoint in Endpoint::ALL {
        router = router.route(endpoint.path(), of(*endpoint));
    }
    router
        .fallback(handlers::not_found)
        .method_not_allowed_fallback(handlers::other_method)
        .layer(from_fn_with_state(service.clone(), guard::guarded))
        .layer(from_fn_with_state(service.clone(), guard::counted))
        .with_state(service)
}

fn of(endpoint: Endpoint) -> MethodRouter<Service> {
    match endpoint {
        Endpoint::Page => get(handlers::page),
        Endpoint::Predict => post(handlers::predict),
        #[cfg(feature = "explain")]
        Endpoint::Explain => post(handlers::explain),
        Endpoint::Model => get(handlers::model),
        Endpoint::Health => get(handlers::health),
        Endpoint::Ready => get(handlers::ready),
        Endpoint::Metrics => get(handlers::metrics),
        Endpoint::OpenApi => get(handlers::openapi),
    }
}
