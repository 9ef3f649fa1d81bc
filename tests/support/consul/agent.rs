//! One agent of Consul, real or fake.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::fake::{FakeAgent, Shared};
use super::{ConsulOptions, MASTER, PORT};
use crate::support::fail::OrFail;
use crate::support::host::Host;
use crate::support::process::Process;

/// The lab's own port where the daemon's has TLS.
const PLAIN_PORT: u16 = 8499;

/// One agent: a server, or a client.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) host: Host,
    /// Where the lab asks it.
    pub(super) port: u16,
    program: Program,
}

#[derive(Debug)]
enum Program {
    Real { arguments: Vec<String>, process: Option<Process> },
    Fake(FakeAgent),
}

/// An answer of Consul.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) index: u64,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Agent {
    pub(super) fn start(host: &Host, own: &[&str], others: &[Ipv4Addr], options: &ConsulOptions) -> Self {
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
        let program = Program::Real { arguments, process: None };
        let mut agent = Self { host: host.clone(), port: plain, program };
        agent.restart();
        agent
    }

    pub(super) fn fake(host: &Host, server: bool, shared: &Arc<Shared>) -> Self {
        let program = Program::Fake(FakeAgent::new(host, server, shared));
        let mut agent = Self { host: host.clone(), port: PORT, program };
        agent.restart();
        agent
    }

    pub(super) fn runs(&self) -> bool {
        match &self.program {
            Program::Real { process, .. } => process.is_some(),
            Program::Fake(agent) => agent.runs(),
        }
    }

    /// Starts it with the data that it has.
    pub(crate) fn restart(&mut self) {
        match &mut self.program {
            Program::Real { arguments, process } => {
                let mut command = self.host.command(program());
                command.args(arguments);
                *process = Some(Process::start(self.host.name(), command));
            }
            Program::Fake(agent) => agent.resume(),
        }
    }

    /// SIGKILL. The kernel closes the connections.
    pub(crate) fn kill(&mut self) {
        match &mut self.program {
            Program::Real { process, .. } => *process = None,
            Program::Fake(agent) => agent.stop(),
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

    fn signal(&self, signal: Signal) {
        match &self.program {
            Program::Real { process, .. } => process.as_ref().or_fail("signalling an agent that runs").signal(signal),
            Program::Fake(agent) => agent.freeze(signal == Signal::SIGSTOP),
        }
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
        ask(from, (self.host.v4(), self.port), method, path, body, token)
    }
}

/// A request in HTTP/1.0, whose answer ends with the connection.
pub(super) fn ask(
    from: &Host,
    to: (Ipv4Addr, u16),
    method: &str,
    path: &str,
    body: &str,
    token: &str,
) -> std::io::Result<Answer> {
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
        Ok(Answer { status, index: index.unwrap_or(0), head: head.to_owned(), body: body.to_owned() })
    })
}

/// Consul's program: the one in PATH, or the one that was fetched.
fn program() -> PathBuf {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/consul");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|directory| directory.join("consul")).chain([fetched]);
    let found = places.find(|file| file.exists());
    found.or_fail("finding Consul; `tests/consul/fetch` fetches it, and with VIP_MANAGER_FAKE_CONSUL=1 a fake answers")
}
