//! The section `consul`.

use super::derivation::{Derivation, Section};
use super::etcd::with_port;
use crate::config::keys::Key;

impl<'a> Derivation<'a> {
    pub(super) fn consul(&mut self, section: Section<'a>) {
        self.copy(Key::DcsToken, section, "token");
        self.copy(Key::DcsDatacenter, section, "dc");
        let mut tls = section.text("scheme").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"));
        if let Some((text, place)) = section.text("url") {
            tls = self.url(section, "url", text, place, 8500);
        } else {
            let scheme = if tls { "https" } else { "http" };
            let port = section.text("port").map_or("8500", |(port, _)| port);
            let named = section.text("host").map(|(host, place)| ("host", host, place));
            let port_alone = || section.text("port").map(|(_, place)| ("port", "127.0.0.1", place));
            let (name, host, place) = named.or_else(port_alone).unwrap_or(("host", "127.0.0.1", section.place));
            self.set(Key::DcsEndpoints, &section.name(name), place, [format!("{scheme}://{}", with_port(host, port))]);
        }
        if tls || self.is_set(Key::DcsEndpoints) {
            self.tls_files(section);
        }
    }
}
