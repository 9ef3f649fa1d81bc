//! Requests for the status: no bytes make a connection panic or wait for more after the client has finished. A complete
//! request gets the same status code however its bytes were split on their way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::mpsc;
use vip_manager::daemon::serve;

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (whole, split) = runtime.block_on(async { (answer(bytes, bytes.len()).await, answer(bytes, 7).await) });
    let (whole, split) = (status(&whole), status(&split));
    // hyper refuses malformed requests before their end only if they arrive at once.
    assert!(whole == split || (split.is_none() && whole == Some("400")), "{whole:?} and {split:?}");
});

/// The answer to a request in pieces of so many bytes, from a daemon whose driver does not answer.
async fn answer(bytes: &[u8], piece: usize) -> String {
    let (mut client, server) = duplex(64 * 1024);
    let (asks, _) = mpsc::channel(1);
    let connection = tokio::spawn(serve(server, asks));
    for piece in bytes.chunks(piece.max(1)) {
        if client.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    connection.await.unwrap().unwrap();
    answer
}

/// The status line, which is missing if the request is incomplete.
fn status(answer: &str) -> Option<&str> {
    let line = answer.lines().next()?;
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).expect("a status line");
    assert!(["200", "400", "404", "405", "414", "431", "503"].contains(&code), "{line}");
    Some(code)
}
