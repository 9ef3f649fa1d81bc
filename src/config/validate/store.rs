//! Where the store is and how to be let in: kind, endpoints, login, token, trust, client certificate.

use std::path::PathBuf;

use super::scope::Scope;
use super::validator::{Reported, Validator};
use crate::config::keys::{self, Key};
use crate::config::setting::Setting;
use crate::config::stores::{
    Endpoint, Identity, Kubeconfig, Location, Login, OptionNames, Password, Secret, SourceConfig, SourceIndex,
    StoreConfig, StoreType, TYPES,
};
use crate::config::values;

/// The store of one scope.
#[derive(Clone, Copy)]
pub(super) struct Store {
    /// Its kind, if that could be read.
    pub(super) kind: Result<&'static StoreType, Reported>,
    /// Its position among the stores.
    pub(super) index: Result<SourceIndex, Reported>,
}

impl<'a> Validator<'a> {
    /// The store of each scope, and all stores, each once.
    pub(super) fn stores(&mut self, scopes: &mut [Scope<'a>]) -> (Vec<Store>, Vec<SourceConfig>) {
        let mut sources = Vec::new();
        let mut top = Scope { entry: None, top: &self.given.top, patroni: self.given.patroni.as_ref(), foreign: None };
        // Its mistakes are named even if there is no sound entry that could use it.
        let shared =
            (scopes.is_empty() || scopes.iter().any(Scope::shares_store)).then(|| self.store(&mut top, &mut sources));
        let mut stores = Vec::with_capacity(scopes.len());
        for scope in scopes {
            stores.push(match shared {
                Some(shared) if scope.shares_store() => {
                    scope.foreign = top.foreign;
                    shared
                }
                Some(_) | None => self.store(scope, &mut sources),
            });
        }
        (stores, sources)
    }

    fn store(&mut self, scope: &mut Scope<'a>, sources: &mut Vec<SourceConfig>) -> Store {
        let kind = self.kind(scope);
        if kind.is_ok_and(|kind| kind.foreign_variables) {
            scope.foreign = Some(&self.given.foreign);
            for (place, text) in &self.given.foreign_warnings {
                self.findings.warning(place, text.clone());
            }
        }
        let index = self.source(scope, kind).map(|source| {
            sources.iter().position(|known| *known == source).unwrap_or_else(|| {
                sources.push(source);
                sources.len() - 1
            })
        });
        Store { kind, index }
    }

    /// The kind of the store; where that is mistaken, what the default would be.
    fn kind(&mut self, scope: &Scope<'a>) -> Result<&'static StoreType, Reported> {
        let kind = self.value(scope.find(Key::DcsType), |text| values::choice(text, TYPES))?;
        Ok(kind.unwrap_or(TYPES[0].1))
    }

    fn source(
        &mut self,
        scope: &Scope<'a>,
        kind: Result<&'static StoreType, Reported>,
    ) -> Result<SourceConfig, Reported> {
        let known = kind.unwrap_or(TYPES[0].1);
        let ca_file = path(scope, Key::DcsCaFile);
        let tls = TLS_FILES.iter().any(|key| scope.find(*key).is_some());
        let endpoints = self.endpoints(scope, known, tls);
        let login = self.login(scope);
        let token = self.given_or_file(scope, Key::DcsToken, Key::DcsTokenFile);
        let identity = self.identity(scope);
        if let (false, Ok(Some((setting, _)))) = (known.token, &token) {
            let text = format!("{} has no effect with {}", setting.good_name(), known.title);
            self.findings.notice(&setting.place, text);
        }
        if let (false, Some(user)) = (known.login, scope.find(Key::DcsUser)) {
            let text = format!("{} has no effect with {}", user.good_name(), known.title);
            self.findings.notice(&user.place, text);
        }
        if let Ok((endpoints, _)) = &endpoints {
            self.note_plain_text(scope, endpoints);
        }
        let kubeconfig = self.kubeconfig(scope, known);
        let (endpoints, root) = endpoints?;
        let store = StoreConfig {
            endpoints,
            root,
            login: login?.filter(|_| known.login),
            token: token?.filter(|_| known.token).map(|(_, token)| token),
            ca_file,
            identity: identity?,
            location: Location {
                datacenter: text(scope, Key::DcsDatacenter),
                namespace: text(scope, Key::DcsNamespace),
                partition: text(scope, Key::DcsPartition),
            },
            kubeconfig: kubeconfig?,
            names: names(scope, known),
        };
        kind.map(|kind| (kind.new)(store))
    }

    /// A kubeconfig says where the servers are and how to log in, so nothing else may.
    fn kubeconfig(&mut self, scope: &Scope<'a>, kind: &StoreType) -> Result<Kubeconfig, Reported> {
        let (file, context) = (scope.find(Key::Kubeconfig), scope.find(Key::KubeContext));
        if !kind.kubeconfig {
            for setting in [file, context].into_iter().flatten() {
                let text = format!("{} has no effect with {}", setting.good_name(), kind.title);
                self.findings.notice(&setting.place, text);
            }
            return Ok(Kubeconfig::default());
        }
        let others = [Key::DcsEndpoints, Key::DcsToken, Key::DcsTokenFile, Key::DcsCertFile];
        if let (Some(file), Some(other)) = (file, others.into_iter().find_map(|key| scope.find(key))) {
            let (name, other_name) = (file.good_name(), other.good_name());
            let text = format!("{name} and {other_name} (at {}) are both set; the kubeconfig says both", other.place);
            return Err(self.problem(&file.place, text));
        }
        Ok(Kubeconfig {
            file: file.map(|setting| PathBuf::from(setting.text())),
            context: context.map(|setting| setting.text().to_owned()),
        })
    }

    fn login(&mut self, scope: &Scope<'a>) -> Result<Option<Login>, Reported> {
        let user = scope.find(Key::DcsUser);
        let password = self.given_or_file(scope, Key::DcsPassword, Key::DcsPasswordFile)?;
        match (user, password) {
            (Some(user), Some((_, password))) => Ok(Some(Login { user: user.text().to_owned(), password })),
            (None, Some((setting, _))) => {
                let (name, user) = (setting.good_name(), keys::sibling(Key::DcsUser, setting.good_name()));
                let text = format!("{name} is set without {user}; expected both or neither");
                Err(self.problem(&setting.place, text))
            }
            (Some(user), None) => {
                let name = user.good_name();
                let [password, file] = [Key::DcsPassword, Key::DcsPasswordFile].map(|key| keys::sibling(key, name));
                let text = format!("{name} has no effect without {password} or {file}");
                self.findings.notice(&user.place, text);
                Ok(None)
            }
            (None, None) => Ok(None),
        }
    }

    /// A secret that is given, or the file that contains it.
    fn given_or_file(&mut self, scope: &Scope<'a>, given: Key, file: Key) -> Result<Option<Found<'a>>, Reported> {
        match (scope.find(given), scope.find(file)) {
            (None, None) => Ok(None),
            (Some(given), None) => Ok(Some((given, Password::Given(Secret::new(given.text().to_owned()))))),
            (None, Some(file)) => Ok(Some((file, Password::File(PathBuf::from(file.text()))))),
            (Some(given), Some(file)) => {
                let (name, other) = (file.good_name(), given.good_name());
                let text = format!("{name} and {other} (at {}) are both set; expected one", given.place);
                Err(self.problem(&file.place, text))
            }
        }
    }

    fn identity(&mut self, scope: &Scope<'a>) -> Result<Option<Identity>, Reported> {
        let alone = match (scope.find(Key::DcsCertFile), scope.find(Key::DcsKeyFile)) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => {
                let (certificate, key) = (PathBuf::from(certificate.text()), PathBuf::from(key.text()));
                return Ok(Some(Identity { certificate, key }));
            }
            (Some(certificate), None) => (certificate, Key::DcsKeyFile),
            (None, Some(key)) => (key, Key::DcsCertFile),
        };
        let (setting, other) = alone;
        let (name, other) = (setting.good_name(), keys::sibling(other, setting.good_name()));
        Err(self.problem(&setting.place, format!("{name} is set without {other}; expected both or neither")))
    }

    /// Old files set TLS files beside `http://` endpoints and worked, without TLS. They go on working, but are told.
    fn note_plain_text(&mut self, scope: &Scope<'a>, endpoints: &[Endpoint]) {
        let file = TLS_FILES.iter().find_map(|key| scope.find(*key));
        if let (Some(file), true) = (file, endpoints.iter().all(|endpoint| !endpoint.tls)) {
            let text =
                format!("{} has no effect: every endpoint is http://; write https:// to use TLS", file.good_name());
            self.findings.notice(&file.place, text);
        }
    }
}

/// A secret with the setting that it comes from.
type Found<'a> = (&'a Setting, Password);

fn path(scope: &Scope<'_>, key: Key) -> Option<PathBuf> {
    scope.find(key).map(|setting| PathBuf::from(setting.text()))
}

fn text(scope: &Scope<'_>, key: Key) -> Option<String> {
    scope.find(key).map(|setting| setting.text().to_owned())
}

/// What the user calls the options; those that are not set, like those that are, or like the store.
fn names(scope: &Scope<'_>, kind: &StoreType) -> OptionNames {
    let written = NAMED.iter().find_map(|key| scope.find(*key)).map_or(kind.name, Setting::good_name);
    let name = |key| scope.find(key).map_or_else(|| keys::sibling(key, written), Setting::good_name);
    OptionNames {
        user: name(Key::DcsUser),
        password: name(Key::DcsPassword),
        password_file: name(Key::DcsPasswordFile),
        token: name(Key::DcsToken),
        token_file: name(Key::DcsTokenFile),
        ca_file: name(Key::DcsCaFile),
        cert_file: name(Key::DcsCertFile),
        key_file: name(Key::DcsKeyFile),
    }
}

const TLS_FILES: [Key; 3] = [Key::DcsCaFile, Key::DcsCertFile, Key::DcsKeyFile];
const NAMED: [Key; 8] = [
    Key::DcsUser,
    Key::DcsPassword,
    Key::DcsPasswordFile,
    Key::DcsCaFile,
    Key::DcsCertFile,
    Key::DcsKeyFile,
    Key::DcsToken,
    Key::DcsTokenFile,
];
