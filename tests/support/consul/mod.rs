//! Consul servers and client agents, each on a host of its own, and a stand-in for Patroni that holds a lock there.
//!
//! They are real ones; `tests/consul/fetch` brings the program. With `VIP_MANAGER_FAKE_CONSUL=1`, which
//! `tests/consul/run-tests` sets where the program cannot be had, they are fakes in this process. Tests that need what
//! these lack are listed in `tests/consul/real-only`.

mod agent;
mod fake;
pub(crate) mod lock;

use std::env;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) use self::agent::{Agent, Answer};
use self::fake::Shared;
use super::clock::wait_until;
use super::fail::OrFail;
use super::host::Host;
use super::lab::Lab;
use super::tls::Tls;

/// The daemon's port.
pub(crate) const PORT: u16 = 8500;
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
    /// What fakes have in common.
    fake: Option<Arc<Shared>>,
}

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Real,
    Fake,
}

impl Kind {
    /// Whoever answers in this run of the tests.
    fn of_this_run() -> Self {
        if env::var_os("VIP_MANAGER_FAKE_CONSUL").is_some_and(|value| value == "1") { Self::Fake } else { Self::Real }
    }
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
        Self::of_kind(Kind::of_this_run(), lab, hosts, options)
    }

    /// Starts real servers or fakes, whatever the others of this run are.
    pub(crate) fn of_kind(kind: Kind, lab: &Lab, hosts: Vec<Host>, options: &ConsulOptions) -> Self {
        let fake = (kind == Kind::Fake).then(Arc::default);
        assert!(
            fake.is_none() || (options.tls.is_none() && !options.acl),
            "lab: the fake of Consul has neither TLS nor ACLs; list this test in tests/consul/real-only"
        );
        let mut consul = Self { servers: Vec::new(), admin: lab.host("admin"), options: options.clone(), fake };
        let expect = format!("-bootstrap-expect={}", hosts.len());
        let others: Vec<Ipv4Addr> = hosts.iter().map(Host::v4).collect();
        for host in hosts {
            let server = match &consul.fake {
                Some(shared) => Agent::fake(&host, true, shared),
                None => Agent::start(&host, &["-server", &expect], &others, &consul.options),
            };
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
        let agent = match &self.fake {
            Some(shared) => Agent::fake(host, false, shared),
            None => Agent::start(host, &[], &servers, &self.options),
        };
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
            let of = |server: &Agent| *leader == format!("{}:8300", server.host.v4()) && server.runs();
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
        (0..self.servers.len()).filter(|place| self.servers[*place].runs())
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
