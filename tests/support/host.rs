//! A host: a network namespace with one interface that is connected to the lab's switch.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sched::{CloneFlags, setns};

use super::command::{attempt, feed, run};
use super::fail::OrFail;

/// The interface of every host.
pub(crate) const INTERFACE: &str = "eth0";
/// The VIP of the tests.
pub(crate) const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 66, 0, 100));
/// The IPv6 VIP of the tests.
pub(crate) const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 0x100));

/// A handle to a host. Dropping it changes nothing; the lab removes the host.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    name: String,
    namespace: String,
    number: u8,
    directory: PathBuf,
}

impl Host {
    /// Creates the namespace and its link to the switch.
    pub(crate) fn plug_in(prefix: &str, switch: &str, name: &str, number: u8, directory: &Path) -> Self {
        let host = Self {
            name: name.to_owned(),
            namespace: format!("{prefix}{name}"),
            number,
            directory: directory.to_owned(),
        };
        let namespace = &host.namespace;
        run("ip", &["netns", "add", namespace]);
        // Without duplicate address detection the host's own addresses are usable immediately.
        host.sysctl("net/ipv6/conf/default/accept_dad", "0");
        host.sysctl("net/ipv6/conf/all/accept_dad", "0");
        let cable = format!("link add {INTERFACE} netns {namespace} type veth peer name {name} netns {switch}\n");
        feed("ip", &["-batch", "-"], &cable);
        feed("ip", &["-n", switch, "-batch", "-"], &format!("link set {name} master br0 up\n"));
        let addresses = format!(
            "link set lo up\nlink set {INTERFACE} up\naddr add {}/16 dev {INTERFACE}\naddr add {}/64 dev {INTERFACE} nodad\n",
            host.v4(),
            host.v6()
        );
        feed("ip", &["-n", namespace, "-batch", "-"], &addresses);
        host
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn v4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 66, 0, self.number)
    }

    pub(crate) fn v6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, u16::from(self.number))
    }

    /// The lab's directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A command that runs on this host.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// Runs a tool on this host and returns its output. Panics if it fails.
    #[track_caller]
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        self.attempt(program, arguments).or_fail(&format!("on {}", self.name))
    }

    /// Runs a tool on this host. An `Err` is its error message.
    pub(crate) fn attempt(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        attempt("ip", &[&["netns", "exec", &self.namespace, program], arguments].concat(), "")
    }

    /// Runs `ip` on this host with space-separated arguments.
    #[track_caller]
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        run("ip", &[&["-n", self.namespace.as_str()], arguments.as_slice()].concat())
    }

    /// Whether the host has the address now.
    pub(crate) fn carries(&self, address: IpAddr) -> bool {
        !self.ip(&format!("-o addr show to {address}")).trim().is_empty()
    }

    /// The hardware address of the interface.
    pub(crate) fn mac(&self) -> String {
        let shown = self.ip(&format!("-o link show dev {INTERFACE}"));
        let mut words = shown.split_whitespace();
        words.find(|word| *word == "link/ether");
        words.next().or_fail("reading a hardware address").to_owned()
    }

    /// The hardware address of `address` in this host's neighbour table, if there is one.
    pub(crate) fn neighbour(&self, address: IpAddr) -> Option<String> {
        let shown = self.ip(&format!("neigh show to {address}"));
        let mut words = shown.split_whitespace();
        words.find(|word| *word == "lladdr")?;
        words.next().map(str::to_owned)
    }

    /// Sets a value below /proc/sys.
    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        let file = Path::new("/proc/sys").join(name);
        let value = value.to_owned();
        // /proc/sys/net shows the network namespace of the thread that opens the file.
        self.enter(move || fs::write(&file, value).or_fail(&format!("writing {}", file.display())));
    }

    /// Runs `work` on a thread inside this host and returns its result. Sockets created there stay in this host, even
    /// if another thread uses them.
    pub(crate) fn enter<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self.spawn(work).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Starts a thread inside this host.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::thread::JoinHandle<T> {
        let file = Path::new("/run/netns").join(&self.namespace);
        let name = self.name.clone();
        std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                let namespace = File::open(&file).or_fail(&format!("opening the namespace of {name}"));
                setns(namespace, CloneFlags::CLONE_NEWNET).or_fail(&format!("entering {name}"));
                work()
            })
            .or_fail("starting a thread")
    }
}
