//! What is done to a host's interface, address and firewall, with the tools of an administrator.

use std::net::IpAddr;
use std::time::Duration;

use crate::support::clock::pause;
use crate::support::command::{feed, run};
use crate::support::host::{Host, INTERFACE};

/// Deletes an address that the daemon may not have restored yet.
pub(crate) fn delete_address(host: &Host, address: IpAddr) {
    let _ = host.attempt("ip", &["addr", "del", &format!("{address}/32"), "dev", INTERFACE]);
}

/// Removes every address, and gives the host its own ones back.
pub(crate) fn flush_addresses(host: &Host) {
    host.ip(&format!("addr flush dev {INTERFACE}"));
    pause(Duration::from_millis(100));
    restore_own_addresses(host);
}

/// Restores the host's own addresses. The kernel removes the IPv6 address with the link.
pub(crate) fn restore_own_addresses(host: &Host) {
    for own in [format!("{}/16", host.v4()), format!("{}/64", host.v6())] {
        let _ = host.attempt("ip", &["addr", "add", &own, "dev", INTERFACE, "nodad"]);
        let _ = host.attempt("ip", &["addr", "add", &own, "dev", INTERFACE]);
    }
}

/// Takes the link down and up.
pub(crate) fn flap(host: &Host) {
    host.ip(&format!("link set {INTERFACE} down"));
    pause(Duration::from_millis(300));
    host.ip(&format!("link set {INTERFACE} up"));
}

/// Renames the interface.
pub(crate) fn rename(host: &Host, from: &str, to: &str) {
    for step in [format!("link set {from} down"), format!("link set {from} name {to}"), format!("link set {to} up")] {
        host.ip(&step);
    }
}

/// Lets the host's firewall reset every connection to this port.
pub(crate) fn reject(host: &Host, port: u16) {
    let rules = format!(
        "table inet wall {{\nchain out {{\ntype filter hook output priority 0;\ntcp dport {port} reject with tcp reset\n}}\n}}\n"
    );
    feed("ip", &["netns", "exec", host.namespace(), "nft", "-f", "-"], &rules);
}

/// Ends that.
pub(crate) fn accept(host: &Host) {
    run("ip", &["netns", "exec", host.namespace(), "nft", "delete", "table", "inet", "wall"]);
}

/// Ends every connection to this port.
pub(crate) fn end_connections(host: &Host, port: u16) {
    host.run("ss", &["--kill", "--tcp", "--no-header", &format!("dport = :{port}")]);
}

/// Sets a limit of a process. Only the soft limit, because the hard limit could not be raised again.
pub(crate) fn limit(process: u32, what: &str) {
    run("prlimit", &["--pid", &process.to_string(), what]);
}
