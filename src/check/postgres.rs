//! Whether a local PostgreSQL would answer on the VIP.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Finding;

/// What listens on the port of PostgreSQL here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub vip: IpAddr,
    pub port: u16,
    /// Empty where nothing listens.
    pub listening: BTreeSet<IpAddr>,
}

pub fn judge(facts: &Facts) -> Option<Finding> {
    let Facts { vip, port, listening } = facts;
    if listening.is_empty() {
        return None;
    }
    let subject = format!("PostgreSQL on port {port}");
    let every = listening.iter().any(|ip| ip.is_unspecified() && (ip.is_ipv6() || vip.is_ipv4()));
    if every || listening.contains(vip) {
        return Some(Finding::good("postgres-listens", subject, format!("takes connections for {vip}")));
    }
    let family = if vip.is_ipv4() { "ipv4" } else { "ipv6" };
    let addresses: Vec<String> = listening.iter().map(ToString::to_string).collect();
    Some(Finding::bad(
        "postgres-listens",
        subject,
        format!("listens on {} alone: clients of {vip} will be refused", super::names::listed(&addresses)),
        format!(
            "set listen_addresses = '*' (Patroni: postgresql.listen: '*:{port}') and restart PostgreSQL; with the VIP itself \
             in it, a standby does not start unless net.{family}.ip_nonlocal_bind is 1"
        ),
    ))
}

/// The addresses that `/proc/net/tcp` or `tcp6` says are listened on at this port.
pub fn listening(table: &str, port: u16) -> BTreeSet<IpAddr> {
    table.lines().filter_map(|line| listener(line, port)).collect()
}

fn listener(line: &str, port: u16) -> Option<IpAddr> {
    const LISTEN: &str = "0A";
    let mut words = line.split_whitespace().skip(1);
    let (address, at) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    if state != LISTEN || u16::from_str_radix(at, 16).ok()? != port {
        return None;
    }
    // Words of 32 bits, each as this machine has it in memory.
    let words = (0..address.len()).step_by(8).map(|at| u32::from_str_radix(address.get(at..at + 8)?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    if let Ok(v4) = <[u8; 4]>::try_from(bytes.as_slice()) {
        Some(v4.into())
    } else {
        <[u8; 16]>::try_from(bytes.as_slice()).ok().map(IpAddr::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(listening: &[&str]) -> Facts {
        let listening = listening.iter().map(|ip| ip.parse().unwrap()).collect();
        Facts { vip: "10.0.0.5".parse().unwrap(), port: 5432, listening }
    }

    #[test]
    fn a_server_on_loopback_alone_refuses_the_vips_clients() {
        assert_eq!(judge(&facts(&[])), None);
        let finding = judge(&facts(&["127.0.0.1"])).unwrap();
        assert_eq!(finding.text, "listens on 127.0.0.1 alone: clients of 10.0.0.5 will be refused");
        for fine in ["0.0.0.0", "::", "10.0.0.5"] {
            assert_eq!(judge(&facts(&["127.0.0.1", fine])).unwrap().level, super::super::Level::Good, "{fine}");
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:1538 00000000:0000 0A 0\n   1: 0100007F:1538 0100007F:9999 01 0\n";
        assert_eq!(listening(table, 5432), ["127.0.0.1".parse().unwrap()].into());
        assert_eq!(listening(table, 5433), BTreeSet::new());
        let six = "   0: 00000000000000000000000001000000:1538 00000000000000000000000000000000:0000 0A 0\n";
        assert_eq!(listening(six, 5432), ["::1".parse().unwrap()].into());
    }
}
