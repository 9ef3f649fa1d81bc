//! Whether the PostgreSQL servers of this host would answer on the VIP, whatever port they listen on.

mod proc;

use std::collections::BTreeSet;
use std::net::IpAddr;

pub use proc::{Listener, Process, listeners, servers};

use super::Finding;
use super::names::listed;

/// What a server or a pooler calls itself.
pub const PROGRAMS: [&str; 8] =
    ["postgres", "postmaster", "edb-postgres", "pgbouncer", "odyssey", "pgcat", "pgpool", "haproxy"];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub vip: IpAddr,
    pub servers: Vec<Server>,
    /// Whether the kernel lets programs listen on addresses of the VIP's family that are not here.
    pub nonlocal_bind: bool,
}

/// A program that listens on a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    pub program: Program,
    pub port: u16,
    pub listening: BTreeSet<IpAddr>,
    /// The addresses that it was told to listen on, as far as its command line says so (Patroni's does).
    pub told: BTreeSet<IpAddr>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Program {
    Postgres,
    /// Its name.
    Pooler(String),
    /// Whose socket it is cannot be seen.
    Unknown,
}

impl Server {
    fn takes(&self, vip: IpAddr) -> bool {
        self.takes_any(vip) || self.listening.contains(&vip)
    }

    /// Whether it listens on every address of the VIP's family. Of an unknown one `::` may stand for both; PostgreSQL keeps them
    /// apart.
    fn takes_any(&self, vip: IpAddr) -> bool {
        let both = self.program != Program::Postgres;
        self.listening.iter().any(|ip| ip.is_unspecified() && (ip.is_ipv4() == vip.is_ipv4() || (both && ip.is_ipv6())))
    }
}

pub fn judge(facts: &Facts) -> Vec<Finding> {
    facts.servers.iter().filter_map(|server| one(facts, server)).collect()
}

fn one(facts: &Facts, server: &Server) -> Option<Finding> {
    let vip = facts.vip;
    let port = server.port;
    let addresses: Vec<String> = server.listening.iter().map(ToString::to_string).collect();
    let alone = format!("listens on {} alone", listed(&addresses));
    match server.program {
        Program::Pooler(_) => return None,
        Program::Unknown if !server.takes(vip) => {
            return Some(Finding::warning(
                "postgres-unseen",
                format!("port {port}"),
                format!(
                    "something {alone}, and whether it is PostgreSQL cannot be seen from here: then clients of {vip} will be refused"
                ),
                "run the check as root; where it is PostgreSQL, set listen_addresses = '*'",
            ));
        }
        Program::Postgres | Program::Unknown => {}
    }
    let subject = format!("PostgreSQL on port {port}");
    let good = |text: String| Some(Finding::pass("postgres-listens", subject.clone(), text));
    if server.takes_any(vip) || (server.listening.contains(&vip) && facts.nonlocal_bind) {
        return good(format!("takes connections for {vip}"));
    }
    if server.listening.contains(&vip) {
        return Some(Finding::warning(
            "postgres-nonlocal",
            subject,
            format!(
                "listens on {vip} by name: started where the VIP is not, it goes without it, or does not start at all"
            ),
            everywhere(vip, port),
        ));
    }
    if server.told.contains(&vip) {
        return Some(Finding::error(
            "postgres-late",
            subject,
            format!("was told to listen on {vip} and does not, since the VIP was not here when it started"),
            format!("{}; then restart PostgreSQL", everywhere(vip, port)),
        ));
    }
    if let Some((name, at)) = pooler(facts) {
        return good(format!("{alone}, and {name} takes connections for {vip} on port {at}"));
    }
    Some(Finding::error(
        "postgres-listens",
        subject,
        format!("{alone}: clients of {vip} will be refused"),
        format!("set listen_addresses = '*' (Patroni: postgresql.listen: '*:{port}') and restart PostgreSQL"),
    ))
}

/// Two ways to have PostgreSQL listen on an address that comes and goes.
fn everywhere(vip: IpAddr, port: u16) -> String {
    let family = if vip.is_ipv4() { "ipv4" } else { "ipv6" };
    format!(
        "set listen_addresses = '*' (Patroni: postgresql.listen: '*:{port}'), or on every host, at boot too, sysctl \
         net.{family}.ip_nonlocal_bind=1"
    )
}

/// A pooler that takes the VIP's clients in the server's place.
fn pooler(facts: &Facts) -> Option<(&str, u16)> {
    facts.servers.iter().find_map(|server| match &server.program {
        Program::Pooler(name) if server.takes(facts.vip) => Some((name.as_str(), server.port)),
        Program::Pooler(_) | Program::Postgres | Program::Unknown => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn server(program: Program, listening: &[&str]) -> Server {
        let listening = listening.iter().map(|ip| ip.parse().unwrap()).collect();
        Server { program, port: 5433, listening, told: BTreeSet::new() }
    }

    fn judged(servers: Vec<Server>, nonlocal_bind: bool) -> Vec<(&'static str, Level)> {
        let facts = Facts { vip: "10.0.0.5".parse().unwrap(), servers, nonlocal_bind };
        judge(&facts).iter().map(|finding| (finding.id, finding.level)).collect()
    }

    #[test]
    fn a_server_on_loopback_alone_refuses_the_vips_clients() {
        assert_eq!(judged(vec![], false), []);
        let on = |addresses: &[&str]| judged(vec![server(Program::Postgres, addresses)], false);
        assert_eq!(on(&["127.0.0.1"]), [("postgres-listens", Level::Error)]);
        assert_eq!(on(&["127.0.0.1", "0.0.0.0"]), [("postgres-listens", Level::Pass)]);
        // PostgreSQL keeps the families apart, others need not.
        assert_eq!(on(&["::"]), [("postgres-listens", Level::Error)]);
        assert_eq!(judged(vec![server(Program::Unknown, &["::"])], false), [("postgres-listens", Level::Pass)]);
        assert_eq!(judged(vec![server(Program::Unknown, &["::1"])], false), [("postgres-unseen", Level::Warning)]);
    }

    #[test]
    fn a_server_that_names_the_vip_needs_a_kernel_that_lets_it() {
        let named = || vec![server(Program::Postgres, &["127.0.0.1", "10.0.0.5"])];
        assert_eq!(judged(named(), true), [("postgres-listens", Level::Pass)]);
        assert_eq!(judged(named(), false), [("postgres-nonlocal", Level::Warning)]);
        let mut late = server(Program::Postgres, &["127.0.0.1"]);
        late.told = ["10.0.0.5".parse().unwrap()].into();
        assert_eq!(judged(vec![late], false), [("postgres-late", Level::Error)]);
    }

    #[test]
    fn a_pooler_may_take_the_clients_instead() {
        let pooler = |address| server(Program::Pooler("pgbouncer".into()), &[address]);
        let with = |address| judged(vec![server(Program::Postgres, &["127.0.0.1"]), pooler(address)], false);
        assert_eq!(with("0.0.0.0"), [("postgres-listens", Level::Pass)]);
        assert_eq!(with("127.0.0.1"), [("postgres-listens", Level::Error)]);
    }
}
