//! Where the store is and how to be let in: endpoints, login, trust, client certificate.

use std::path::PathBuf;

use super::validator::{Reported, Validator};
use crate::config::keys::Key;
use crate::config::model::{Endpoint, Identity, Login, Password, Secret, StoreConfig};

impl Validator<'_> {
    pub(super) fn store(&mut self) -> Result<StoreConfig, Reported> {
        let top = &self.given.top;
        let ca_file = self.path(Key::DcsCaFile);
        let tls = TLS_FILES.iter().any(|key| top.find(*key).is_some());
        let endpoints = self.endpoints(tls);
        let login = self.login();
        let identity = self.identity();
        if let Some(token) = top.find(Key::ConsulToken) {
            self.findings.notice(&token.place, "consul-token has no effect with etcd");
        }
        if let Ok(endpoints) = &endpoints {
            self.note_plain_text(endpoints);
        }
        Ok(StoreConfig { endpoints: endpoints?, login: login?, ca_file, identity: identity? })
    }

    fn login(&mut self) -> Result<Option<Login>, Reported> {
        let top = &self.given.top;
        let (user, given, file) = (top.find(Key::DcsUser), top.find(Key::DcsPassword), top.find(Key::DcsPasswordFile));
        let password = match (given, file) {
            (None, None) => None,
            (Some(given), None) => Some((given, Password::Given(Secret::new(given.text().to_owned())))),
            (None, Some(file)) => Some((file, Password::File(PathBuf::from(file.text())))),
            (Some(given), Some(file)) => {
                let text =
                    format!("etcd-password-file and etcd-password (at {}) are both set; expected one", given.place);
                return Err(self.problem(&file.place, text));
            }
        };
        match (user, password) {
            (Some(user), Some((_, password))) => Ok(Some(Login { user: user.text().to_owned(), password })),
            (None, Some((setting, _))) => {
                let text = format!("{} is set without etcd-user; expected both or neither", setting.key.name());
                Err(self.problem(&setting.place, text))
            }
            (Some(user), None) => {
                let text = "etcd-user has no effect without etcd-password or etcd-password-file";
                self.findings.notice(&user.place, text);
                Ok(None)
            }
            (None, None) => Ok(None),
        }
    }

    fn identity(&mut self) -> Result<Option<Identity>, Reported> {
        let top = &self.given.top;
        let alone = match (top.find(Key::DcsCertFile), top.find(Key::DcsKeyFile)) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => {
                let (certificate, key) = (PathBuf::from(certificate.text()), PathBuf::from(key.text()));
                return Ok(Some(Identity { certificate, key }));
            }
            (Some(certificate), None) => (certificate, "etcd-key-file"),
            (None, Some(key)) => (key, "etcd-cert-file"),
        };
        let (setting, other) = alone;
        let text = format!("{} is set without {other}; expected both or neither", setting.key.name());
        Err(self.problem(&setting.place, text))
    }

    /// Old files set TLS files beside `http://` endpoints and worked, without TLS. They go on working, but are told.
    fn note_plain_text(&mut self, endpoints: &[Endpoint]) {
        let top = &self.given.top;
        let file = TLS_FILES.iter().find_map(|key| top.find(*key));
        if let (Some(file), true) = (file, endpoints.iter().all(|endpoint| !endpoint.tls)) {
            let text =
                format!("{} has no effect: every endpoint is http://; write https:// to use TLS", file.key.name());
            self.findings.notice(&file.place, text);
        }
    }

    fn path(&self, key: Key) -> Option<PathBuf> {
        self.given.top.find(key).map(|setting| PathBuf::from(setting.text()))
    }
}

const TLS_FILES: [Key; 3] = [Key::DcsCaFile, Key::DcsCertFile, Key::DcsKeyFile];
