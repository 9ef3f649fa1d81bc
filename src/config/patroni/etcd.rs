//! The sections `etcd` (the old v2 store) and `etcd3`.

use super::derivation::{Derivation, Section};
use crate::config::diagnostic::Place;
use crate::config::keys::Key;
use crate::config::stores::split_url;

impl<'a> Derivation<'a> {
    pub(super) fn etcd(&mut self, section: Section<'a>) {
        self.copy(Key::DcsUser, section, "username");
        self.copy(Key::DcsPassword, section, "password");
        let protocol = section.text("protocol").map_or("http", |(protocol, _)| protocol);
        let mut tls = protocol.eq_ignore_ascii_case("https");
        if let Some(name) = ["proxy", "url"].into_iter().find(|name| section.text(name).is_some()) {
            if let Some((text, place)) = section.text(name) {
                tls |= self.url(section, name, text, place, 2379);
            }
        } else if self.is_set(Key::DcsEndpoints) {
            tls = true;
        } else if section.map.contains_key("hosts") {
            let port = section.text("port").map_or("2379", |(port, _)| port);
            let hosts = section.list("hosts");
            let place = hosts.first().map_or(section.place, |(_, place)| *place);
            let texts: Vec<_> =
                hosts.iter().map(|(host, _)| format!("{protocol}://{}", with_port(host, port))).collect();
            self.set(Key::DcsEndpoints, &section.name("hosts"), place, texts);
        } else if let Some((host, place)) = section.text("host") {
            let port = section.text("port").map_or("2379", |(port, _)| port);
            self.set(
                Key::DcsEndpoints,
                &section.name("host"),
                place,
                [format!("{protocol}://{}", with_port(host, port))],
            );
        } else if let Some((name, (domain, place))) = SRV.into_iter().find_map(|name| Some((name, section.text(name)?)))
        {
            tls |= self.service(section, name, domain, place);
        } else {
            let text = format!("{} names no endpoint; expected host, hosts, srv, url or proxy in it", section.title);
            self.problem(section.place, text);
        }
        if tls {
            self.tls_files(section);
        }
    }

    /// The servers that DNS names for this domain, asked for as Patroni does it. Returns whether they speak TLS.
    fn service(&mut self, section: Section<'a>, name: &str, domain: &str, place: &Place) -> bool {
        let (name, domain) = (section.name(name), domain.trim());
        let suffix = section.text("srv_suffix").map(|(suffix, _)| format!("-{suffix}")).unwrap_or_default();
        for service in SERVICES {
            let asked = format!("_etcd{service}{suffix}._tcp.{domain}");
            let servers = match (self.lookup)(&asked) {
                Ok(servers) if servers.is_empty() => continue,
                Ok(servers) => servers,
                Err(why) => {
                    let text =
                        format!("cannot look up the {name} record {asked}: {why}; set dcs-endpoints to do without");
                    self.problem(place, text);
                    return false;
                }
            };
            if service.starts_with(PEERS) {
                let text = format!(
                    "DNS has only the ports of etcd's peers for {name} ({asked}); add records \
                     _etcd-client{suffix}._tcp.{domain}, or set dcs-endpoints"
                );
                self.problem(place, text);
                return false;
            }
            let tls = service.ends_with(TLS);
            let scheme = if tls { "https" } else { "http" };
            let texts = servers.iter().map(|server| format!("{scheme}://{}:{}", server.host, server.port));
            self.set(Key::DcsEndpoints, &name, place, texts);
            return tls;
        }
        let text = format!(
            "DNS has no record for {name}: neither _etcd-client{suffix}._tcp.{domain} nor \
             _etcd-client-ssl{suffix}._tcp.{domain}; add one, or set dcs-endpoints"
        );
        self.problem(place, text);
        false
    }

    /// Sets the endpoint and the login of a URL. Returns whether it is one of TLS.
    pub(super) fn url(&mut self, section: Section<'a>, name: &str, text: &str, place: &Place, port: u16) -> bool {
        let url = split_url(text);
        let tls = url.scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        if let Some((user, password)) = url.user {
            self.set(Key::DcsUser, &section.name(name), place, [user.to_owned()]);
            self.set(Key::DcsPassword, &section.name(name), place, password.map(str::to_owned));
        }
        let scheme = url.scheme.unwrap_or("http");
        let endpoint = format!("{scheme}://{}", with_port(url.authority, &port.to_string()));
        self.set(Key::DcsEndpoints, &section.name(name), place, [endpoint]);
        tls
    }
}

/// Host and port, the port as given where the host has none.
pub(super) fn with_port(host: &str, port: &str) -> String {
    match host.rsplit_once(':') {
        // An IPv6 address, without a port and perhaps without brackets.
        Some((before, _)) if before.contains(':') && !before.ends_with(']') => match host.strip_suffix(']') {
            Some(_) => format!("{host}:{port}"),
            None => format!("[{host}]:{port}"),
        },
        Some(_) => host.to_owned(),
        None => format!("{host}:{port}"),
    }
}

const SRV: [&str; 3] = ["srv", "discovery_srv", "srv_domain"];
/// In Patroni's order.
const SERVICES: [&str; 6] = ["-client-ssl", "-client", "-ssl", "", "-server-ssl", "-server"];
const PEERS: &str = "-server";
const TLS: &str = "-ssl";
