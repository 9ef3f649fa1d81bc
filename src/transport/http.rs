//! An HTTP/1.1 client for one request on one connection, with limits on the head, the body and the time.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::stream::Stream;

/// The longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// How much an answer may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) time: Duration,
    /// In bytes.
    pub(crate) body: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("malformed request")]
    Request(#[from] hyper::http::Error),
    #[error("the HTTP exchange broke")]
    Broken(#[from] hyper::Error),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("no HTTP answer within {0:.1?}")]
    Silent(Duration),
}

/// Sends a GET request and reads the whole answer. The connection serves no other request.
pub(crate) async fn get(
    stream: impl Stream + 'static,
    host: &str,
    path: &str,
    limits: Limits,
) -> Result<Response<Bytes>, HttpError> {
    let request = Request::get(path).header(HOST, host).header(CONNECTION, "close").body(Empty::<Bytes>::new())?;
    let exchange = async {
        let mut client = http1::Builder::new();
        let (mut sender, connection) = client.max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
        let answer = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, limits.body).collect().await.map_err(|error| match error.downcast() {
                Ok(broken) => HttpError::Broken(*broken),
                Err(_too_long) => HttpError::TooLong(limits.body),
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        // The connection ends with the answer, whose error is the one that matters.
        let (answer, _closed) = tokio::join!(answer, connection);
        answer
    };
    timeout(limits.time, exchange).await.unwrap_or(Err(HttpError::Silent(limits.time)))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMITS: Limits = Limits { time: Duration::from_secs(5), body: 8 };

    /// The answer to a request whose other side says this and keeps the connection open, or closes it.
    async fn answered(said: &'static str, closes: bool, limits: Limits) -> Result<Response<Bytes>, HttpError> {
        let (near, mut far) = duplex(256 * 1024);
        let server = tokio::spawn(async move {
            let mut request = [0; 1024];
            let read = far.read(&mut request).await.unwrap();
            far.write_all(said.as_bytes()).await.unwrap();
            let open = (!closes).then_some(far);
            (String::from_utf8_lossy(&request[..read]).into_owned(), open)
        });
        let answer = get(near, "etcd:2379", "/version", limits).await;
        let (request, _open) = server.await.unwrap();
        assert!(request.starts_with("GET /version HTTP/1.1\r\nhost: etcd:2379\r\n"), "{request}");
        answer
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_length_or_with_the_connection() {
        let sized = "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 3\r\n\r\nabc";
        let answer = answered(sized, false, LIMITS).await.unwrap();
        assert_eq!((answer.headers()["date"].as_bytes(), &answer.body()[..]), (&b"today"[..], &b"abc"[..]));
        let answer = answered("HTTP/1.1 404 Not Found\r\n\r\nabc", true, LIMITS).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (404, &b"abc"[..]));
    }

    #[tokio::test]
    async fn head_body_and_time_are_limited() {
        let long_body = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdefghi";
        assert!(matches!(answered(long_body, false, LIMITS).await, Err(HttpError::TooLong(8))));
        let long_head = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(2 * MAX_HEAD)).leak();
        assert!(matches!(answered(long_head, false, LIMITS).await, Err(HttpError::Broken(_))));
        let hasty = Limits { time: Duration::from_millis(10), ..LIMITS };
        assert!(matches!(answered("HTTP/1.1 200 OK\r\n", false, hasty).await, Err(HttpError::Silent(_))));
    }
}
