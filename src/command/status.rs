//! `vip-manager status`: asks the running daemon how it is. Without one it says so, and asks the kernel and etcd itself.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::cli::StatusAsked;
use crate::clock;
use crate::config::{Config, Loaded, SourceIndex, StatusSocket};
use crate::daemon::snapshot;
use crate::daemon::sources::watched;
use crate::driver::Mirror;
use crate::host::AddressSocket;
use crate::keeper::KeyRead;
use crate::source::{self, KeyIndex, Report, Settings, Source, Watched};
use crate::status::{Counters, Process, Status, json, text};
use crate::terminal::{self, Colour, Terminal};

/// Prints the status once.
pub(super) async fn once(loaded: &Loaded, asked: StatusAsked) -> ExitCode {
    let answer = answer(loaded, asked).await;
    answer.complain();
    terminal::write(io::stdout(), &answer.text);
    answer.code()
}

/// What there is to be shown.
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) colour: Colour,
    /// Why it is not the daemon's, if it is not.
    pub(super) nobody: Option<String>,
}

impl Answer {
    pub(super) fn code(&self) -> ExitCode {
        if self.nobody.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Tells on the standard error why the daemon does not answer.
    pub(super) fn complain(&self) {
        if let Some(why) = &self.nobody {
            terminal::write(io::stderr(), format_args!("no daemon answers: {why}\n"));
        }
    }
}

/// The daemon's answer, or what is known without it.
pub(super) async fn answer(loaded: &Loaded, asked: StatusAsked) -> Answer {
    let coloured = Terminal::behind(io::stdout()).is_some_and(|terminal| terminal.abilities.colour);
    let colour = Colour::allowed(coloured);
    let answer = match loaded.config.status.socket.path(Path::new(StatusSocket::DIRECTORY)) {
        Some(path) => fetch(&path, resource(asked, colour)).await.map_err(|error| explained(&path, &error)),
        None => Err("this daemon has no socket for its status (status-socket: none)".to_owned()),
    };
    match answer {
        Ok(text) => Answer { text, colour, nobody: None },
        Err(why) => Answer { text: without_daemon(loaded, asked, colour).await, colour, nobody: Some(why) },
    }
}

const fn resource(asked: StatusAsked, colour: Colour) -> &'static str {
    match (asked.json, asked.events, colour) {
        (true, false, _) => "/status",
        (true, true, _) => "/events",
        (false, false, Colour::No) => "/status.txt",
        (false, false, Colour::Yes) => "/status.txt?colour=1",
        (false, true, Colour::No) => "/events.txt",
        (false, true, Colour::Yes) => "/events.txt?colour=1",
    }
}

async fn fetch(path: &Path, resource: &str) -> io::Result<String> {
    let exchange = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(format!("GET {resource} HTTP/1.1\r\nHost: vip-manager\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.take(MOST).read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = timeout(LIMIT, exchange).await.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "the answer cannot be understood");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    if head.starts_with("HTTP/1.1 200 ") { Ok(body.to_owned()) } else { Err(io::Error::other(body.trim().to_owned())) }
}

fn explained(path: &Path, error: &io::Error) -> String {
    let cure = match error.kind() {
        io::ErrorKind::PermissionDenied => "; it takes root or the group vip-manager",
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => "; is it running? systemctl status vip-manager",
        _ => "",
    };
    format!("{}: {error}{cure}", path.display())
}

/// What the kernel and etcd say.
async fn without_daemon(loaded: &Loaded, asked: StatusAsked, colour: Colour) -> String {
    if asked.events && !asked.json {
        return String::new();
    }
    let mut status = from_the_kernel(loaded);
    ask_stores(&loaded.config, &mut status).await;
    match (asked.json, asked.events) {
        (true, true) => json::events(&status) + "\n",
        (true, false) => json::status(&status) + "\n",
        (false, _) => text::status(&status, colour),
    }
}

fn from_the_kernel(loaded: &Loaded) -> Status {
    let mut kernel = Mirror::default();
    if let Some(snapshot) = AddressSocket::open(clock::now).ok().and_then(|mut addresses| addresses.dump().ok()) {
        kernel.replace(&snapshot);
    }
    let now = clock::now();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        host: snapshot::host_name(),
        pid: std::process::id(),
        started: clock::wall_time(),
        taken: clock::wall_time(),
        config: loaded.file.as_ref().map(|file| file.display().to_string()),
        daemon: false,
        vips: loaded.config.vips.iter().map(|vip| snapshot::bare(vip, &kernel, now)).collect(),
        endpoints: Vec::new(),
        events: Vec::new(),
        counters: Counters::default(),
        process: Process::default(),
    }
}

/// One read of all keys, or the reasons why there was none in time.
async fn ask_stores(config: &Config, status: &mut Status) {
    let asked = (0..config.sources.len()).map(|index| tokio::spawn(Asked::start(config, index).answered()));
    let mut stores = Vec::new();
    for store in asked.collect::<Vec<_>>() {
        stores.extend(store.await.ok());
    }
    let now = clock::now();
    for (vip, config) in status.vips.iter_mut().zip(&config.vips) {
        let Some(store) = stores.get(config.source) else { continue };
        let key = store.keys.iter().position(|key| *key.key == *vip.key && *key.value == *vip.expected);
        match key.and_then(|key| store.answers.get(&key)) {
            Some(Ok(read)) => vip.read = Some(snapshot::read(read, &vip.expected, now)),
            Some(Err(why)) => vip.unreachable = Some(Arc::clone(why)),
            None => vip.unreachable = Some(Arc::clone(&store.why)),
        }
    }
    let endpoints = stores.iter().flat_map(|store| store.source.endpoints());
    status.endpoints = endpoints.map(|endpoint| snapshot::endpoint(&endpoint, now)).collect();
}

/// A store that is asked for its keys once.
struct Asked {
    keys: Vec<Watched>,
    source: Source,
    answers: BTreeMap<KeyIndex, Result<KeyRead, Arc<str>>>,
    why: Arc<str>,
}

impl Asked {
    fn start(config: &Config, index: SourceIndex) -> Self {
        let keys = watched(config.vips.iter().filter(|vip| vip.source == index));
        let settings = Settings { pace: config.pace, call_limit: LIMIT, clock: clock::now, seed: 0 };
        let source = source::start(&config.sources[index], settings, keys.clone(), Vec::new());
        Self { keys, source, answers: BTreeMap::new(), why: Arc::from("no answer in time") }
    }

    /// With all answers, or with those that came in time.
    async fn answered(mut self) -> Self {
        let Self { keys, source, answers, why } = &mut self;
        let all = async {
            while answers.len() < keys.len() {
                match source.reports.recv().await {
                    Some(Report::Read(reads)) => answers.extend(reads.into_iter().map(|(key, read)| (key, Ok(read)))),
                    Some(Report::Unreadable(keys)) => {
                        answers.extend(keys.into_iter().map(|(key, why)| (key, Err(why))));
                    }
                    Some(Report::Claim(..) | Report::Changed(_)) => {}
                    Some(Report::Unreachable { why: cause, .. }) => return *why = cause,
                    None => return,
                }
            }
        };
        let _late = timeout(LIMIT, all).await;
        self
    }
}

/// How long an answer is waited for.
const LIMIT: Duration = Duration::from_secs(3);
/// An answer is far smaller.
const MOST: u64 = 16 * 1024 * 1024;
