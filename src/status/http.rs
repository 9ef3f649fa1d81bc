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

/// Looks at what came so far. The verdict does not depend on how the bytes were cut into pieces on their way: what a
/// beginning is refused for, the whole is refused for.
pub fn read(bytes: &[u8]) -> Reading {
    let end = bytes.windows(END.len()).position(|window| window == END);
    let head = &bytes[..end.unwrap_or(bytes.len())];
    // A part of the end may have come already.
    let longest = if end.is_some() { LONGEST_HEAD } else { LONGEST_HEAD + END.len() - 1 };
    if is_spoilt(&head[..head.len().min(LONGEST_HEAD)]) {
        Reading::Refused(BAD)
    } else if head.len() > longest {
        Reading::Refused(TOO_LARGE)
    } else if end.is_some() {
        parse(&String::from_utf8_lossy(head))
    } else {
        Reading::Unfinished
    }
}

/// What is no HTTP from its first line on need not be waited for.
fn is_spoilt(head: &[u8]) -> bool {
    let mut lines = head.splitn(2, |byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let complete = lines.next().is_some();
    head.contains(&0) || !first.is_ascii() || (complete && !is_request_line(first))
}

fn is_request_line(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok());
    line.is_some_and(|line| request_line(line).is_some())
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

const END: &[u8] = b"\r\n\r\n";

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
    fn the_verdict_is_the_same_however_the_bytes_are_cut_into_pieces() {
        let line = "GET / HTTP/1.1\r\nX: ";
        let sized = |head: usize| format!("{line}{}\r\n\r\n", "x".repeat(head - line.len()));
        for (whole, verdict) in [
            ("GET /?\n HTTP/1.1\r\n\r\n", Reading::Refused(BAD)),
            ("GET / HTTP/1.1\nHost: x\r\n\r\n", Reading::Refused(BAD)),
            ("GET / HTTP/1.1\r\nCookie: caf\u{e9}\r\n\r\n", get(Resource::Page)),
            (&sized(LONGEST_HEAD), get(Resource::Page)),
            (&sized(LONGEST_HEAD + 1), Reading::Refused(TOO_LARGE)),
        ] {
            assert_eq!(read(whole.as_bytes()), verdict, "{whole:?}");
            let beginnings = (0..=whole.len()).map(|length| read(&whole.as_bytes()[..length]));
            let first = beginnings.into_iter().find(|reading| *reading != Reading::Unfinished);
            assert_eq!(first, Some(verdict), "{whole:?}");
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
