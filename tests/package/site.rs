//! The setup of these tests: a booted Debian that leads, clients that observe it, and the packages.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::built::{built, only};
use crate::support::clock::{wait_for, wait_until};
use crate::support::command::run;
use crate::support::daemon::ConfigFile;
use crate::support::host::{Host, VIP, VIP6};
use crate::support::lab::Lab;
use crate::support::machine::{Machine, tree};
use crate::support::observer::AddressObserver;
use crate::support::ping::Pinger;
use crate::support::setup::{SOON, Setup, report};
use crate::support::tcp::{ConnectionState, EchoServer, TcpClient};

pub(crate) const UNIT: &str = "vip-manager.service";
pub(crate) const FILE: &str = "/etc/default/vip-manager.yml";
/// Debian's name of this architecture.
const DEBIAN_ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
const OFTEN: Duration = Duration::from_millis(10);

/// The machine is dropped first, because it uses the lab's network.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) machine: Machine,
    pub(crate) setup: Setup,
}

impl Site {
    /// A Debian without vip-manager, and an etcd whose leader key names it.
    pub(crate) fn bare() -> Self {
        let setup = Setup::new("pack", 1);
        setup.set_leader(setup.host());
        let machine = Machine::boot(setup.host(), &built("target/package-test/debian"));
        Self { machine, setup }
    }

    /// The same with our package installed.
    pub(crate) fn installed() -> Self {
        let site = Self::bare();
        site.machine.install(&deb());
        site
    }

    /// Configured, enabled and leading, with an IPv4 and an IPv6 VIP.
    pub(crate) fn leading(more: impl FnOnce(ConfigFile) -> ConfigFile) -> Self {
        let site = Self::installed();
        site.machine.write(FILE, &more(site.config()).text());
        site.machine.run("systemctl enable --now vip-manager 2>&1");
        site.wait_held();
        site
    }

    pub(crate) fn config(&self) -> ConfigFile {
        self.setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]"))
    }

    pub(crate) fn wait_held(&self) {
        for address in [VIP, VIP6] {
            self.setup.observer.wait_held(self.setup.host(), address, SOON);
        }
    }

    /// Waits for a main process other than `before`.
    pub(crate) fn wait_process(&self, before: Option<u32>) -> u32 {
        wait_process(&self.machine, before)
    }

    pub(crate) fn wait_logged(&self, words: &str) {
        wait_for(&format!("{words:?} in the journal"), SOON, || self.machine.journal(UNIT).contains(words));
    }
}

/// Waits for a main process other than `before`.
pub(crate) fn wait_process(machine: &Machine, before: Option<u32>) -> u32 {
    wait_until("another main process", SOON, || machine.main_pid(UNIT).filter(|pid| Some(*pid) != before))
}

/// Clients that observe disturbances: pings every 10 ms to both addresses, and a TCP connection.
#[derive(Debug)]
pub(crate) struct Clients {
    host: Host,
    _server: EchoServer,
    client: TcpClient,
    pingers: [Pinger; 2],
}

impl Clients {
    pub(crate) fn at(site: &Site) -> Self {
        Self::on(&site.setup.client, site.setup.host())
    }

    /// The same on any host, of another one that has both addresses.
    pub(crate) fn on(client: &Host, host: &Host) -> Self {
        let server = EchoServer::on(host);
        let pingers = [VIP, VIP6].map(|address| Pinger::start(client, address, OFTEN));
        let client = TcpClient::connect(client, VIP).unwrap();
        let clients = Self { host: host.clone(), _server: server, client, pingers };
        clients.wait_answers(50);
        clients
    }

    /// Waits for `more` more answers to each pinger.
    pub(crate) fn wait_answers(&self, more: usize) {
        let counts = || self.pingers.each_ref().map(|pinger| pinger.pings().answers.len());
        let before = counts();
        wait_for("more answers", SOON, || counts().iter().zip(before).all(|(now, before)| *now >= before + more));
    }

    pub(crate) fn state(&self) -> ConnectionState {
        self.client.status().state
    }

    /// Asserts that no ping was lost and the connection is open.
    #[track_caller]
    pub(crate) fn assert_undisturbed(self, site: &Site) {
        self.assert_undisturbed_by(&site.setup.observer, &site.machine);
    }

    /// The same with any observer of the host, on which this machine runs.
    #[track_caller]
    pub(crate) fn assert_undisturbed_by(self, observer: &AddressObserver, machine: &Machine) {
        self.wait_answers(100);
        let status = self.client.status();
        report("the connection's longest silence", status.longest_silence);
        assert_eq!(status.state, ConnectionState::Open, "{}", machine.journal(UNIT));
        for (pinger, address) in self.pingers.into_iter().zip([VIP, VIP6]) {
            let pings = pinger.stop();
            report(&format!("{address}: lost of {} pings at {OFTEN:?}", pings.sent), pings.lost());
            assert_eq!(pings.lost(), 0, "{}", machine.journal(UNIT));
            let held = observer.intervals(&self.host, address).len();
            assert_eq!(held, 1, "it was never removed\n{}", machine.journal(UNIT));
        }
    }
}

pub(crate) fn deb() -> PathBuf {
    only("target/packages", "vip-manager_", &format!("_{DEBIAN_ARCHITECTURE}.deb"))
}

pub(crate) fn rpm() -> PathBuf {
    only("target/packages", "vip-manager-", &format!(".{}.rpm", std::env::consts::ARCH))
}

/// The same with a later revision.
pub(crate) fn newer_rpm() -> PathBuf {
    only("target/package-test/newer", "vip-manager-", ".rpm")
}

/// Debian's own package, version 1.
pub(crate) fn debians() -> PathBuf {
    only("target/package-test", "vip-manager_1.", ".deb")
}

/// Prints the output of a command to the test's output.
pub(crate) fn transcript(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Our package with a later version and a changed sample configuration.
pub(crate) fn newer_deb(lab: &Lab) -> PathBuf {
    let directory = lab.directory().join("newer");
    let (tree_of_it, packed) = (directory.join("tree"), directory.join("vip-manager_newer.deb"));
    let script = format!(
        "mkdir -p {0} && dpkg-deb --raw-extract {1} {0}/tree && cd {0}/tree && \
         sed -i 's/^Version: .*/&.1/' DEBIAN/control && echo '# A later release says more here.' >> .{FILE} && \
         dpkg-deb --root-owner-group -Znone --build . {2}",
        directory.display(),
        tree(&deb().display().to_string()).display(),
        packed.display(),
    );
    run("sh", &["-c", &script]);
    assert!(tree_of_it.exists());
    packed
}
