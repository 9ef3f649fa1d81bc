//! Configurations of earlier releases, brought up against their stores: the daemon is started with the very file or
//! variables, in which only addresses, paths, tokens and the interface are replaced by those of the lab. It acquires the
//! VIP, and `check` finds no error. So is Patroni's own file where Kubernetes is the store.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod consul;
mod etcd;
#[path = "../config/field.rs"]
#[expect(dead_code, reason = "what `show-config` prints is for the tests of the configuration")]
mod field;
mod others;
mod patroni_config;

use std::collections::BTreeSet;
use std::time::Duration;

use field::FORMS;
use support::daemon::{Daemon, vip_manager};
use support::host::{Host, INTERFACE, VIP};
use support::lab::Lab;
use support::observer::AddressObserver;

const SOON: Duration = Duration::from_secs(30);

/// A host on which a form is brought up.
struct Site {
    host: Host,
    observer: AddressObserver,
    lab: Lab,
}

impl Site {
    fn new(name: &str, host: &str) -> Self {
        let lab = Lab::new(name);
        let host = lab.host(host);
        let observer = AddressObserver::over(&[&host]);
        Self { host, observer, lab }
    }

    /// Starts a daemon with the form of this name, in which these words are replaced.
    fn bring_up(&self, name: &str, replacements: &[(&str, &str)]) {
        assert!(BROUGHT_UP.contains(&name), "{name} is not in the list");
        let form = FORMS.iter().find(|form| form.name == name).unwrap();
        let replaced =
            |text: &str| replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let text = replaced(form.file);
        let variables: Vec<(&str, String)> =
            form.variables.iter().map(|(name, value)| (*name, replaced(value))).collect();
        for (from, _) in replacements {
            let used = form.file.contains(from) || form.variables.iter().any(|(_, value)| value.contains(from));
            assert!(used, "{name}: {from} is not in the form");
        }
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        drop(self.hold(name, &text, &variables));
        self.observer.wait_gone(&self.host, VIP, SOON);
    }

    /// Starts a daemon, waits until it holds the VIP, and checks its configuration.
    fn hold(&self, name: &str, text: &str, variables: &[(&str, &str)]) -> Daemon {
        let daemon = Daemon::launch(&self.host, text, &[], variables);
        self.observer.wait_held(&self.host, VIP, SOON);
        let mut check = vip_manager(&self.host);
        check.arg("check").arg("--config").arg(&daemon.config).envs(variables.iter().copied());
        check.env("LC_ALL", "C.UTF-8");
        let checked = check.output().unwrap();
        let printed = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(0), "{name}:\n{printed}\n{}", daemon.process.text());
        daemon
    }
}

/// The interface of the lab for that of a form.
fn interface(of_form: &str) -> (&str, &str) {
    (of_form, INTERFACE)
}

/// Every form, so that none is forgotten.
const BROUGHT_UP: &[&str] = &[
    etcd::SAMPLE,
    etcd::TLS,
    etcd::PIGSTY,
    etcd::CITUS,
    etcd::LOCAL,
    etcd::ETCD3,
    consul::OWN_LOCK,
    consul::TOKEN,
    consul::VARIABLES,
    consul::CLIENTS_VARIABLES,
    consul::WHAT_IS_SET,
    others::NUMBER,
    others::SLASH,
    others::REST_TLS,
    others::REST_VARIABLES,
    others::ZOOKEEPER,
];

#[test]
fn every_form_is_brought_up() {
    let forms: BTreeSet<&str> = FORMS.iter().map(|form| form.name).collect();
    assert_eq!(BROUGHT_UP.iter().copied().collect::<BTreeSet<&str>>(), forms);
}
