//! As much HTTP/1.1 as a status needs: GET and HEAD, one request a connection, no body.
//!
//! Bytes in, a verdict out; whoever owns the socket keeps the time.

use super::text::Colour;

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    Page,
    Status,
    Events,
    StatusText(Colour),
    EventsText(Colour),
    Metrics(Form),
    Health,
    Readiness,
}

/// The two forms that Prometheus reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    OpenMetrics,
    /// The text format before it, for readers that ask for it and nothing newer.
    Text,
}

/// A request that can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    pub resource: Resource,
    /// Only the head of the answer is wanted.
    pub head: bool,
}

/// What the bytes that came so far are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// More has to come.
    Unfinished,
    Request(Request),
    Refused(Answer),
}

/// An answer that says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: &'static str,
    pub text: &'static str,
}

/// Looks at what came so far.
pub fn read(bytes: &[u8]) -> Reading {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return unfinished(bytes);
    };
    if end > LONGEST_HEAD {
        return Reading::Refused(TOO_LARGE);
    }
    match std::str::from_utf8(&bytes[..end]) {
        Ok(head) => parse(head),
        Err(_) => Reading::Refused(BAD),
    }
}

/// A head that is too long, or no HTTP from its first line on, need not be waited for.
fn unfinished(bytes: &[u8]) -> Reading {
    if bytes.len() > LONGEST_HEAD {
        return Reading::Refused(TOO_LARGE);
    }
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let complete = first.len() < bytes.len();
    if bytes.iter().any(|byte| *byte == 0 || *byte >= 0x80) || (complete && !is_request_line(first)) {
        return Reading::Refused(BAD);
    }
    Reading::Unfinished
}

fn is_request_line(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| request_line(line.trim_end_matches('\r')).is_some())
}

fn request_line(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let known = version == "HTTP/1.1" || version == "HTTP/1.0";
    let method_fits = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    (known && method_fits && target.starts_with('/') && words.next().is_none()).then_some((method, target))
}

fn parse(head: &str) -> Reading {
    let mut lines = head.split("\r\n");
    let Some((method, target)) = lines.next().and_then(request_line) else { return Reading::Refused(BAD) };
    let Some(headers) = lines.map(header).collect::<Option<Vec<_>>>() else { return Reading::Refused(BAD) };
    let is_head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Reading::Refused(NOT_ALLOWED),
    };
    match resource(target, accepted(&headers)) {
        Some(resource) => Reading::Request(Request { resource, head: is_head }),
        None => Reading::Refused(NOT_FOUND),
    }
}

fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (!name.is_empty() && name.bytes().all(token)).then_some((name, value.trim()))
}

/// OpenMetrics, unless somebody asks for plain text and does not know it.
fn accepted(headers: &[(&str, &str)]) -> Form {
    let mut accept = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("accept")).map(|(_, value)| *value);
    let wants = |word: &'static str| move |value: &str| value.contains(word);
    let values: Vec<_> = accept.by_ref().collect();
    if values.iter().copied().any(wants("text/plain")) && !values.iter().copied().any(wants("openmetrics")) {
        Form::Text
    } else {
        Form::OpenMetrics
    }
}

fn resource(target: &str, form: Form) -> Option<Resource> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let colour = if query.split('&').any(|part| part == "colour=1") { Colour::Yes } else { Colour::No };
    Some(match path {
        "/" => Resource::Page,
        "/status" => Resource::Status,
        "/events" => Resource::Events,
        "/status.txt" => Resource::StatusText(colour),
        "/events.txt" => Resource::EventsText(colour),
        "/metrics" => Resource::Metrics(form),
        "/healthz" => Resource::Health,
        "/readyz" => Resource::Readiness,
        _ => return None,
    })
}

/// A browser sends less than a kilobyte.
pub const LONGEST_HEAD: usize = 8 * 1024;

pub const BAD: Answer = Answer { status: "400 Bad Request", text: "this is no request of HTTP/1.1\n" };
pub const TOO_LARGE: Answer =
    Answer { status: "431 Request Header Fields Too Large", text: "the head of the request is too long\n" };
pub const NOT_ALLOWED: Answer = Answer { status: "405 Method Not Allowed", text: "only GET and HEAD are understood\n" };
pub const NOT_FOUND: Answer =
    Answer { status: "404 Not Found", text: "there are /, /status, /events, /metrics, /healthz and /readyz\n" };
pub const BUSY: Answer = Answer { status: "503 Service Unavailable", text: "the daemon's loop does not answer\n" };

#[cfg(test)]
mod tests {
    use super::*;

    fn get(resource: Resource) -> Reading {
        Reading::Request(Request { resource, head: false })
    }

    #[test]
    fn what_browsers_prometheus_and_curl_send_is_understood() {
        assert_eq!(read(b"GET / HTTP/1.1\r\nHost: pg1:9899\r\nAccept: text/html\r\n\r\n"), get(Resource::Page));
        assert_eq!(read(b"GET /metrics HTTP/1.1\r\n\r\n"), get(Resource::Metrics(Form::OpenMetrics)));
        let both =
            b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n";
        assert_eq!(read(both), get(Resource::Metrics(Form::OpenMetrics)));
        let plain = b"GET /metrics HTTP/1.0\r\naccept: text/plain;version=0.0.4\r\n\r\n";
        assert_eq!(read(plain), get(Resource::Metrics(Form::Text)));
        assert_eq!(read(b"GET /status.txt?colour=1 HTTP/1.1\r\n\r\n"), get(Resource::StatusText(Colour::Yes)));
        let head = Reading::Request(Request { resource: Resource::Health, head: true });
        assert_eq!(read(b"HEAD /healthz HTTP/1.1\r\n\r\n"), head);
    }

    #[test]
    fn every_beginning_of_a_request_is_unfinished() {
        let whole = b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n";
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Reading::Unfinished, "{length}");
        }
    }

    #[test]
    fn garbage_is_a_bad_request_and_what_is_not_there_is_named_so() {
        for garbage in [
            &b"\x16\x03\x01\x02\x00\x01"[..],
            b"hello\r\n\r\n",
            b"hello\n",
            b"GET status HTTP/1.1\r\n\r\n",
            b"GET / HTTP/2.0\r\n\r\n",
            b"GET / HTTP/1.1\r\nno header\r\n\r\n",
            b"GET /  HTTP/1.1\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(read(garbage), Reading::Refused(BAD), "{:?}", String::from_utf8_lossy(garbage));
        }
        assert_eq!(read(b"POST /status HTTP/1.1\r\n\r\n"), Reading::Refused(NOT_ALLOWED));
        assert_eq!(read(b"GET /etc/passwd HTTP/1.1\r\n\r\n"), Reading::Refused(NOT_FOUND));
        let long = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; LONGEST_HEAD]].concat();
        assert_eq!(read(&long), Reading::Refused(TOO_LARGE));
    }
}
