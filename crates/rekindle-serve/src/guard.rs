//! What stands before every route: whom a request may come from, what its answer tells browsers, and that it is counted.

use std::net::IpAddr;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::options::{RequestRecord, ServeOptions};
use crate::refusal::Reason;
use crate::{Refusal, Service};

/// Counts a request, and tells the log.
pub(crate) async fn counted(
    State(service): State<Service>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let running = service.metrics().begin();
    let response = next.run(request).await;
    drop(running);
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    let (status, elapsed) = (response.status().as_u16(), began.elapsed());
    service.metrics().request(route, status, elapsed);
    if let Some(log) = &service.options().log {
        let reason = response.extensions().get::<Reason>();
        log.tell(&RequestRecord {
            method: known(&method),
            route,
            status,
            elapsed,
            reason: reason.map(|reason| reason.0.as_str()),
        });
    }
    response
}

/// A method by its name where it is a standard's, since anything else is a stranger's word.
fn known(method: &Method) -> &str {
    let all = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    match all.contains(method) {
        true => method.as_str(),
        false => "?",
    }
}

/// Lets a request through that comes from where requests may, and adds what browsers are to know.
pub(crate) async fn guarded(
    State(service): State<Service>,
    request: Request,
    next: Next,
) -> Response {
    let options = service.options();
    if let Err(refusal) = check_host(options, &request) {
        return with_headers(refusal.into_response(), None);
    }
    let allowed = match check_origin(options, request.headers(), request.uri().authority()) {
        Ok(allowed) => allowed,
        Err(refusal) => return with_headers(refusal.into_response(), None),
    };
    let asks = request
        .headers()
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let response = match &allowed {
        // What a browser asks before it sends another origin's request.
        Some(_) if asks && request.method() == Method::OPTIONS => {
            let answers = [
                (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
                (header::ACCESS_CONTROL_MAX_AGE, "3600"),
            ];
            (StatusCode::NO_CONTENT, answers).into_response()
        }
        _ => next.run(request).await,
    };
    with_headers(response, allowed)
}

fn with_headers(mut response: Response, allowed: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    let mut say = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    say(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(header::CACHE_CONTROL, "no-store");
    say(header::REFERRER_POLICY, "no-referrer");
    say(header::VARY, "origin");
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after"),
        );
    }
    response
}

/// The host of `host:port`, without the brackets of an address of version 6.
fn without_port(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Refuses names that are not this machine's own: a page of another site can make its own name mean this machine (DNS rebinding), and its
/// scripts would then read the answers.
fn check_host(options: &ServeOptions, request: &Request) -> Result<(), Refusal> {
    let Some(allowed) = &options.allowed_hosts else {
        return Ok(());
    };
    let stated = request.headers().get(header::HOST);
    let stated = stated.and_then(|host| host.to_str().ok());
    let host = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let host = without_port(host.or(stated).unwrap_or_default()).to_ascii_lowercase();
    let is_local = host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match is_local || allowed.contains(&host) {
        true => Ok(()),
        false => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!(
                "the request is for the host {host:?}, and this service answers as localhost alone; start it with `--allow-host NAME` for \
                 another name, as behind a proxy"
            ),
        )),
    }
}

/// Refuses requests of other sites' pages but those that are allowed; gives the origin where it is an allowed one.
fn check_origin(
    options: &ServeOptions,
    headers: &HeaderMap,
    authority: Option<&axum::http::uri::Authority>,
) -> Result<Option<HeaderValue>, Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(None);
    };
    let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
    let any = options.allowed_origins.iter().any(|known| known == "*");
    if any || options.allowed_origins.contains(&text) {
        return Ok(Some(match any {
            true => HeaderValue::from_static("*"),
            false => origin.clone(),
        }));
    }
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let host = authority.map(|authority| authority.as_str()).or(host);
    let of_origin = text.split_once("://").map(|(_, host)| host);
    let is_own = host.is_some_and(|host| of_origin == Some(&host.to_ascii_lowercase()));
    match is_own {
        true => Ok(None),
        false => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!(
                "the request comes from a page of {text:?}, which this service does not answer; start it with `--allow-origin {}` if it should",
                match text.contains("://") {
                    true => text.as_str(),
                    false => "ORIGIN",
                }
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn host_passes(allowed: &[&str], host: &str) -> bool {
        let options = ServeOptions {
            allowed_hosts: Some(allowed.iter().map(|name| (*name).to_owned()).collect()),
            ..ServeOptions::default()
        };
        let request = Request::builder().header("host", host);
        check_host(&options, &request.body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn only_names_of_this_machine_and_those_allowed_pass() {
        for host in [
            "localhost",
            "localhost:8000",
            "LOCALHOST:1",
            "127.0.0.1:8000",
            "127.1.2.3",
            "[::1]:8000",
            "a.localhost",
        ] {
            assert!(host_passes(&[], host), "{host}");
        }
        for host in [
            "evil.example:8000",
            "localhost.evil.example",
            "192.168.0.4",
            "[::2]:80",
            "",
            "127.0.0.1.evil.example",
        ] {
            assert!(!host_passes(&[], host), "{host}");
        }
        assert!(host_passes(&["photos.example"], "photos.example:443"));
        assert!(!host_passes(&["photos.example"], "other.example"));
    }

    #[test]
    fn pages_of_other_origins_are_refused_unless_allowed() {
        let passes = |allowed: &[&str], origin: &str| {
            let options = ServeOptions {
                allowed_origins: allowed.iter().map(|name| (*name).to_owned()).collect(),
                ..ServeOptions::default()
            };
            let mut headers = HeaderMap::new();
            headers.insert("host", "127.0.0.1:8000".parse().unwrap());
            headers.insert("origin", origin.parse().unwrap());
            check_origin(&options, &headers, None)
        };
        assert_eq!(passes(&[], "http://127.0.0.1:8000").unwrap(), None);
        for origin in ["http://evil.example", "http://127.0.0.1:9", "null"] {
            assert!(passes(&[], origin).is_err(), "{origin}");
        }
        let allowed = ["https://photos.example"];
        assert_eq!(
            passes(&allowed, "https://photos.example").unwrap().unwrap(),
            "https://photos.example"
        );
        assert!(passes(&allowed, "http://photos.example").is_err());
        assert_eq!(passes(&["*"], "null").unwrap().unwrap(), "*");
    }
}
