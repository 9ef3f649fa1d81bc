//! Real etcd members on loopback ports of their own, ended by their process id.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use vip_manager::config::model::Endpoint;

use crate::wait::eventually;

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vip-source-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

/// Puts a FIFO in the place of a file: whoever reads it waits for ever, as on a file system that hangs.
pub(crate) fn hang(file: &Path) {
    let fifo = file.with_extension("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    std::fs::rename(&fifo, file).unwrap();
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One etcd process that can be stopped, killed and started again on the same data.
pub(crate) struct Member {
    arguments: Vec<String>,
    pub(crate) port: u16,
    scheme: &'static str,
    process: Option<Child>,
}

impl Member {
    pub(crate) fn start(&mut self) {
        let log = Stdio::null();
        let process = Command::new("etcd").args(&self.arguments).stdout(Stdio::null()).stderr(log).spawn();
        self.process = Some(process.expect("etcd must be installed (Debian: etcd-server)"));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().unwrap().id();
        kill(Pid::from_raw(id.try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { tls: self.scheme == "https", host: "127.0.0.1".into(), port: self.port }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    _folder: Folder,
}

impl Cluster {
    pub(crate) async fn new(size: usize) -> Self {
        let cluster = Self::start(size, "http", &[]);
        for member in &cluster.members {
            ready(&member.url()).await;
        }
        cluster
    }

    /// One member that serves TLS with these options; not waited for.
    pub(crate) fn tls(options: &[&str]) -> Self {
        Self::start(1, "https", options)
    }

    /// `etcd grpc-proxy` before these endpoints.
    pub(crate) async fn grpc_proxy(&self) -> Member {
        let port = free_port();
        let endpoints: Vec<String> = self.members.iter().map(Member::url).collect();
        let arguments = vec![
            "grpc-proxy".into(),
            "start".into(),
            format!("--endpoints={}", endpoints.join(",")),
            format!("--listen-addr=127.0.0.1:{port}"),
        ];
        let mut proxy = Member { arguments, port, scheme: "http", process: None };
        proxy.start();
        ready(&proxy.url()).await;
        proxy
    }

    fn start(size: usize, scheme: &'static str, options: &[&str]) -> Self {
        let folder = Folder::new();
        let ports: Vec<(u16, u16)> = (0..size).map(|_| (free_port(), free_port())).collect();
        let peers: Vec<String> =
            ports.iter().enumerate().map(|(number, (_, peer))| format!("m{number}=http://127.0.0.1:{peer}")).collect();
        let member = |(number, &(port, peer)): (usize, &(u16, u16))| {
            let data = folder.path().join(format!("m{number}"));
            let mut member = Member {
                arguments: [
                    format!("--name=m{number}"),
                    format!("--data-dir={}", data.display()),
                    format!("--listen-client-urls={scheme}://127.0.0.1:{port}"),
                    format!("--advertise-client-urls={scheme}://127.0.0.1:{port}"),
                    format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                    format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
                    format!("--initial-cluster={}", peers.join(",")),
                    "--heartbeat-interval=50".into(),
                    "--election-timeout=500".into(),
                    "--log-outputs=stderr".into(),
                    "--logger=zap".into(),
                ]
                .into_iter()
                .chain(options.iter().map(ToString::to_string))
                .collect(),
                port,
                scheme,
                process: None,
            };
            member.start();
            member
        };
        Self { members: ports.iter().enumerate().map(member).collect(), _folder: folder }
    }

    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        self.members.iter().map(Member::endpoint).collect()
    }

    /// A client to change things with.
    pub(crate) async fn client(&self) -> Client {
        ready(&self.members[0].url()).await
    }

    pub(crate) async fn client_of(&self, user: &str, password: &str) -> Client {
        let options = ConnectOptions::new().with_user(user, password);
        Client::connect([self.members[0].url()], Some(options)).await.unwrap()
    }

    /// Turns authentication on: root with the password "root", and a user that may read what lies under /service/.
    pub(crate) async fn turn_authentication_on(&self, user: &str, password: &str) {
        use etcd_client::Permission;
        let mut client = self.client().await;
        client.user_add("root", "root", None).await.unwrap();
        client.user_grant_role("root", "root").await.unwrap();
        client.role_add("reader").await.unwrap();
        let permission = Permission::read("/service/").with_prefix();
        client.role_grant_permission("reader", permission).await.unwrap();
        client.user_add(user, password, None).await.unwrap();
        client.user_grant_role(user, "reader").await.unwrap();
        client.user_add("stranger", "stranger", None).await.unwrap();
        client.auth_enable().await.unwrap();
    }
}

/// How often each member handled a method, by its own count.
pub(crate) async fn handled(member: &Member, method: &str) -> u64 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", member.port)).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let wanted = format!("grpc_method=\"{method}\"");
    let lines = text.lines().filter(|line| line.starts_with("grpc_server_started_total") && line.contains(&wanted));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

async fn ready(url: &str) -> Client {
    let limit = Duration::from_secs(20);
    eventually("etcd answers", limit, async || {
        let options = ConnectOptions::new().with_timeout(Duration::from_millis(500));
        let mut client = Client::connect([url], Some(options)).await.ok()?;
        client.get("/ready", None).await.ok()
    })
    .await;
    // What follows may take its time: hashing a password does, on a machine that is busy.
    let options = ConnectOptions::new().with_timeout(limit);
    Client::connect([url], Some(options)).await.unwrap()
}

/// This process's ends of its connections to a local port. (etcd has one to itself, which does not count.)
pub(crate) fn connections_to(port: u16) -> BTreeSet<String> {
    let own: BTreeSet<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let remote = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|fields| fields[2] == remote && own.contains(fields[9])).map(|fields| fields[1].to_owned()).collect()
}
