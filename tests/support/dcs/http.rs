//! A request in HTTP/1.0 on a connection of its own, for locks: it blocks, and fails soon.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1);

/// The status and the body of the answer. The caller's thread is inside a host.
pub(super) fn ask(to: SocketAddr, method: &str, path: &str, form: bool, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&to, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let content = if form { "Content-Type: application/x-www-form-urlencoded\r\n" } else { "" };
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: store\r\n{content}Content-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes())?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    let bad = || std::io::Error::other(format!("not an answer: {page}"));
    let (head, body) = page.split_once("\r\n\r\n").ok_or_else(bad)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(bad)?;
    Ok((status, body.to_owned()))
}

/// Asks the servers in turn, starting with the one that answered last.
pub(super) fn ask_any(
    servers: &mut [SocketAddr],
    method: &str,
    path: &str,
    form: bool,
    body: &str,
) -> Result<(u16, String), String> {
    let mut failure = "there is no server".to_owned();
    for place in 0..servers.len() {
        match ask(servers[place], method, path, form, body) {
            Ok((status, said)) if status < 500 => {
                servers[..=place].rotate_right(1);
                return Ok((status, said));
            }
            Ok((status, said)) => failure = format!("{status}: {said}"),
            Err(error) => failure = error.to_string(),
        }
    }
    Err(failure)
}
