//! The section `restapi`: Patroni on this very host.

use super::derivation::{Derivation, Section};
use super::etcd::with_port;
use crate::config::keys::Key;

impl Derivation<'_> {
    pub(super) fn rest(&mut self) {
        let restapi = Section::of(self.root, "restapi");
        let ctl = Section::of(self.root, "ctl");
        let tls = restapi.is_some_and(|section| section.text("certfile").is_some());
        let listen = restapi.and_then(|section| section.list("listen").first().copied());
        let named = restapi.and_then(|section| section.text("connect_address"));
        let local = listen.filter(|(text, _)| !is_everywhere(text));
        // A certificate is for the name that others use.
        let (name, address) = match (named, local) {
            (Some(named), _) if tls => ("connect_address", Some(named)),
            (_, Some(local)) => ("listen", Some(local)),
            (_, None) => ("listen", listen),
        };
        let (text, place) = address.unwrap_or(("127.0.0.1:8008", restapi.map_or(self.place, |section| section.place)));
        let port = listen.and_then(|(text, _)| text.rsplit_once(':')).map_or("8008", |(_, port)| port);
        let host = if is_everywhere(text) { "127.0.0.1" } else { text };
        let scheme = if tls { "https" } else { "http" };
        let endpoint = format!("{scheme}://{}", with_port(host, port));
        self.set(Key::DcsEndpoints, &format!("restapi.{name}"), place, [endpoint]);
        if !tls {
            return;
        }
        let ca = ctl.filter(|section| section.text("cacert").is_some());
        match (ca, restapi) {
            (Some(ctl), _) => self.copy(Key::DcsCaFile, ctl, "cacert"),
            (None, Some(restapi)) => self.copy(Key::DcsCaFile, restapi, "cafile"),
            (None, None) => {}
        }
        let own = ctl.filter(|section| section.text("certfile").is_some());
        let demanded =
            restapi.filter(|section| section.text("verify_client").is_some_and(|(text, _)| text == "required"));
        if let Some(section) = own.or(demanded) {
            self.certificate(section, "certfile", "keyfile");
        }
    }
}

/// Whether a server that listens there listens on every address.
fn is_everywhere(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    matches!(host.trim_matches(['[', ']']), "" | "*" | "0.0.0.0" | "::")
}
