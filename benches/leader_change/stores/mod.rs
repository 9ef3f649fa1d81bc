//! Measures leader changes on every store but etcd v3, each with three hosts and beside bare clients of the store.

mod consul;
mod etcd2;
mod kubernetes;
mod rest;
mod zookeeper;

use std::fs;
use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use vip_manager::time::Moment;

use self::consul::OnConsul;
use self::etcd2::OnEtcd2;
use self::kubernetes::OnKubernetes;
use self::rest::OnRest;
use self::zookeeper::OnZookeeper;
use crate::Effort;
use crate::series::{Series, after};
use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::fail::OrFail;
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::support::observer::AddressObserver;

const LIMIT: Duration = Duration::from_secs(20);
/// A request to wait has arrived after this time, and after a change the bench leaves the processor to the daemons.
const SETTLE: Duration = Duration::from_millis(60);
/// No host has this name.
const NOBODY: &str = "nobody";

/// A store with what follows the leader in it.
trait Store {
    /// What the table calls it.
    fn name() -> String;

    /// Starts it. The bare clients run on `client`.
    fn start(lab: &Lab, hosts: &[Host], client: &Host) -> Self;

    /// The configuration of the daemon on this host.
    fn config(&self, host: &Host) -> ConfigFile;

    /// Bare clients that wait for the next change of the leader; None where no server tells of one.
    fn wait(&self) -> Option<Bare>;

    /// Writes who leads: the name of a host, or [`NOBODY`].
    fn lead(&self, name: &str);
}

/// The leader changes on one store.
#[derive(Clone, Debug)]
pub(crate) struct OnStore {
    pub(crate) name: String,
    /// From the write request to the event at the first bare client. Empty where there is none.
    pub(crate) event: Series,
    /// From that event to the first announcement.
    pub(crate) announcement: Series,
    /// From the write request to the first announcement.
    pub(crate) whole: Series,
}

/// All stores, and the load of the machine before and after.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    pub(crate) changes: usize,
    pub(crate) load: [String; 2],
    pub(crate) all: Vec<OnStore>,
}

/// Measures so many changes on one store.
type Measure = fn(usize) -> OnStore;

/// Measures one store, or all.
pub(crate) fn measure(effort: &Effort, only: Option<&str>) -> Stores {
    let changes = effort.changes_per_store;
    let before = load();
    let all: [(&str, Measure); 6] = [
        ("consul", on::<OnConsul>),
        ("zookeeper", on::<OnZookeeper<false>>),
        ("zookeeper-claim", on::<OnZookeeper<true>>),
        ("etcd2", on::<OnEtcd2>),
        ("kubernetes", on::<OnKubernetes>),
        ("patroni", on::<OnRest>),
    ];
    let wanted = all.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
    let all = wanted.map(|(_, measure)| measure(changes)).collect();
    Stores { changes, load: [before, load()], all }
}

fn on<S: Store>(changes: usize) -> OnStore {
    crate::say(&format!("{changes} leader changes, {} …", S::name()));
    let lab = Lab::new("store");
    let hosts: Vec<Host> = ["db1", "db2", "db3"].map(|name| lab.host(name)).into();
    let client = lab.host("client");
    let store = S::start(&lab, &hosts, &client);
    let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
    let capture = Capture::on(&client);
    let daemons: Vec<Daemon> = hosts.iter().map(|host| Daemon::start(host, &store.config(host))).collect();
    wait_for("the daemons", LIMIT, || daemons.iter().all(Daemon::ready));

    store.lead(hosts[0].name());
    observer.wait_held(&hosts[0], VIP, LIMIT);
    let [mut event, mut announcement, mut whole] = [Series::default(), Series::default(), Series::default()];
    for round in 0..changes {
        let (from, to) = (&hosts[round % hosts.len()], &hosts[(round + 1) % hosts.len()]);
        // Not in step with the daemons' intervals and polls.
        pause(SETTLE + Duration::from_millis(37 * (round as u64 % 13)));
        // As in a switchover of Patroni: the old leader gives the key up, and the next one takes it.
        store.lead(NOBODY);
        observer.wait_gone(from, VIP, LIMIT);
        pause(SETTLE);
        let bare = store.wait();
        pause(SETTLE);
        capture.clear();
        let (mac, sent) = (to.mac(), now());
        store.lead(to.name());
        pause(SETTLE);
        let told = bare.map(Bare::told);
        let wire = wait_until("the announcement", LIMIT, || capture.first(sent, VIP, &mac)).at;
        whole.add(after(sent, wire));
        if let Some(told) = told {
            event.add(after(sent, told));
            announcement.add(after(told, wire));
        }
    }
    drop(daemons);
    OnStore { name: S::name(), event, announcement, whole }
}

/// Bare clients, one per server, each waiting for one change.
struct Bare(Vec<JoinHandle<Moment>>);

impl Bare {
    /// Starts them on this host. Each begins to wait, says so, and returns when it is told of the change.
    fn begin<C>(host: &Host, clients: impl IntoIterator<Item = C>) -> Self
    where
        C: FnOnce(&dyn Fn()) -> io::Result<()> + Send + 'static,
    {
        let (waits, waiting) = mpsc::channel();
        let started = clients.into_iter().map(|client| {
            let waits = waits.clone();
            host.spawn(move || {
                client(&|| waits.send(()).or_fail("telling that a bare client waits")).or_fail("waiting for a change");
                now()
            })
        });
        let started: Vec<_> = started.collect();
        for _ in &started {
            waiting.recv_timeout(LIMIT).or_fail("starting a bare client");
        }
        Self(started)
    }

    /// When the first of them was told.
    fn told(self) -> Moment {
        let told = self.0.into_iter().map(|client| client.join().ok().or_fail("a bare client's event"));
        told.min().or_fail("a bare client")
    }
}

/// Sends a request whose answer has a head at once, and its body with the change.
fn wait_for_line(mut stream: impl io::Read + io::Write, request: &str, waits: &dyn Fn()) -> io::Result<()> {
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    if !head.get(8..).is_some_and(|rest| rest.starts_with(b" 200 ")) {
        return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
    }
    waits();
    stream.read_exact(&mut [0])
}

/// The load averages over 1, 5 and 15 minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").or_fail("reading the load");
    text.split_whitespace().take(3).collect::<Vec<_>>().join(", ")
}
