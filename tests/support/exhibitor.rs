//! A stand-in for Exhibitor: its one page, the list of an ensemble's servers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::fail::{OrFail, locked};
use super::host::Host;
use super::zookeeper::PORT as ZOOKEEPER;

pub(crate) const PORT: u16 = 8080;

/// It answers until the lab ends.
#[derive(Debug)]
pub(crate) struct Exhibitor {
    host: Host,
    servers: Arc<Mutex<Vec<String>>>,
}

impl Exhibitor {
    pub(crate) fn start(host: &Host, servers: &[&Host]) -> Self {
        let list = Arc::new(Mutex::new(Vec::new()));
        let (shown, address) = (Arc::clone(&list), (host.v4(), PORT));
        let listener = host.enter(move || TcpListener::bind(address).or_fail("listening as Exhibitor"));
        drop(host.spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let _ = stream.read(&mut [0; 4096]);
                let servers = locked(&shown).join("\", \"");
                let body = format!("{{\"servers\": [\"{servers}\"], \"port\": {ZOOKEEPER}}}");
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
                let _ = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
            }
        }));
        let exhibitor = Self { host: host.clone(), servers: list };
        exhibitor.tell(servers);
        exhibitor
    }

    /// Changes the list.
    pub(crate) fn tell(&self, servers: &[&Host]) {
        *locked(&self.servers) = servers.iter().map(|host| host.v4().to_string()).collect();
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}:{PORT}", self.host.v4())
    }
}
