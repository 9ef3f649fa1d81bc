//! The sections `zookeeper` and `exhibitor`.

use super::derivation::{Derivation, Section};
use super::etcd::with_port;
use super::tree::{self, Value};
use crate::config::keys::Key;

impl<'a> Derivation<'a> {
    /// The last of the hosts may be followed by a root for all keys, as ZooKeeper writes it.
    pub(super) fn zookeeper(&mut self, section: Section<'a>) {
        let hosts = section.list("hosts");
        match hosts.first() {
            Some((_, place)) => {
                let texts: Vec<_> = hosts.iter().map(|(host, _)| (*host).to_owned()).collect();
                self.set(Key::DcsEndpoints, &section.name("hosts"), place, texts);
            }
            None if self.is_set(Key::DcsEndpoints) => {}
            None => self.problem(section.place, "zookeeper names no hosts; expected hosts in it".to_owned()),
        }
        self.zookeeper_login(section);
    }

    /// The hosts of ZooKeeper are asked from these. The rest is as for ZooKeeper.
    pub(super) fn exhibitor(&mut self, section: Section<'a>) {
        let hosts = section.list("hosts");
        let port = section.text("port");
        match (hosts.first(), port) {
            (Some((_, place)), Some((port, _))) => {
                let texts: Vec<_> = hosts.iter().map(|(host, _)| with_port(host, port)).collect();
                self.set(Key::DcsEndpoints, &section.name("hosts"), place, texts);
            }
            _ if self.is_set(Key::DcsEndpoints) => {}
            _ => self.problem(section.place, "exhibitor needs hosts and port; expected both in it".to_owned()),
        }
        self.zookeeper_login(section);
    }

    fn zookeeper_login(&mut self, section: Section<'a>) {
        if section.text("use_ssl").and_then(|(text, _)| tree::switch(text)) == Some(true) {
            self.tls_files(section);
        }
        let Some(schemes) = section.map.get("auth_data").and_then(Value::map) else { return };
        for (scheme, credential) in schemes {
            if let ("digest", Some((credential, place))) = (scheme.as_str(), credential.text()) {
                let (user, password) = credential.split_once(':').unwrap_or((credential, ""));
                let name = section.name("auth_data");
                self.set(Key::DcsUser, &name, place, [user.to_owned()]);
                self.set(Key::DcsPassword, &name, place, [password.to_owned()]);
            } else {
                let text = format!("{}.{scheme} is not supported; only digest is", section.name("auth_data"));
                self.findings.warning(&credential.place, text);
            }
        }
    }
}
