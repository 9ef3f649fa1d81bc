//! Real ZooKeeper servers, each on a host of its own.
//!
//! Debian's `libzookeeper-java` and any Java runtime are all that is needed; no service is installed or started.

mod session;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

pub(crate) use self::session::{Line, Session};
use super::clock::wait_until;
use super::fail::OrFail;
use super::host::Host;
use super::lab::Lab;
use super::process::Process;
use super::tls::Tls;

/// The daemon's port.
pub(crate) const PORT: u16 = 2181;
/// The lab's own port where the daemon's has TLS.
const PLAIN_PORT: u16 = 2180;
/// How long an ensemble may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);
const JAR: &str = "/usr/share/java/zookeeper.jar";
/// The library's own list lacks a part of netty, which TLS needs.
const CLASSES: &str = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar:/usr/share/java/netty-codec.jar";

/// Options of an ensemble.
#[derive(Clone, Debug)]
pub(crate) struct EnsembleOptions {
    pub(crate) servers: usize,
    /// The unit of ZooKeeper's times: sessions last from 2 to 20 ticks.
    pub(crate) tick: Duration,
    /// Use TLS on the daemon's port.
    pub(crate) tls: Option<Tls>,
    /// Require a client certificate on the daemon's port.
    pub(crate) client_certificates: bool,
    /// Additional lines of every server's configuration.
    pub(crate) lines: Vec<String>,
}

impl Default for EnsembleOptions {
    fn default() -> Self {
        let tick = Duration::from_secs(2);
        Self { servers: 3, tick, tls: None, client_certificates: false, lines: Vec::new() }
    }
}

/// The servers.
#[derive(Debug)]
pub(crate) struct Ensemble {
    pub(crate) servers: Vec<Server>,
    /// A host that is never cut off.
    pub(crate) admin: Host,
    pub(crate) tls: Option<Tls>,
}

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) host: Host,
    file: PathBuf,
    plain_port: u16,
    process: Option<Process>,
}

impl Ensemble {
    /// Starts servers with the usual options and waits until all of them serve.
    pub(crate) fn start(lab: &Lab, servers: usize) -> Self {
        Self::start_with(lab, &EnsembleOptions { servers, ..EnsembleOptions::default() })
    }

    /// Starts servers and waits until all of them serve.
    pub(crate) fn start_with(lab: &Lab, options: &EnsembleOptions) -> Self {
        assert!(Path::new(JAR).exists(), "ZooKeeper is not installed; run `apt-get install libzookeeper-java`");
        let hosts: Vec<Host> = (1..=options.servers).map(|number| lab.host(&format!("zk{number}"))).collect();
        let servers = (0..hosts.len()).map(|place| Server::start(&hosts, place, options)).collect();
        let ensemble = Self { servers, admin: lab.host("admin"), tls: options.tls.clone() };
        for place in 0..options.servers {
            ensemble.wait_serving(place);
        }
        ensemble
    }

    /// The servers' endpoints as the daemon's configuration takes them.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("{}:{PORT}", server.host.v4())).collect()
    }

    /// The lab's own port of a server.
    pub(crate) fn address(&self, place: usize) -> SocketAddr {
        let server = &self.servers[place];
        (server.host.v4(), server.plain_port).into()
    }

    /// Waits until a server is part of the ensemble, and so serves clients.
    pub(crate) fn wait_serving(&self, place: usize) {
        let server = &self.servers[place];
        wait_until(&format!("{} to serve", server.host.name()), START, || server.mode());
    }

    /// The position of the server that leads.
    pub(crate) fn leader(&self) -> usize {
        wait_until("a leader of the ensemble", START, || {
            self.servers.iter().position(|server| matches!(server.mode().as_deref(), Some("leader" | "standalone")))
        })
    }

    /// A session with one server, from the host that is never cut off. It moves to another one if its server ends.
    pub(crate) fn session(&self, place: usize, timeout: Duration) -> Session {
        self.session_from(&self.admin, place, timeout)
    }

    /// The same from any host.
    pub(crate) fn session_from(&self, host: &Host, place: usize, timeout: Duration) -> Session {
        let mut addresses: Vec<_> = (0..self.servers.len()).map(|place| self.address(place)).collect();
        addresses.rotate_left(place);
        Session::open(host, addresses, timeout)
    }

    pub(crate) fn hosts(&self) -> Vec<&Host> {
        self.servers.iter().map(|server| &server.host).collect()
    }
}

impl Server {
    fn start(hosts: &[Host], place: usize, options: &EnsembleOptions) -> Self {
        let host = &hosts[place];
        let data = host.directory().join(host.name());
        // Data of an earlier ensemble of this lab must not be used.
        if data.exists() {
            fs::remove_dir_all(&data).or_fail("removing old data");
        }
        fs::create_dir_all(&data).or_fail("making a directory for data");
        fs::write(data.join("myid"), (place + 1).to_string()).or_fail("naming a server");
        let plain_port = if options.tls.is_some() { PLAIN_PORT } else { PORT };
        let mut lines = vec![
            format!("tickTime={}", options.tick.as_millis()),
            "initLimit=10".to_owned(),
            "syncLimit=5".to_owned(),
            format!("dataDir={}", data.display()),
            format!("clientPort={plain_port}"),
            "admin.enableServer=false".to_owned(),
        ];
        if hosts.len() > 1 {
            let all = hosts.iter().enumerate();
            lines.extend(all.map(|(place, host)| format!("server.{}={}:2888:3888", place + 1, host.v4())));
        }
        if let Some(tls) = &options.tls {
            lines.extend(secure(host, tls, options.client_certificates));
        }
        lines.extend(options.lines.iter().cloned());
        let file = host.directory().join(format!("{}.cfg", host.name()));
        fs::write(&file, lines.join("\n") + "\n").or_fail("writing a server's configuration");
        let mut server = Self { host: host.clone(), file, plain_port, process: None };
        server.restart();
        server
    }

    /// Starts the server with the data that it has.
    pub(crate) fn restart(&mut self) {
        let mut command = self.host.command("java");
        // A short life on few processors: neither compile much nor collect in parallel.
        command.args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", CLASSES]);
        command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(&self.file);
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
        self.process.as_ref().or_fail("signalling a server that runs").signal(signal);
    }

    /// What the server says that it is, if it serves.
    pub(crate) fn mode(&self) -> Option<String> {
        let page = self.four_letters("srvr").ok()?;
        page.lines().find_map(|line| line.strip_prefix("Mode: ").map(str::to_owned))
    }

    /// The answer to one of ZooKeeper's words of four letters.
    fn four_letters(&self, word: &'static str) -> std::io::Result<String> {
        let address = (self.host.v4(), self.plain_port);
        self.host.enter(move || {
            let limit = Duration::from_secs(2);
            let mut stream = TcpStream::connect_timeout(&address.into(), limit)?;
            stream.set_read_timeout(Some(limit))?;
            stream.write_all(word.as_bytes())?;
            let mut page = String::new();
            stream.read_to_string(&mut page)?;
            Ok(page)
        })
    }
}

/// What a server's configuration says about TLS.
fn secure(host: &Host, tls: &Tls, client_certificates: bool) -> Vec<String> {
    let identity = tls.server(host);
    let both = host.directory().join(format!("{}-both.pem", host.name()));
    let parts = [&identity.key, &identity.certificate].map(|file| fs::read_to_string(file).or_fail("reading a key"));
    fs::write(&both, parts.concat()).or_fail("writing a key with its certificate");
    vec![
        format!("secureClientPort={PORT}"),
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory".to_owned(),
        format!("ssl.keyStore.location={}", both.display()),
        format!("ssl.trustStore.location={}", tls.ca_file().display()),
        format!("ssl.clientAuth={}", if client_certificates { "need" } else { "none" }),
    ]
}
