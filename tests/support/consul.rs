//! Real Consul servers and client agents, each on a host of its own, and a stand-in for Patroni that holds a lock there.
//!
//! `make test` fetches the program (see `tests/consul/fetch`).

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use vip_manager::time::Moment;

use super::clock::{now, pause, wait_until};
use super::fail::OrFail;
use super::host::Host;
use super::lab::Lab;
use super::process::Process;
use super::tls::Tls;

/// The daemon's port.
pub(crate) const PORT: u16 = 8500;
/// The lab's own port where the daemon's has TLS.
const PLAIN_PORT: u16 = 8499;
/// How long a cluster may take to elect a leader on a busy machine.
const START: Duration = Duration::from_secs(60);
/// The token of the lab, where tokens are needed.
pub(crate) const MASTER: &str = "5d1c2a70-1d3b-4f0e-9a0f-000000000001";

/// Options of a cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConsulOptions {
    /// Use TLS on the daemon's port.
    pub(crate) tls: Option<Tls>,
    /// Deny whatever no token allows.
    pub(crate) acl: bool,
}

/// The servers.
#[derive(Debug)]
pub(crate) struct Consul {
    pub(crate) servers: Vec<Agent>,
    /// A host that is never cut off.
    pub(crate) admin: Host,
    options: ConsulOptions,
}

/// One agent: a server, or a client.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) host: Host,
    arguments: Vec<String>,
    process: Option<Process>,
}

/// An answer of Consul.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) index: u64,
    pub(crate) body: String,
}

impl Consul {
    /// Starts servers and waits until they have a leader.
    pub(crate) fn start(lab: &Lab, servers: usize) -> Self {
        Self::start_with(lab, servers, &ConsulOptions::default())
    }

    pub(crate) fn start_with(lab: &Lab, servers: usize, options: &ConsulOptions) -> Self {
        let hosts = (1..=servers).map(|number| lab.host(&format!("consul{number}"))).collect();
        Self::on(lab, hosts, options)
    }

    /// Starts servers on these hosts.
    pub(crate) fn on(lab: &Lab, hosts: Vec<Host>, options: &ConsulOptions) -> Self {
        let mut consul = Self { servers: Vec::new(), admin: lab.host("admin"), options: options.clone() };
        let expect = format!("-bootstrap-expect={}", hosts.len());
        let others: Vec<Ipv4Addr> = hosts.iter().map(Host::v4).collect();
        for host in hosts {
            let server = Agent::start(&host, &["-server", &expect], &others, &consul.options);
            consul.servers.push(server);
        }
        consul.leader();
        // A leader that was just elected may not serve yet.
        wait_until("Consul to serve", START, || {
            (consul.request(0, "PUT", "/v1/kv/lab", "ready").status == 200).then_some(())
        });
        consul
    }

    /// A client agent on a host, as Patroni should use it.
    pub(crate) fn client(&self, host: &Host) -> Agent {
        let servers: Vec<Ipv4Addr> = self.servers.iter().map(|server| server.host.v4()).collect();
        let agent = Agent::start(host, &[], &servers, &self.options);
        wait_until(&format!("the agent on {} to join", host.name()), START, || {
            let answer = agent.ask(host, "GET", "/v1/kv/lab", "", MASTER).ok()?;
            (answer.status == 200).then_some(())
        });
        agent
    }

    /// The servers' endpoints as the daemon's configuration takes them.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        self.servers.iter().map(|server| format!("{scheme}://{}:{PORT}", server.host.v4())).collect()
    }

    /// The position of the server that leads.
    pub(crate) fn leader(&self) -> usize {
        wait_until("a leader of Consul", START, || {
            let leaders: Vec<String> = self.living().filter_map(|place| self.try_leader(place)).collect();
            let leader = leaders.first()?;
            let agreed = leaders.iter().all(|other| other == leader);
            let of = |server: &Agent| *leader == format!("{}:8300", server.host.v4()) && server.process.is_some();
            self.servers.iter().position(of).filter(|_| agreed)
        })
    }

    /// Waits until a server answers consistent reads, so that it is back and knows the leader.
    pub(crate) fn wait_serving(&self, place: usize) {
        wait_until("a server of Consul to serve", START, || {
            let answer = self.servers[place].ask(&self.admin, "GET", "/v1/kv/lab?consistent", "", MASTER).ok()?;
            (answer.status == 200).then_some(())
        });
    }

    fn living(&self) -> impl Iterator<Item = usize> {
        (0..self.servers.len()).filter(|place| self.servers[*place].process.is_some())
    }

    fn try_leader(&self, place: usize) -> Option<String> {
        let answer = self.servers[place].ask(&self.admin, "GET", "/v1/status/leader", "", MASTER).ok()?;
        serde_json::from_str::<String>(&answer.body).ok().filter(|leader| !leader.is_empty())
    }

    /// A request to one server, from the host that is never cut off.
    #[track_caller]
    pub(crate) fn request(&self, place: usize, method: &str, path: &str, body: &str) -> Answer {
        let asked = self.servers[place].ask(&self.admin, method, path, body, MASTER);
        asked.or_fail(&format!("asking Consul for {path}"))
    }

    /// Writes a key, through whichever server answers.
    pub(crate) fn put(&self, key: &str, value: &str) {
        wait_until(&format!("{key} to be written"), START, || {
            let put = |place: usize| {
                let asked = self.servers[place].ask(&self.admin, "PUT", &format!("/v1/kv/{key}"), value, MASTER);
                asked.is_ok_and(|answer| answer.status == 200 && answer.body.trim() == "true")
            };
            self.living().find(|place| put(*place)).map(|_| ())
        });
    }

    /// What a key holds, through whichever server answers.
    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        wait_until(&format!("{key} to be read"), START, || {
            self.living().find_map(|place| {
                let path = format!("/v1/kv/{key}?consistent");
                let answer = self.servers[place].ask(&self.admin, "GET", &path, "", MASTER).ok()?;
                match answer.status {
                    200 => Some(serde_json::from_str::<Value>(&answer.body).ok().map(|rows| rows[0].clone())),
                    404 => Some(None),
                    _ => None,
                }
            })
        })
    }

    /// Makes a token with these rules, and returns its secret.
    pub(crate) fn token(&self, name: &str, rules: &str) -> String {
        let policy = json!({"Name": name, "Rules": rules}).to_string();
        let made = wait_until("a policy", START, || {
            let answer = self.request(0, "PUT", "/v1/acl/policy", &policy);
            (answer.status == 200).then_some(answer)
        });
        let _ = made;
        let token = json!({"Policies": [{"Name": name}]}).to_string();
        let answer = self.request(0, "PUT", "/v1/acl/token", &token);
        let token: Value = serde_json::from_str(&answer.body).or_fail(&format!("making a token: {}", answer.body));
        token["SecretID"].as_str().or_fail("reading a token").to_owned()
    }

    /// Changes the rules of a policy.
    pub(crate) fn set_rules(&self, name: &str, rules: &str) {
        let policies = self.request(0, "GET", "/v1/acl/policies", "");
        let policies: Value = serde_json::from_str(&policies.body).or_fail("listing policies");
        let all = policies.as_array().or_fail("listing policies");
        let policy = all.iter().find(|policy| policy["Name"] == name).or_fail("finding a policy");
        let id = policy["ID"].as_str().or_fail("reading a policy");
        let changed = json!({"ID": id, "Name": name, "Rules": rules}).to_string();
        let answer = self.request(0, "PUT", &format!("/v1/acl/policy/{id}"), &changed);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

impl Agent {
    fn start(host: &Host, own: &[&str], others: &[Ipv4Addr], options: &ConsulOptions) -> Self {
        let data = host.directory().join(host.name());
        // Data of an earlier cluster of this lab must not be used.
        if data.exists() {
            fs::remove_dir_all(&data).or_fail("removing old data");
        }
        fs::create_dir_all(&data).or_fail("making a directory for data");
        let address = host.v4();
        let file = host.directory().join(format!("{}.json", host.name()));
        let plain = if options.tls.is_some() { PLAIN_PORT } else { PORT };
        let mut config = json!({
            "node_name": host.name(),
            "data_dir": data,
            "bind_addr": address.to_string(),
            "client_addr": format!("{address} 127.0.0.1"),
            "ports": {"dns": -1, "serf_wan": -1, "http": plain, "https": -1},
            "retry_join": others.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "retry_interval": "1s",
            "performance": {"raft_multiplier": 1},
            "disable_update_check": true,
            "log_level": "ERR",
        });
        if let Some(tls) = &options.tls {
            let identity = tls.server(host);
            config["ports"]["https"] = json!(PORT);
            config["ca_file"] = json!(tls.ca_file());
            config["cert_file"] = json!(identity.certificate);
            config["key_file"] = json!(identity.key);
        }
        if options.acl {
            config["primary_datacenter"] = json!("dc1");
            config["acl"] = json!({
                "enabled": true, "default_policy": "deny", "down_policy": "extend-cache",
                "tokens": {"master": MASTER, "agent": MASTER, "default": ""},
            });
        }
        fs::write(&file, config.to_string()).or_fail("writing an agent's configuration");
        let mut arguments = vec!["agent".to_owned(), format!("-config-file={}", file.display())];
        arguments.extend(own.iter().map(ToString::to_string));
        let mut agent = Self { host: host.clone(), arguments, process: None };
        agent.restart();
        agent
    }

    /// Starts it with the data that it has.
    pub(crate) fn restart(&mut self) {
        let mut command = self.host.command(program());
        command.args(&self.arguments);
        self.process = Some(Process::start(self.host.name(), command));
    }

    /// SIGKILL. The kernel closes the connections.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// SIGSTOP. Connections stay open, but nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        self.process.as_ref().or_fail("signalling an agent that runs").signal(signal);
    }

    /// A request from a host to this agent.
    pub(crate) fn ask(
        &self,
        from: &Host,
        method: &str,
        path: &str,
        body: &str,
        token: &str,
    ) -> std::io::Result<Answer> {
        let plain = if self.arguments.iter().any(|_| self.has_tls()) { PLAIN_PORT } else { PORT };
        ask(from, (self.host.v4(), plain), method, path, body, token)
    }

    fn has_tls(&self) -> bool {
        let file = self.host.directory().join(format!("{}.json", self.host.name()));
        fs::read_to_string(file).is_ok_and(|config| config.contains("cert_file"))
    }
}

/// A request in HTTP/1.0, whose answer ends with the connection.
fn ask(from: &Host, to: (Ipv4Addr, u16), method: &str, path: &str, body: &str, token: &str) -> std::io::Result<Answer> {
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: consul\r\nX-Consul-Token: {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    from.enter(move || {
        let limit = Duration::from_secs(5);
        let mut stream = TcpStream::connect_timeout(&to.into(), limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(request.as_bytes())?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        let bad = || std::io::Error::other(format!("not an answer: {page}"));
        let (head, body) = page.split_once("\r\n\r\n").ok_or_else(bad)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(bad)?;
        let index = head.lines().find_map(|line| line.strip_prefix("X-Consul-Index: ")?.trim().parse().ok());
        Ok(Answer { status, index: index.unwrap_or(0), body: body.to_owned() })
    })
}

/// Consul's program: the one in PATH, or the one that was fetched.
fn program() -> PathBuf {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/consul");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|directory| directory.join("consul")).chain([fetched]);
    let found = places.find(|file| file.exists());
    found.or_fail("finding Consul; `tests/consul/fetch` fetches it, and so does `make test`")
}

/// Patroni's settings, as far as the lab needs them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) ttl: u64,
    pub(crate) loop_wait: u64,
    pub(crate) retry_timeout: u64,
}

/// Holds a lock as Patroni does: a session that is renewed once per loop, through the agent of its host.
#[derive(Debug)]
pub(crate) struct LockHolder {
    stop: Arc<AtomicBool>,
    renewed: Arc<std::sync::Mutex<Moment>>,
    thread: Option<JoinHandle<()>>,
}

impl LockHolder {
    /// Waits until it has the lock. The session is made through `agent`, so it belongs to it.
    pub(crate) fn start(host: &Host, agent: &Agent, key: &str, timing: Timing) -> Self {
        Self::start_with(host, agent, key, timing, &[])
    }

    /// The same with a session that has these checks.
    pub(crate) fn start_with(host: &Host, agent: &Agent, key: &str, timing: Timing, checks: &[&str]) -> Self {
        let to = (agent.host.v4(), if agent.has_tls() { PLAIN_PORT } else { PORT });
        let session = json!({
            "Name": format!("pg-{}", host.name()),
            "TTL": format!("{:.1}s", Duration::from_secs(timing.ttl).as_secs_f64() / 2.0),
            "LockDelay": "1ms",
            "Behavior": "delete",
            "NodeChecks": checks,
        })
        .to_string();
        let id = wait_until("a session", START, || {
            let answer = ask(host, to, "PUT", "/v1/session/create", &session, MASTER).ok()?;
            let made: Value = serde_json::from_str(&answer.body).ok()?;
            made["ID"].as_str().map(str::to_owned)
        });
        let (name, key) = (host.name().to_owned(), key.to_owned());
        wait_until("the lock", START, || {
            let path = format!("/v1/kv/{key}?acquire={id}");
            let answer = ask(host, to, "PUT", &path, &name, MASTER).ok()?;
            (answer.body.trim() == "true").then_some(())
        });
        let stop = Arc::new(AtomicBool::new(false));
        let renewed = Arc::new(std::sync::Mutex::new(now()));
        let thread = {
            let (stop, renewed, host) = (Arc::clone(&stop), Arc::clone(&renewed), host.clone());
            std::thread::spawn(move || {
                let mut next = now();
                while !stop.load(Ordering::Relaxed) {
                    if now() >= next {
                        let began = now();
                        let path = format!("/v1/session/renew/{id}");
                        if ask(&host, to, "PUT", &path, "", MASTER).is_ok_and(|answer| answer.status == 200) {
                            *super::fail::locked(&renewed) = began;
                        }
                        next = began + Duration::from_secs(timing.loop_wait);
                    }
                    pause(Duration::from_millis(20));
                }
            })
        };
        Self { stop, renewed, thread: Some(thread) }
    }

    /// When the last renewal that was answered was sent.
    pub(crate) fn renewed(&self) -> Moment {
        *super::fail::locked(&self.renewed)
    }

    /// Renews no more, and leaves the lock to its end.
    pub(crate) fn die(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for LockHolder {
    fn drop(&mut self) {
        self.die();
    }
}
