//! Which servers listen, from the kernel's tables of sockets and processes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A program that listens on a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    pub program: Program,
    pub port: u16,
    pub listening: BTreeSet<IpAddr>,
    /// The addresses that its command line tells it to listen on (Patroni's does).
    pub told: BTreeSet<IpAddr>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Program {
    Postgres,
    /// Its name.
    Pooler(String),
    /// This user may not see who owns the socket.
    Unknown,
}

impl Server {
    pub(super) fn takes(&self, vip: IpAddr) -> bool {
        self.takes_any(vip) || self.listening.contains(&vip)
    }

    /// Whether it listens on every address of the VIP's family. PostgreSQL's `::` is IPv6 only; that of another program may
    /// cover both families.
    pub(super) fn takes_any(&self, vip: IpAddr) -> bool {
        let both = self.program != Program::Postgres;
        self.listening.iter().any(|ip| ip.is_unspecified() && (ip.is_ipv4() == vip.is_ipv4() || (both && ip.is_ipv6())))
    }
}

/// A listening socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    pub address: IpAddr,
    pub port: u16,
    /// By which its owner's descriptors name it.
    pub inode: u64,
}

/// A process that has sockets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    pub name: String,
    pub arguments: Vec<String>,
}

/// The listening sockets in `/proc/net/tcp` or `tcp6`.
pub fn listeners(table: &str) -> Vec<Listener> {
    table.lines().filter_map(listener).collect()
}

/// The servers and poolers among the owners of sockets. If no server is visible, whatever
/// listens on PostgreSQL's usual port may be one.
pub fn servers(listeners: &[Listener], owners: &BTreeMap<u64, Process>) -> Vec<Server> {
    let known = listeners.iter().filter_map(|listener| Some((listener, owners.get(&listener.inode)?)));
    let known = grouped(known.map(|(listener, owner)| (listener, program(&owner.name), told(&owner.arguments))));
    if known.iter().any(|server| server.program == Program::Postgres) {
        return known;
    }
    let unknown = listeners.iter().filter(|it| it.port == USUAL && !owners.contains_key(&it.inode));
    let unknown = grouped(unknown.map(|listener| (listener, Program::Unknown, BTreeSet::new())));
    unknown.into_iter().chain(known).collect()
}

fn grouped<'a>(found: impl Iterator<Item = (&'a Listener, Program, BTreeSet<IpAddr>)>) -> Vec<Server> {
    let mut servers: BTreeMap<(Program, u16), Server> = BTreeMap::new();
    for (listener, program, told) in found {
        let port = listener.port;
        let server = servers.entry((program.clone(), port)).or_insert(Server {
            program,
            port,
            listening: BTreeSet::new(),
            told,
        });
        server.listening.insert(listener.address);
    }
    servers.into_values().collect()
}

fn program(name: &str) -> Program {
    if name.starts_with("post") || name.ends_with("postgres") {
        Program::Postgres
    } else {
        Program::Pooler(name.to_owned())
    }
}

/// The addresses in `--listen_addresses=…`, which Patroni gives, or `-h …`.
fn told(arguments: &[String]) -> BTreeSet<IpAddr> {
    let option = |text: &str| {
        let (name, value) = text.trim_start_matches('-').split_once('=')?;
        (name.replace('-', "_") == "listen_addresses").then(|| value.to_owned())
    };
    let short = arguments.windows(2).filter(|pair| pair[0] == "-h").map(|pair| pair[1].clone());
    let lists: Vec<String> = arguments.iter().filter_map(|text| option(text)).chain(short).collect();
    lists.iter().flat_map(|list| list.split(',')).filter_map(|text| text.trim().parse().ok()).collect()
}

fn listener(line: &str) -> Option<Listener> {
    const LISTEN: &str = "0A";
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = words.as_slice() else { return None };
    // The parser would accept a sign.
    let digits = local.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
    let (address, port) = local.split_once(':').filter(|_| digits)?;
    // Words of 32 bits, each as this machine has it in memory.
    let words = (0..address.len()).step_by(8).map(|at| u32::from_str_radix(address.get(at..at + 8)?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(v4) => v4.into(),
        Err(_) => <[u8; 16]>::try_from(bytes.as_slice()).ok().map(IpAddr::from)?,
    };
    Some(Listener { address, port: u16::from_str_radix(port, 16).ok()?, inode: inode.parse().ok()? })
}

const USUAL: u16 = 5432;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   104        0 4711 1 0 100 0 0 10 0\n   \
             1: 0100007F:1538 0100007F:9999 01 00000000:00000000 00:00000000 00000000   104        0 4712 1 0 20 4 0 10 -1\n";
        let loopback = Listener { address: "127.0.0.1".parse().unwrap(), port: 5432, inode: 4711 };
        assert_eq!(listeners(table), [loopback]);
        assert_eq!(listeners(&table.replace("0100007F:", "+100007F:")), []);
        let six = "   0: 00000000000000000000000001000000:1539 00000000000000000000000000000000:0000 0A 0:0 0:0 0 104 0 4713 1\n";
        assert_eq!(listeners(six), [Listener { address: "::1".parse().unwrap(), port: 5433, inode: 4713 }]);
    }

    #[test]
    fn servers_are_known_by_name_or_else_by_the_usual_port() {
        let on = |address: &str, port, inode| Listener { address: address.parse().unwrap(), port, inode };
        let sockets = [on("127.0.0.1", 5432, 1), on("::1", 5433, 2), on("127.0.0.1", 5433, 3), on("0.0.0.0", 6432, 4)];
        let process = |name: &str, arguments: &[&str]| Process {
            name: name.into(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
        };
        let told = ["-D", "/data", "--listen_addresses=localhost,10.0.0.5", "--port=5433"];
        let mut owners = BTreeMap::from([(4, process("pgbouncer", &[]))]);
        let programs = |owners: &BTreeMap<u64, Process>| -> Vec<(Program, u16)> {
            servers(&sockets, owners).into_iter().map(|server| (server.program, server.port)).collect()
        };
        let pooler = (Program::Pooler("pgbouncer".into()), 6432);
        assert_eq!(programs(&owners), [(Program::Unknown, 5432), pooler.clone()]);
        owners.extend([(2, process("postgres", &told)), (3, process("postgres", &told))]);
        assert_eq!(programs(&owners), [(Program::Postgres, 5433), pooler]);
        let server = servers(&sockets, &owners).remove(0);
        assert_eq!(server.listening.len(), 2);
        assert_eq!(server.told, ["10.0.0.5".parse().unwrap()].into());
    }
}
