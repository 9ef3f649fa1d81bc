//! Patroni's REST API: the answer of the new leader's Patroni changes. No client is told; each has to ask.

use super::{Bare, Store};
use crate::support::daemon::ConfigFile;
use crate::support::host::{Host, INTERFACE, VIP};
use crate::support::lab::Lab;
use crate::support::rest::RestApi;

pub(super) struct OnRest {
    apis: Vec<(String, RestApi)>,
}

impl Store for OnRest {
    fn name() -> String {
        "Patroni's REST API".to_owned()
    }

    fn start(_lab: &Lab, hosts: &[Host], _client: &Host) -> Self {
        Self { apis: hosts.iter().map(|host| (host.name().to_owned(), RestApi::start(host))).collect() }
    }

    fn config(&self, _host: &Host) -> ConfigFile {
        ConfigFile::bare().with("ip", VIP).with("interface", INTERFACE).with("dcs-type", "patroni")
    }

    fn wait(&self) -> Option<Bare> {
        None
    }

    fn lead(&self, name: &str) {
        for (host, api) in &self.apis {
            api.lead(host == name);
        }
    }
}
