//! Which path is answered with what.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::daemon::snapshot;
use crate::status::metrics::Format;
use crate::status::{Status, explain, json, metrics, page, text};
use crate::terminal::Colour;

/// A request for a snapshot: where to send it.
pub type Ask = oneshot::Sender<Status>;

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Resource {
    Page,
    Status,
    Events,
    StatusText(Colour),
    EventsText(Colour),
    Metrics(Format),
    Health,
    Readiness,
}

pub(super) async fn answer<B>(request: &Request<B>, asks: &mpsc::Sender<Ask>) -> Response<String> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = reply(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD are supported\n".to_owned());
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let (uri, format) = (request.uri(), format(request.headers()));
    match resource(uri.path(), uri.query().unwrap_or_default(), format) {
        Some(Resource::Page) => page(),
        Some(resource) => match snapshot(asks).await {
            Some(status) => render(resource, status),
            None => reply(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "the daemon's loop does not answer\n".to_owned()),
        },
        None => reply(StatusCode::NOT_FOUND, PLAIN, PATHS.to_owned()),
    }
}

fn resource(path: &str, query: &str, format: Format) -> Option<Resource> {
    let colour = Colour::allowed(query.split('&').any(|part| part == "colour=1"));
    Some(match path {
        "/" => Resource::Page,
        "/status" => Resource::Status,
        "/events" => Resource::Events,
        "/status.txt" => Resource::StatusText(colour),
        "/events.txt" => Resource::EventsText(colour),
        "/metrics" => Resource::Metrics(format),
        "/healthz" => Resource::Health,
        "/readyz" => Resource::Readiness,
        _ => return None,
    })
}

/// OpenMetrics, unless the client accepts plain text and does not mention OpenMetrics.
fn format(headers: &HeaderMap) -> Format {
    let accepts = |word: &str| {
        headers.get_all(header::ACCEPT).iter().any(|value| String::from_utf8_lossy(value.as_bytes()).contains(word))
    };
    if accepts("text/plain") && !accepts("openmetrics") { Format::Text } else { Format::OpenMetrics }
}

fn render(resource: Resource, status: Status) -> Response<String> {
    let (kind, body) = match resource {
        Resource::Page | Resource::Health => (PLAIN, "ok\n".to_owned()),
        Resource::Status => (JSON, json::status(&status) + "\n"),
        Resource::Events => (JSON, json::events(&status) + "\n"),
        Resource::StatusText(colour) => (PLAIN, text::status(&status, colour)),
        Resource::EventsText(colour) => (PLAIN, text::events(&status, colour)),
        Resource::Metrics(format) => {
            let status = Status { process: snapshot::process(), ..status };
            (format.content_type(), metrics::metrics(&status, format))
        }
        Resource::Readiness => match explain::unready(&status) {
            reasons if reasons.is_empty() => (PLAIN, "ready\n".to_owned()),
            reasons => return reply(StatusCode::SERVICE_UNAVAILABLE, PLAIN, reasons.join("\n") + "\n"),
        },
    };
    reply(StatusCode::OK, kind, body)
}

fn page() -> Response<String> {
    let nonce = nonce();
    let mut response = reply(StatusCode::OK, HTML, page::page(&nonce));
    if let Ok(policy) = HeaderValue::try_from(page::policy(&nonce)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A snapshot, if the driver's loop answers in time.
async fn snapshot(asks: &mpsc::Sender<Ask>) -> Option<Status> {
    let (ask, answer) = oneshot::channel();
    let asked = async {
        asks.send(ask).await.ok()?;
        answer.await.ok()
    };
    timeout(TIME_LIMIT, asked).await.ok().flatten()
}

/// The hasher's seed is random, and needs no dependency.
fn nonce() -> String {
    let part = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", part(), part())
}

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const PATHS: &str = "not found; there are /, /status, /events, /metrics, /healthz and /readyz\n";
/// For the driver; its turns take microseconds.
const TIME_LIMIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_its_query_select_a_resource() {
        for (path, query, wanted) in [
            ("/", "", Some(Resource::Page)),
            ("/status", "x=y", Some(Resource::Status)),
            ("/status.txt", "a=b&colour=1", Some(Resource::StatusText(Colour::Yes))),
            ("/events.txt", "colour=0", Some(Resource::EventsText(Colour::No))),
            ("/metrics", "", Some(Resource::Metrics(Format::Text))),
            ("/../etc/passwd", "", None),
        ] {
            assert_eq!(resource(path, query, Format::Text), wanted, "{path}");
        }
    }

    #[test]
    fn a_client_that_accepts_only_plain_text_gets_the_older_format() {
        for (accept, wanted) in [
            (&[][..], Format::OpenMetrics),
            (&["application/openmetrics-text;version=1.0.0,text/plain;q=0.5"], Format::OpenMetrics),
            (&["text/plain;q=0.5", "application/openmetrics-text"], Format::OpenMetrics),
            (&["text/plain;version=0.0.4"], Format::Text),
        ] {
            let headers = accept.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value))).collect();
            assert_eq!(format(&headers), wanted, "{accept:?}");
        }
    }
}
