//! Three database hosts with Patroni and PostgreSQL, a store with three servers, and a daemon on each database host.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use vip_manager::time::Moment;

use crate::stores::{Kind, Store};
use crate::support::clock::{now, wait_for};
use crate::support::command::{feed, run};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::fail::OrFail;
use crate::support::host::{Host, INTERFACE, VIP};
use crate::support::kubernetes::ADMIN_KUBECONFIG;
use crate::support::lab::Lab;
use crate::support::observer::AddressObserver;
use crate::support::process::Process;
use crate::support::setup::wait_logged;
use crate::support::sweep;

/// `initdb` and two base backups on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
const REST_PORT: u16 = 8008;
const HOSTS: usize = 3;
/// What a daemon logs after a reload.
const RELOADED: &str = "configuration reloaded";
/// What the name of a host's directory of data ends with.
pub(crate) const HOME: &str = "-postgres";
/// Where Debian installs PostgreSQL, one directory per version.
const POSTGRES: &str = "/usr/lib/postgresql";

/// The fields are dropped in this order: the daemons first, the lab last.
#[derive(Debug)]
pub(crate) struct Deployment {
    daemons: Vec<Daemon>,
    pub(crate) patronis: Vec<Process>,
    pub(crate) store: Store,
    options: Options,
    pub(crate) hosts: Vec<Host>,
    pub(crate) client: Host,
    pub(crate) observer: AddressObserver,
    pub(crate) lab: Lab,
}

/// What differs between deployments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// What Patroni keeps its lock in, and whom the daemons ask.
    pub(crate) kind: Kind,
    /// Patroni goes on without its store while all members agree.
    pub(crate) failsafe: bool,
}

impl Deployment {
    /// Starts everything. The first host leads, the others are its replicas.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, Options::default())
    }

    pub(crate) fn start_with(name: &str, options: Options) -> Self {
        assert!(
            Path::new(&program("patroni")).exists() && Path::new(POSTGRES).exists(),
            "Patroni and PostgreSQL are missing; `make cluster-test` installs them"
        );
        let lab = Lab::new(name);
        let hosts: Vec<Host> = (1..=HOSTS).map(|number| lab.host(&format!("db{number}"))).collect();
        let client = lab.host("client");
        let store = Store::start(&lab, options.kind, &hosts);
        for host in &hosts {
            write_patroni_config(host, &store, options);
        }
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        let daemons: Vec<Daemon> = hosts.iter().map(|host| Daemon::start(host, &config(host, options))).collect();
        let mut patronis = vec![start_patroni(&hosts[0])];
        wait_for("db1 to lead", LIMIT, || rest_answers(&hosts[0], "/primary"));
        patronis.extend(hosts[1..].iter().map(start_patroni));
        observer.wait_held(&hosts[0], VIP, LIMIT);
        let deployment = Self { daemons, patronis, store, options, hosts, client, observer, lab };
        for host in 1..HOSTS {
            deployment.wait_replicates(host);
        }
        deployment.query("CREATE TABLE writes (number bigint PRIMARY KEY)");
        deployment
    }

    /// Runs a statement on the database behind the VIP and returns its rows, one per line.
    pub(crate) fn query(&self, statement: &str) -> String {
        let target = format!("host={VIP} user=postgres dbname=postgres sslmode=disable");
        self.client.run("psql", &["--no-psqlrc", "--tuples-only", "--no-align", "--dbname", &target, "-c", statement])
    }

    /// The numbers of the rows that the application has written.
    pub(crate) fn stored(&self) -> BTreeSet<u64> {
        self.query("SELECT number FROM writes").lines().filter_map(|line| line.trim().parse().ok()).collect()
    }

    /// Sets a key of every daemon, which reads its configuration again.
    pub(crate) fn configure(&self, key: &str, value: &str) {
        for daemon in &self.daemons {
            let known = daemon.process.lines().len();
            daemon.rewrite_config(&config(&daemon.host, self.options).with(key, value));
            daemon.process.signal(Signal::SIGHUP);
            wait_for("a reload", LIMIT, || {
                daemon.process.lines_after(known).iter().any(|line| line.text.contains(RELOADED))
            });
        }
    }

    /// Waits until this host replicates without a lag.
    pub(crate) fn wait_replicates(&self, host: usize) {
        let host = &self.hosts[host];
        wait_for(&format!("{} to replicate", host.name()), LIMIT, || rest_answers(host, "/replica?lag=1MB"));
    }

    /// Switches over as an administrator does.
    pub(crate) fn switch_over(&self, from: usize, to: usize) {
        let config = patroni_config_file(&self.hosts[from]).to_string_lossy().into_owned();
        let (from, to) = (self.hosts[from].name(), self.hosts[to].name());
        let scope = self.options.kind.scope();
        let arguments = ["-c", &config, "switchover", scope, "--leader", from, "--candidate", to, "--force"];
        // Consul's agent is on the database hosts only.
        self.patronictl(0, &arguments);
    }

    /// The members and their roles, as `patronictl list` prints them on this host.
    pub(crate) fn members(&self, host: usize) -> Vec<String> {
        let config = patroni_config_file(&self.hosts[host]).to_string_lossy().into_owned();
        let listed = self.hosts[host]
            .run(&program("patronictl"), &["-c", &config, "list", "--format", "json", self.options.kind.scope()]);
        let listed: Value = serde_json::from_str(&listed).or_fail("reading the list of members");
        let text = |member: &Value, name: &str| member[name].as_str().unwrap_or_default().to_owned();
        let of = |member| format!("{} {}", text(member, "Member"), text(member, "Role"));
        listed.as_array().or_fail("listing the members").iter().map(of).collect()
    }

    /// Removes all that the store holds of the cluster, as an administrator does, and returns what the tool says.
    pub(crate) fn remove(&self, host: usize, leader: &str) -> String {
        let config = patroni_config_file(&self.hosts[host]).to_string_lossy().into_owned();
        let scope = self.options.kind.scope();
        let answers = format!("{scope}\nYes I am aware\n{leader}\n");
        let namespace = self.hosts[host].namespace();
        feed("ip", &["netns", "exec", namespace, &program("patronictl"), "-c", &config, "remove", scope], &answers)
    }

    /// Begins or ends the maintenance mode, in which Patroni elects nobody.
    pub(crate) fn pause(&self, host: usize, paused: bool) {
        let config = patroni_config_file(&self.hosts[host]).to_string_lossy().into_owned();
        let command = if paused { "pause" } else { "resume" };
        self.patronictl(host, &["-c", &config, command, "--wait", self.options.kind.scope()]);
    }

    fn patronictl(&self, host: usize, arguments: &[&str]) {
        let host = &self.hosts[host];
        let kubeconfig = format!("KUBECONFIG={}", host.directory().join(ADMIN_KUBECONFIG).display());
        host.run("env", &[&[&*kubeconfig, &program("patronictl")], arguments].concat());
    }

    /// Starts the Patroni of this host again, which has ended.
    pub(crate) fn restart_patroni(&mut self, host: usize) {
        self.patronis[host] = start_patroni(&self.hosts[host]);
    }

    /// Stops the Patroni of this host as its unit does.
    pub(crate) fn stop_patroni(&mut self, host: usize) {
        self.patronis[host].signal(Signal::SIGTERM);
        // In pause PostgreSQL goes on, and what it may still write keeps the pipe open.
        wait_for("the end of Patroni", LIMIT, || self.patronis[host].ended().is_some());
    }

    /// Ends the daemon of this host, gently as an upgrade does, and starts it again.
    pub(crate) fn restart_daemon(&mut self, host: usize, gently: bool) {
        let (daemon, config) = (&mut self.daemons[host], config(&self.hosts[host], self.options));
        if gently {
            // Without systemd the daemon cannot know that this is a restart.
            daemon.rewrite_config(&config.clone().with("on-stop", "keep"));
            let known = daemon.process.lines().len();
            daemon.process.signal(Signal::SIGHUP);
            wait_for("a reload", LIMIT, || {
                daemon.process.lines_after(known).iter().any(|line| line.text.contains(RELOADED))
            });
            daemon.process.signal(Signal::SIGTERM);
            daemon.process.wait(LIMIT);
        } else {
            daemon.process.kill();
        }
        *daemon = Daemon::start(&self.hosts[host], &config);
        wait_logged(daemon, "found at start");
        wait_logged(daemon, "acquired in");
    }

    /// SIGKILL for every process on this host.
    pub(crate) fn kill_everything_on(&self, host: usize) {
        sweep::end_processes(self.hosts[host].namespace());
    }

    /// The hosts whose Patroni says that it leads.
    pub(crate) fn leaders(&self) -> Vec<usize> {
        (0..HOSTS).filter(|host| rest_answers(&self.hosts[*host], "/primary")).collect()
    }

    /// The host that has the VIP, if any has.
    pub(crate) fn holder(&self) -> Option<usize> {
        (0..HOSTS).find(|&host| self.observer.holds(&self.hosts[host], VIP))
    }

    /// How often each host has acquired the VIP.
    pub(crate) fn holds(&self) -> Vec<usize> {
        self.hosts.iter().map(|host| self.observer.intervals(host, VIP).len()).collect()
    }

    /// Waits until Patroni leads on this host.
    pub(crate) fn wait_leads(&self, host: usize) {
        let host = &self.hosts[host];
        wait_for(&format!("{} to lead", host.name()), LIMIT, || rest_answers(host, "/primary"));
    }

    /// For how long any two hosts had the VIP at the same time.
    pub(crate) fn overlap(&self) -> Duration {
        let pairs = (0..HOSTS).flat_map(|one| (0..one).map(move |other| (one, other)));
        pairs.map(|(one, other)| self.observer.overlap(&self.hosts[one], &self.hosts[other], VIP)).sum()
    }

    /// The longest time since `begun` in which no host had the VIP.
    pub(crate) fn nobody_had_the_vip_for(&self, begun: Moment) -> Duration {
        let all = self.hosts.iter().flat_map(|host| self.observer.intervals(host, VIP));
        let mut held: Vec<_> = all.map(|interval| (interval.from, interval.until.unwrap_or_else(now))).collect();
        held.sort();
        let gaps = held.windows(2).filter(|pair| pair[1].0 > begun);
        gaps.map(|pair| pair[1].0.since(pair[0].1)).max().unwrap_or_default()
    }

    /// What the daemon on this host has logged.
    pub(crate) fn log(&self, host: usize) -> String {
        self.daemons[host].process.text()
    }

    /// Asserts that every Patroni and every daemon still runs.
    #[track_caller]
    pub(crate) fn assert_running(&mut self) {
        for daemon in &mut self.daemons {
            assert_eq!(daemon.process.ended(), None, "the daemon on {} has ended", daemon.host.name());
        }
        for (patroni, host) in self.patronis.iter_mut().zip(&self.hosts) {
            assert_eq!(patroni.ended(), None, "Patroni on {} has ended", host.name());
        }
    }
}

/// Keeps what the programs wrote when a test fails: much more than a message can show.
impl Drop for Deployment {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/cluster").join(self.options.kind.name());
        let daemons = self.daemons.iter().map(|daemon| ("vip-manager", &daemon.host, &daemon.process));
        let patronis = self.patronis.iter().zip(&self.hosts).map(|(process, host)| ("patroni", host, process));
        let _ = fs::create_dir_all(&place);
        for (program, host, process) in daemons.chain(patronis) {
            let _ = fs::write(place.join(format!("{}-{program}.log", host.name())), process.text());
        }
        let _ = writeln!(std::io::stderr(), "the logs are in {}", place.display());
    }
}

/// Whether Patroni's REST API on this host answers the path with 200.
fn rest_answers(host: &Host, path: &str) -> bool {
    let (address, path) = ((host.v4(), REST_PORT), path.to_owned());
    host.enter(move || {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
    })
}

/// The configuration of a daemon: three lines, and a fourth where Patroni's file does not say it.
fn config(host: &Host, options: Options) -> ConfigFile {
    let patroni = patroni_config_file(host);
    let three =
        ConfigFile::bare().with("ip", VIP).with("interface", INTERFACE).with("patroni-config", patroni.display());
    let config = options.kind.line().into_iter().fold(three, |config, (key, value)| config.with(key, value));
    match options.kind {
        Kind::Kubernetes => config.with("kubernetes-config", host.directory().join(ADMIN_KUBECONFIG).display()),
        Kind::Etcd3 | Kind::Etcd2 | Kind::Consul | Kind::ZooKeeper | Kind::Rest => config,
    }
}

/// A program of Patroni: Debian's, or one beside the program that `PATRONI` names.
fn program(name: &str) -> String {
    let named = std::env::var_os("PATRONI").map(PathBuf::from);
    let beside = named.as_deref().and_then(Path::parent).unwrap_or(Path::new("/usr/bin"));
    beside.join(name).to_string_lossy().into_owned()
}

fn write_patroni_config(host: &Host, store: &Store, options: Options) {
    let text = patroni_config(host, store, options);
    fs::write(patroni_config_file(host), text).or_fail("writing Patroni's configuration");
}

fn start_patroni(host: &Host) -> Process {
    let home = home(host);
    run("install", &["-d", "-o", "postgres", "-g", "postgres", "-m", "700", &home.to_string_lossy()]);
    let file = patroni_config_file(host);
    let mut command = host.command("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", &program("patroni")]).arg(&file);
    command.env("KUBECONFIG", host.directory().join(ADMIN_KUBECONFIG));
    Process::start(&format!("Patroni on {}", host.name()), command)
}

/// The directory of a host's data, socket and password file.
fn home(host: &Host) -> PathBuf {
    host.directory().join(format!("{}{HOME}", host.name()))
}

fn patroni_config_file(host: &Host) -> PathBuf {
    host.directory().join(format!("{}-patroni.yml", host.name()))
}

/// The directory of the programs of the newest installed PostgreSQL.
fn programs() -> PathBuf {
    let versions = fs::read_dir(POSTGRES).or_fail("listing the versions of PostgreSQL").flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    Path::new(POSTGRES).join(newest.or_fail("finding PostgreSQL").to_string()).join("bin")
}

fn patroni_config(host: &Host, store: &Store, options: Options) -> String {
    let failsafe = options.failsafe;
    let (name, address, home) = (host.name(), host.v4(), home(host));
    format!(
        "\
scope: {scope}
{namespace}name: {name}
restapi:
  listen: 0.0.0.0:{REST_PORT}
  connect_address: {address}:{REST_PORT}
{store}bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    failsafe_mode: {failsafe}
    postgresql:
      use_pg_rewind: true
  initdb: [encoding: UTF8, auth: trust, no-sync]
postgresql:
  listen: 0.0.0.0:5432
  connect_address: {address}:5432
  data_dir: {home}/data
  bin_dir: {programs}
  pgpass: {home}/pgpass
  authentication:
    superuser: {{username: postgres, password: postgres}}
    replication: {{username: replicator, password: replicator}}
  parameters:
    unix_socket_directories: {home}
    shared_buffers: 16MB
    max_connections: 20
    fsync: \"off\"
  pg_hba:
    - local all all trust
    - host all all 0.0.0.0/0 trust
    - host replication all 0.0.0.0/0 trust
",
        scope = options.kind.scope(),
        // In Kubernetes it would replace the namespace of the section.
        namespace = if options.kind == Kind::Kubernetes { "" } else { "namespace: /service/\n" },
        store = store.section(options.kind),
        home = home.display(),
        programs = programs().display(),
    )
}
