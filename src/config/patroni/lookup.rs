//! Asks the name servers of `/etc/resolv.conf` for SRV records, which the C library does not.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::wire::dns::{self, Answer, DATAGRAM, Server};

/// The servers that a name has, in order; none where there is no such name. The error is for people.
pub(in crate::config) type Lookup = fn(&str) -> Result<Vec<Server>, String>;

/// The servers that a name has, as the first name server that can tell has them.
pub(super) fn servers(name: &str) -> Result<Vec<Server>, String> {
    let text = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    let mut failures = Vec::new();
    for server in name_servers(&text) {
        match ask(server, name) {
            Ok(Answer::Servers(servers)) => return Ok(servers),
            Ok(Answer::Failed(code)) => failures.push(format!("{server} answers with error {code}")),
            Ok(Answer::Truncated) => failures.push(format!("{server} answers incompletely")),
            Err(error) => failures.push(format!("{server}: {error}")),
        }
    }
    Err(failures.join(", "))
}

/// The domain itself, without asking: for commands that do not ask the store. It has the type of a [`Lookup`].
#[allow(clippy::unnecessary_wraps, reason = "it stands in for one that can fail")]
pub(super) fn stand_in(name: &str) -> Result<Vec<Server>, String> {
    let domain = name.split_once("._tcp.").map_or(name, |(_, domain)| domain);
    Ok(vec![Server { priority: 0, port: 2379, host: domain.to_owned() }])
}

/// The first three, as the C library has it; the one of this host if none is named.
fn name_servers(text: &str) -> Vec<IpAddr> {
    let address = |line: &str| line.trim().strip_prefix("nameserver")?.trim().parse().ok();
    let mut servers: Vec<_> = text.lines().filter_map(address).take(MOST_SERVERS).collect();
    if servers.is_empty() {
        servers.push(Ipv4Addr::LOCALHOST.into());
    }
    servers
}

fn ask(server: IpAddr, name: &str) -> io::Result<Answer> {
    // Nobody off the path may guess it.
    let id = u16::try_from(RandomState::new().hash_one(name) & 0xffff).unwrap_or_default();
    let question = dns::question(id, name).ok_or_else(|| io::Error::other("this is not a domain"))?;
    match by_datagram(server, &question)? {
        Answer::Truncated => by_stream(server, &question),
        answer => Ok(answer),
    }
}

fn by_datagram(server: IpAddr, question: &[u8]) -> io::Result<Answer> {
    let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(own, 0))?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.connect(SocketAddr::new(server, PORT))?;
    let mut buffer = [0; DATAGRAM as usize];
    for _ in 0..ATTEMPTS {
        socket.send(question)?;
        match socket.recv(&mut buffer) {
            Ok(length) => {
                if let Some(answer) = buffer.get(..length).and_then(|bytes| dns::answer(question, bytes)) {
                    return Ok(answer);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("no answer within {:.0?}", LIMIT * ATTEMPTS)))
}

fn by_stream(server: IpAddr, question: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(server, PORT), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let length = u16::try_from(question.len()).unwrap_or_default();
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes)?;
    dns::answer(question, &bytes).ok_or_else(|| io::Error::other("this is not an answer"))
}

const RESOLV_CONF: &str = "/etc/resolv.conf";
const MOST_SERVERS: usize = 3;
const PORT: u16 = 53;
/// For each attempt: six seconds if three name servers are silent.
const LIMIT: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_as_the_c_library_does() {
        let text = "search a\n# nameserver 10.0.0.9\nnameserver 10.0.0.1\nnameserver\t2001:db8::1\nnameserver x\n\
                    nameserver 10.0.0.2\nnameserver 10.0.0.3\n";
        let servers: Vec<_> = name_servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1", "2001:db8::1", "10.0.0.2"]);
        assert_eq!(name_servers(""), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }
}
