//! Whether the PostgreSQL servers of this host accept connections to the VIP, on any port.

mod servers;

use std::net::IpAddr;

pub use servers::{Listener, Process, Program, Server, listeners, servers};

use super::Finding;
use super::names::listed;

/// Process names of servers and poolers.
pub const PROGRAMS: [&str; 8] =
    ["postgres", "postmaster", "edb-postgres", "pgbouncer", "odyssey", "pgcat", "pgpool", "haproxy"];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub vip: IpAddr,
    pub servers: Vec<Server>,
    /// Whether the kernel lets programs listen on addresses of the VIP's family that are not here.
    pub nonlocal_bind: bool,
}

pub fn judge(facts: &Facts) -> Vec<Finding> {
    facts.servers.iter().filter_map(|server| one(facts, server)).collect()
}

fn one(facts: &Facts, server: &Server) -> Option<Finding> {
    let vip = facts.vip;
    let port = server.port;
    let addresses: Vec<String> = server.listening.iter().map(ToString::to_string).collect();
    let only = format!("listens only on {}", listed(&addresses));
    match server.program {
        Program::Pooler(_) => return None,
        Program::Unknown if !server.takes(vip) => {
            return Some(Finding::warning(
                "postgres-unseen",
                format!("port {port}"),
                format!(
                    "something {only}; this user cannot see whether it is PostgreSQL, which would refuse clients of {vip}"
                ),
                "run the check as root; if it is PostgreSQL, set listen_addresses = '*'",
            ));
        }
        Program::Postgres | Program::Unknown => {}
    }
    let subject = format!("PostgreSQL on port {port}");
    let good = |text: String| Some(Finding::pass("postgres-listens", subject.clone(), text));
    if server.takes_any(vip) || (server.listening.contains(&vip) && facts.nonlocal_bind) {
        return good(format!("accepts connections to {vip}"));
    }
    if server.listening.contains(&vip) {
        return Some(Finding::warning(
            "postgres-nonlocal",
            subject,
            format!("listens on {vip} explicitly: started without the VIP, it skips that address or does not start"),
            everywhere(vip, port),
        ));
    }
    if server.told.contains(&vip) {
        return Some(Finding::error(
            "postgres-late",
            subject,
            format!("is configured to listen on {vip} but does not, because the VIP was not here when it started"),
            format!("{}; then restart PostgreSQL", everywhere(vip, port)),
        ));
    }
    if let Some((name, at)) = pooler(facts) {
        return good(format!("{only}, and {name} accepts connections to {vip} on port {at}"));
    }
    Some(Finding::error(
        "postgres-listens",
        subject,
        format!("{only}: clients of {vip} are refused"),
        format!("set listen_addresses = '*' (Patroni: postgresql.listen: '*:{port}') and restart PostgreSQL"),
    ))
}

/// Two ways to make PostgreSQL listen on an address that comes and goes.
fn everywhere(vip: IpAddr, port: u16) -> String {
    let family = if vip.is_ipv4() { "ipv4" } else { "ipv6" };
    format!(
        "set listen_addresses = '*' (Patroni: postgresql.listen: '*:{port}'), or on every host, also at boot, sysctl \
         net.{family}.ip_nonlocal_bind=1"
    )
}

/// A pooler that accepts the VIP's clients instead of the server.
fn pooler(facts: &Facts) -> Option<(&str, u16)> {
    facts.servers.iter().find_map(|server| match &server.program {
        Program::Pooler(name) if server.takes(facts.vip) => Some((name.as_str(), server.port)),
        Program::Pooler(_) | Program::Postgres | Program::Unknown => None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
    fn a_server_only_on_loopback_refuses_the_vips_clients() {
        assert_eq!(judged(vec![], false), []);
        let on = |addresses: &[&str]| judged(vec![server(Program::Postgres, addresses)], false);
        assert_eq!(on(&["127.0.0.1"]), [("postgres-listens", Level::Error)]);
        assert_eq!(on(&["127.0.0.1", "0.0.0.0"]), [("postgres-listens", Level::Pass)]);
        // PostgreSQL separates the families, others need not.
        assert_eq!(on(&["::"]), [("postgres-listens", Level::Error)]);
        assert_eq!(judged(vec![server(Program::Unknown, &["::"])], false), [("postgres-listens", Level::Pass)]);
        assert_eq!(judged(vec![server(Program::Unknown, &["::1"])], false), [("postgres-unseen", Level::Warning)]);
    }

    #[test]
    fn a_server_that_names_the_vip_needs_nonlocal_bind() {
        let named = || vec![server(Program::Postgres, &["127.0.0.1", "10.0.0.5"])];
        assert_eq!(judged(named(), true), [("postgres-listens", Level::Pass)]);
        assert_eq!(judged(named(), false), [("postgres-nonlocal", Level::Warning)]);
        let mut late = server(Program::Postgres, &["127.0.0.1"]);
        late.told = ["10.0.0.5".parse().unwrap()].into();
        assert_eq!(judged(vec![late], false), [("postgres-late", Level::Error)]);
    }

    #[test]
    fn a_pooler_may_accept_the_clients_instead() {
        let pooler = |address| server(Program::Pooler("pgbouncer".into()), &[address]);
        let with = |address| judged(vec![server(Program::Postgres, &["127.0.0.1"]), pooler(address)], false);
        assert_eq!(with("0.0.0.0"), [("postgres-listens", Level::Pass)]);
        assert_eq!(with("127.0.0.1"), [("postgres-listens", Level::Error)]);
    }
}
