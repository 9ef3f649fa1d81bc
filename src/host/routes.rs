//! Which of the host's addresses its own connections start from.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::driver::Circumstances;

/// Asks the kernel for the source addresses of the default routes and of the endpoints. Names are not looked up.
pub fn circumstances<'a>(endpoints: impl Iterator<Item = (&'a str, u16)>, older_release: bool) -> Circumstances {
    let endpoints = endpoints.filter_map(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, port)));
    Circumstances {
        default_sources: sources([SocketAddr::new(ANYWHERE, PORT), SocketAddr::new(ANYWHERE6, PORT)].into_iter()),
        endpoint_sources: sources(endpoints),
        older_release,
    }
}

fn sources(targets: impl Iterator<Item = SocketAddr>) -> BTreeSet<IpAddr> {
    targets.filter_map(source_to).collect()
}

/// To connect a datagram socket is to look a route up; nothing is sent.
fn source_to(target: SocketAddr) -> Option<IpAddr> {
    let any = if target.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(target).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Addresses for documentation, to which only a default route leads.
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ANYWHERE6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const PORT: u16 = 9;
