//! An etcd cluster with each member on its own host.
//!
//! Every member listens on two ports for clients: 2379 for the daemon, with TLS if the cluster uses it, and a plain one
//! for the lab. So a test can cut the daemon's port while the Patroni stand-in and the test itself keep working, and
//! nothing in the lab needs a certificate.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::clock::wait_until;
use super::fail::OrFail;
use super::host::Host;
use super::lab::Lab;
use super::process::Process;
use super::store::{Store, User};
use super::tls::Tls;

/// The daemon's port.
pub(crate) const PORT: u16 = 2379;
const PLAIN_PORT: u16 = 2378;
const PEERS: u16 = 2380;
/// How long a cluster may take to elect a leader.
const HEALTH: Duration = Duration::from_secs(20);

/// Options of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct ClusterOptions {
    pub(crate) members: usize,
    /// Use TLS on the daemon's port.
    pub(crate) tls: Option<Tls>,
    /// Require a client certificate on the daemon's port.
    pub(crate) client_certificates: bool,
    /// Enables authentication; the lab logs in as this user.
    pub(crate) user: Option<User>,
    /// Additional arguments for every member.
    pub(crate) arguments: Vec<String>,
    /// What the names of its hosts begin with, where a lab has several clusters.
    pub(crate) prefix: &'static str,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { members: 3, tls: None, client_certificates: false, user: None, arguments: Vec::new(), prefix: "" }
    }
}

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) host: Host,
    arguments: Vec<String>,
    process: Option<Process>,
}

/// The members.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    tls: bool,
    user: Option<User>,
    store: Store,
}

impl Cluster {
    /// Starts a plain cluster of `members` and waits until it has a leader.
    pub(crate) fn start(lab: &Lab, members: usize) -> Self {
        Self::start_with(lab, &ClusterOptions { members, ..ClusterOptions::default() })
    }

    /// Starts a cluster and waits until it has a leader.
    pub(crate) fn start_with(lab: &Lab, options: &ClusterOptions) -> Self {
        let prefix = options.prefix;
        let hosts: Vec<Host> = (1..=options.members).map(|number| lab.host(&format!("{prefix}etcd{number}"))).collect();
        let initial_cluster: Vec<String> =
            hosts.iter().map(|host| format!("{}=http://{}:{PEERS}", host.name(), host.v4())).collect();
        let members: Vec<Member> =
            hosts.iter().map(|host| Member::start(host, &initial_cluster.join(","), options)).collect();
        // The lab's own client runs on a host that is never cut off.
        let admin = lab.host(&format!("{prefix}admin"));
        let endpoints = hosts.iter().map(plain_endpoint).collect();
        let store = Store::from(&admin, endpoints, None);
        let mut cluster = Self { members, tls: options.tls.is_some(), user: None, store };
        cluster.wait_healthy();
        if let Some(user) = &options.user {
            cluster.enable_authentication(&admin, user);
        }
        cluster
    }

    /// The lab's client of the cluster.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A client on `host`, which uses the plain ports.
    pub(crate) fn store_from(&self, host: &Host) -> Store {
        Store::from(host, self.plain_endpoints(), self.user.clone())
    }

    pub(crate) fn plain_endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| plain_endpoint(&member.host)).collect()
    }

    pub(crate) fn user(&self) -> Option<User> {
        self.user.clone()
    }

    /// The members' endpoints as the daemon's configuration takes them.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        let scheme = if self.tls { "https" } else { "http" };
        self.members.iter().map(|member| format!("{scheme}://{}:{PORT}", member.host.v4())).collect()
    }

    /// Waits until a linearizable read succeeds.
    pub(crate) fn wait_healthy(&self) {
        wait_until("a healthy etcd cluster", HEALTH, || {
            self.store.ask(async |client| client.get("lab", None).await.map(|_| ())).ok()
        });
    }

    /// Waits until one member answers linearizable reads, so that it is back and in the quorum.
    pub(crate) fn wait_member(&self, place: usize) {
        let endpoint = plain_endpoint(&self.members[place].host);
        wait_until(&format!("{endpoint} to answer"), HEALTH, || {
            self.store.ask_one(&endpoint, async |client| client.get("lab", None).await.map(|_| ())).ok()
        });
    }

    /// The index of the member that leads.
    pub(crate) fn leader(&self) -> usize {
        wait_until("an etcd leader", HEALTH, || {
            let leader = self.store.ask(async |client| Ok(client.status().await?.leader())).ok()?;
            (0..self.members.len()).find(|place| self.member_id(*place) == Some(leader))
        })
    }

    /// Transfers the leadership to another member and returns its index.
    pub(crate) fn move_leader(&self) -> usize {
        let leader = self.leader();
        let next = (leader + 1) % self.members.len();
        let id = self.member_id(next).or_fail("reading a member's id");
        let endpoint = plain_endpoint(&self.members[leader].host);
        self.store
            .ask_one(&endpoint, async move |client| client.move_leader(id).await.map(|_| ()))
            .or_fail("moving etcd's leader");
        wait_until("the new etcd leader", HEALTH, || (self.leader() == next).then_some(next))
    }

    /// Compacts every revision before the current one.
    pub(crate) fn compact(&self) {
        let asked = self.store.ask(async |client| {
            let revision = client.get("lab", None).await?.header().map_or(0, etcd_client::ResponseHeader::revision);
            client.compact(revision, None).await.map(|_| ())
        });
        asked.or_fail("compacting etcd");
    }

    /// Defragments every member. A member does not answer meanwhile.
    pub(crate) fn defragment(&self) {
        for member in &self.members {
            let asked =
                self.store.ask_one(&plain_endpoint(&member.host), async |client| client.defragment().await.map(|_| ()));
            asked.or_fail("defragmenting etcd");
        }
    }

    fn member_id(&self, place: usize) -> Option<u64> {
        let endpoint = plain_endpoint(&self.members[place].host);
        let asked = self.store.ask_one(&endpoint, async |client| {
            Ok(client.status().await?.header().map(etcd_client::ResponseHeader::member_id))
        });
        asked.ok().flatten()
    }

    fn enable_authentication(&mut self, admin: &Host, user: &User) {
        let (name, password) = (user.name.clone(), user.password.clone());
        let asked = self.store.ask(async move |client| {
            client.role_add("root").await?;
            client.user_add(name.as_str(), password.as_str(), None).await?;
            client.user_grant_role(name.as_str(), "root").await?;
            client.auth_enable().await.map(|_| ())
        });
        asked.or_fail("enabling etcd's authentication");
        self.user = Some(user.clone());
        self.store = self.store_from(admin);
    }
}

impl Member {
    /// The process, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    fn start(host: &Host, initial_cluster: &str, options: &ClusterOptions) -> Self {
        let mut member =
            Self { host: host.clone(), arguments: arguments(host, initial_cluster, options), process: None };
        member.restart();
        member
    }

    /// Starts the member with the data that it has.
    pub(crate) fn restart(&mut self) {
        let mut command = self.host.command("etcd");
        command.args(&self.arguments);
        self.process = Some(Process::start(self.host.name(), command));
    }

    /// SIGKILL. The kernel closes the connections.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// SIGTERM. Waits until the process ends.
    pub(crate) fn terminate(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGTERM);
            process.wait(Duration::from_secs(10));
        }
    }

    /// SIGSTOP. Connections stay open, but nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// The sum of a metric, by its name with labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = self.metrics();
        page.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).sum()
    }

    /// The page of metrics, as Prometheus reads it.
    pub(crate) fn metrics(&self) -> String {
        let address = format!("{}:{PLAIN_PORT}", self.host.v4());
        self.host.enter(move || {
            let ask = || -> std::io::Result<String> {
                let mut stream = TcpStream::connect(&address)?;
                stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
                let mut page = String::new();
                stream.read_to_string(&mut page)?;
                Ok(page)
            };
            ask().or_fail("reading etcd's metrics")
        })
    }

    /// The address of the daemon's port, without a scheme.
    pub(crate) fn client_address(&self) -> String {
        format!("{}:{PORT}", self.host.v4())
    }

    fn signal(&self, signal: Signal) {
        self.process.as_ref().or_fail("signalling an etcd member that runs").signal(signal);
    }
}

fn plain_endpoint(host: &Host) -> String {
    format!("http://{}:{PLAIN_PORT}", host.v4())
}

fn arguments(host: &Host, initial_cluster: &str, options: &ClusterOptions) -> Vec<String> {
    let address = host.v4();
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let data: PathBuf = host.directory().join(host.name());
    // Data of an earlier cluster of this lab must not be used.
    if data.exists() {
        fs::remove_dir_all(&data).or_fail("removing old data");
    }
    let mut arguments = vec![
        format!("--name={}", host.name()),
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={scheme}://{address}:{PORT},http://{address}:{PLAIN_PORT}"),
        format!("--advertise-client-urls={scheme}://{address}:{PORT}"),
        format!("--listen-peer-urls=http://{address}:{PEERS}"),
        format!("--initial-advertise-peer-urls=http://{address}:{PEERS}"),
        format!("--initial-cluster={initial_cluster}"),
        "--initial-cluster-state=new".to_owned(),
        "--logger=zap".to_owned(),
        "--log-level=error".to_owned(),
    ];
    if let Some(tls) = &options.tls {
        let identity = tls.server(host);
        arguments.push(format!("--cert-file={}", identity.certificate.display()));
        arguments.push(format!("--key-file={}", identity.key.display()));
        // With an authority etcd demands a certificate of every client.
        if options.client_certificates {
            arguments.push(format!("--trusted-ca-file={}", tls.ca_file().display()));
            arguments.push("--client-cert-auth".to_owned());
        }
    }
    arguments.extend(options.arguments.iter().cloned());
    arguments
}
