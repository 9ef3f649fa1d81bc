//! An etcd cluster, each member on a host of its own.
//!
//! Every member has two doors: the one on port 2379 is the daemon's, with TLS where the cluster has it; the other one
//! is plain and the lab's own. So a cut of the daemon's door leaves Patroni's stand-in and the test itself at work,
//! and nothing of the lab needs a certificate.

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

/// The daemon's door.
pub(crate) const PORT: u16 = 2379;
const PLAIN_PORT: u16 = 2378;
const PEERS: u16 = 2380;
/// How long a cluster may take to elect a leader.
const HEALTH: Duration = Duration::from_secs(20);

/// What kind of cluster it is to be.
#[derive(Clone, Debug)]
pub(crate) struct ClusterOptions {
    pub(crate) members: usize,
    /// Speak TLS on the daemon's door.
    pub(crate) tls: Option<Tls>,
    /// Demand a certificate of whoever comes through the daemon's door.
    pub(crate) client_certificates: bool,
    /// Who the lab is, once authentication is on.
    pub(crate) user: Option<User>,
    /// More arguments for every member.
    pub(crate) arguments: Vec<String>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { members: 3, tls: None, client_certificates: false, user: None, arguments: Vec::new() }
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
        let hosts: Vec<Host> = (1..=options.members).map(|number| lab.host(&format!("etcd{number}"))).collect();
        let everybody: Vec<String> =
            hosts.iter().map(|host| format!("{}=http://{}:{PEERS}", host.name(), host.v4())).collect();
        let members: Vec<Member> =
            hosts.iter().map(|host| Member::start(host, &everybody.join(","), options)).collect();
        // The lab's hand stands on a host that no cut is ever made for.
        let admin = lab.host("admin");
        let doors = hosts.iter().map(plain_endpoint).collect();
        let store = Store::from(&admin, doors, None);
        let mut cluster = Self { members, tls: options.tls.is_some(), user: None, store };
        cluster.wait_healthy();
        if let Some(user) = &options.user {
            cluster.enable_authentication(&admin, user);
        }
        cluster
    }

    /// The lab's hand on the cluster.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A hand on the cluster that reaches it from `host`, by the side doors.
    pub(crate) fn store_from(&self, host: &Host) -> Store {
        Store::from(host, self.plain_endpoints(), self.user.clone())
    }

    pub(crate) fn plain_endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| plain_endpoint(&member.host)).collect()
    }

    pub(crate) fn user(&self) -> Option<User> {
        self.user.clone()
    }

    /// The members' addresses as a daemon is to be told them.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        let scheme = if self.tls { "https" } else { "http" };
        self.members.iter().map(|member| format!("{scheme}://{}:{PORT}", member.host.v4())).collect()
    }

    /// Waits until a linearizable read is answered.
    pub(crate) fn wait_healthy(&self) {
        wait_until("a healthy etcd cluster", HEALTH, || {
            self.store.ask(async |client| client.get("lab", None).await.map(|_| ())).ok()
        });
    }

    /// Waits until one member answers linearizable reads: it is back, and with the others.
    pub(crate) fn wait_member(&self, place: usize) {
        let door = plain_endpoint(&self.members[place].host);
        wait_until(&format!("{door} to answer"), HEALTH, || {
            self.store.ask_one(&door, async |client| client.get("lab", None).await.map(|_| ())).ok()
        });
    }

    /// The place of the member that leads.
    pub(crate) fn leader(&self) -> usize {
        wait_until("an etcd leader", HEALTH, || {
            let leader = self.store.ask(async |client| Ok(client.status().await?.leader())).ok()?;
            (0..self.members.len()).find(|place| self.member_id(*place) == Some(leader))
        })
    }

    /// Has another member lead, and returns its place.
    pub(crate) fn move_leader(&self) -> usize {
        let leader = self.leader();
        let next = (leader + 1) % self.members.len();
        let id = self.member_id(next).or_fail("reading a member's id");
        let door = plain_endpoint(&self.members[leader].host);
        self.store
            .ask_one(&door, async move |client| client.move_leader(id).await.map(|_| ()))
            .or_fail("moving etcd's leader");
        wait_until("the new etcd leader", HEALTH, || (self.leader() == next).then_some(next))
    }

    /// Forgets every revision before the current one.
    pub(crate) fn compact(&self) {
        let asked = self.store.ask(async |client| {
            let revision = client.get("lab", None).await?.header().map_or(0, etcd_client::ResponseHeader::revision);
            client.compact(revision, None).await.map(|_| ())
        });
        asked.or_fail("compacting etcd");
    }

    /// Makes every member rewrite its file; each answers nobody meanwhile.
    pub(crate) fn defragment(&self) {
        for member in &self.members {
            let asked =
                self.store.ask_one(&plain_endpoint(&member.host), async |client| client.defragment().await.map(|_| ()));
            asked.or_fail("defragmenting etcd");
        }
    }

    fn member_id(&self, place: usize) -> Option<u64> {
        let door = plain_endpoint(&self.members[place].host);
        let asked = self.store.ask_one(&door, async |client| {
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
    fn start(host: &Host, everybody: &str, options: &ClusterOptions) -> Self {
        let mut member = Self { host: host.clone(), arguments: arguments(host, everybody, options), process: None };
        member.restart();
        member
    }

    /// Starts the member again, with its data.
    pub(crate) fn restart(&mut self) {
        let mut command = self.host.command("etcd");
        command.args(&self.arguments);
        self.process = Some(Process::start(self.host.name(), command));
    }

    /// SIGKILL: the process goes, its kernel says goodbye to every connection.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGTERM);
            process.wait(Duration::from_secs(10));
        }
    }

    /// SIGSTOP: connections stay, nobody answers.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What the member counts about itself, by the name of the metric with its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = self.metrics();
        page.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).sum()
    }

    /// All that it counts, as Prometheus would read it.
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

    /// The address of the daemon's door, without a scheme.
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

fn arguments(host: &Host, everybody: &str, options: &ClusterOptions) -> Vec<String> {
    let address = host.v4();
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let data: PathBuf = host.directory().join(host.name());
    // A member that was killed by an earlier cluster of this lab must not speak through this one.
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
        format!("--initial-cluster={everybody}"),
        "--initial-cluster-state=new".to_owned(),
        "--logger=zap".to_owned(),
        "--log-level=error".to_owned(),
    ];
    if let Some(tls) = &options.tls {
        let identity = tls.server(host);
        arguments.push(format!("--cert-file={}", identity.certificate.display()));
        arguments.push(format!("--key-file={}", identity.key.display()));
        arguments.push(format!("--trusted-ca-file={}", tls.ca_file().display()));
        if options.client_certificates {
            arguments.push("--client-cert-auth".to_owned());
        }
    }
    arguments.extend(options.arguments.iter().cloned());
    arguments
}
