//! What the host's part costs, and what the usual asynchronous netlink library would cost in its place.
//!
//! Run as root with `cargo bench --bench netlink`. Everything happens in a network namespace of its own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on has nothing to say")]
#![expect(clippy::print_stdout, reason = "the table is the purpose")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::process::Command;
use std::time::Duration;

use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo};
use nix::sched::{CloneFlags, unshare};
use nix::time::{ClockId, clock_gettime};
use rtnetlink::Handle;
use vip_manager::clock;
use vip_manager::driver::Mirror;
use vip_manager::host::{AddressSocket, Announcer, Connections, Monitor, Notices, PROTOCOL};
use vip_manager::time::Moment;
use vip_manager::vip::{InterfaceName, Vip};

const ROUNDS: usize = 5_000;
const MANY: u16 = 1_000;
const LIFETIME: u32 = 60;
const MINUTE: NonZeroU32 = NonZeroU32::new(LIFETIME).unwrap();

fn main() {
    unshare(CloneFlags::CLONE_NEWNET).expect("this bench makes a network namespace, which takes root");
    for arguments in ["link set lo up", "link add v0 type veth peer name v1", "link set v0 up", "link set v1 up"] {
        let status = Command::new("ip").args(arguments.split(' ')).status().expect("this bench needs iproute2");
        assert!(status.success(), "ip {arguments}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let mut socket = AddressSocket::open(clock::now).unwrap();
    let mut kernel = Mirror::default();
    kernel.replace(&socket.dump().unwrap());
    let index = kernel.link_by_name(&name("v0")).unwrap().index;

    println!("{:<52} {:>9} {:>9} {:>9}", "µs a call", "p50", "p99", "CPU mean");
    for vip in [vip("10.9.0.5"), vip("fd00::5")] {
        held(&mut socket, index, &vip);
        polled(index, &vip).await;
        handle(index, &vip).await;
        removed(&mut socket, index, &vip);
    }
    announced("10.9.0.5");
    announced("fd00::5");
    looked_through();
    thousand(&mut socket, index, &mut kernel).await;
}

/// A renewal, as the daemon does it.
fn held(socket: &mut AddressSocket, index: u32, vip: &Vip) {
    let mut times = Times::new(format!("renew {vip}: request and answer in one call"));
    for _ in 0..ROUNDS {
        times.of(|| socket.put(index, vip, MINUTE).unwrap());
    }
    times.print();
}

/// What a release waits for where no client is connected: one walk of the kernel's table of sockets.
fn looked_through() {
    let mut connections = Connections::open(clock::now).unwrap();
    let address = "10.9.0.5".parse().unwrap();
    let mut times = Times::new("reset connections: there are none".to_owned());
    for _ in 0..ROUNDS / 10 {
        times.of(|| connections.reset(&BTreeSet::from([address])).unwrap());
    }
    times.print();
}

/// The same renewal through the library's handle and its connection task, on the same runtime.
async fn handle(index: u32, vip: &Vip) {
    let (connection, handle, _) = rtnetlink::new_connection().unwrap();
    let task = tokio::spawn(connection);
    let mut times = Times::new(format!("renew {vip}: rtnetlink, handle and connection task"));
    for _ in 0..ROUNDS {
        let start = Start::now();
        renew(&handle, index, vip).await;
        times.note(start);
    }
    times.print();
    drop(handle);
    task.abort();
}

/// The same renewal with the connection polled by the caller: no task, but the channel and the reactor remain.
async fn polled(index: u32, vip: &Vip) {
    let (mut connection, handle, _) = rtnetlink::new_connection().unwrap();
    let mut times = Times::new(format!("renew {vip}: rtnetlink, connection polled by hand"));
    for _ in 0..ROUNDS {
        let start = Start::now();
        tokio::select! {
            biased;
            () = renew(&handle, index, vip) => {}
            () = &mut connection => panic!("the connection ended"),
        }
        times.note(start);
    }
    times.print();
}

async fn renew(handle: &Handle, index: u32, vip: &Vip) {
    let mut request = handle.address().add(index, vip.address(), vip.prefix()).replace();
    let message: &mut AddressMessage = request.message_mut();
    let mut times = CacheInfo::default();
    times.ifa_valid = LIFETIME;
    if vip.address().is_ipv4() {
        times.ifa_preferred = LIFETIME;
    } else {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes.push(AddressAttribute::CacheInfo(times));
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::from(PROTOCOL)));
    request.execute().await.unwrap();
}

fn removed(socket: &mut AddressSocket, index: u32, vip: &Vip) {
    let mut adds = Times::new(format!("put up {vip}"));
    let mut removals = Times::new(format!("remove {vip}"));
    for _ in 0..ROUNDS / 10 {
        removals.of(|| socket.remove(index, vip.address(), vip.prefix()).unwrap());
        adds.of(|| socket.put(index, vip, MINUTE).unwrap());
    }
    adds.print();
    removals.print();
}

fn announced(address: &str) {
    let (interface, address): (_, IpAddr) = (name("v0"), address.parse().unwrap());
    let mut announcer = Announcer::open().unwrap();
    let mut times = Times::new(format!("announce {address}: one round"));
    for _ in 0..ROUNDS {
        times.of(|| announcer.announce(&interface, address).unwrap());
    }
    times.print();
}

/// A thousand addresses: one round of renewals, the news of it, a full list, one round of announcements.
async fn thousand(socket: &mut AddressSocket, index: u32, kernel: &mut Mirror) {
    let vips: Vec<Vip> = (0..MANY).map(|n| vip(&format!("10.8.{}.{}", n >> 8, n & 0xff))).collect();
    let hold = |socket: &mut AddressSocket| {
        for vip in &vips {
            socket.put(index, vip, MINUTE).unwrap();
        }
    };
    hold(socket);
    let mut monitor = Monitor::open(clock::now).unwrap();
    println!("\n{:<52} {:>9} {:>9} {:>9}", "ms for 1,000 addresses", "p50", "worst", "CPU mean");

    let mut renewals = Times::new("renew each".into());
    let mut news = Times::new("hear of it, and mirror it".into());
    let mut lists = Times::new("list and mirror everything".into());
    let mut rounds = Times::new("announce each once".into());
    let (interface, mut announcer) = (name("v0"), Announcer::open().unwrap());
    for _ in 0..30 {
        renewals.of(|| hold(socket));

        let (start, mut heard) = (Start::now(), 0);
        while heard < usize::from(MANY) {
            let Notices::Seen(notices) = monitor.next().await.unwrap() else { panic!("the queue was too short") };
            heard += notices.len();
            for notice in &notices {
                kernel.apply(notice);
            }
        }
        news.note(start);

        lists.of(|| kernel.replace(&socket.dump().unwrap()));
        rounds.of(|| {
            for vip in &vips {
                announcer.announce(&interface, vip.address()).unwrap();
            }
        });
    }
    for times in [renewals, news, lists, rounds] {
        times.print_in(1_000.0);
    }
}

/// When a call began.
#[derive(Clone, Copy)]
struct Start {
    wall: Moment,
    cpu: Duration,
}

impl Start {
    fn now() -> Self {
        Self { wall: clock::now(), cpu: cpu_time() }
    }
}

/// How long each of many calls took.
struct Times {
    what: String,
    wall: Vec<Duration>,
    cpu: Duration,
}

impl Times {
    fn new(what: String) -> Self {
        Self { what, wall: Vec::new(), cpu: Duration::ZERO }
    }

    fn of<T>(&mut self, call: impl FnOnce() -> T) {
        let start = Start::now();
        call();
        self.note(start);
    }

    fn note(&mut self, start: Start) {
        self.wall.push(clock::now().since(start.wall));
        self.cpu += cpu_time().saturating_sub(start.cpu);
    }

    fn print(self) {
        self.print_in(1.0);
    }

    fn print_in(mut self, micros: f64) {
        self.wall.sort_unstable();
        let shown = |time: Duration| time.as_secs_f64() * 1e6 / micros;
        let quantile = |percent: usize| shown(self.wall[(self.wall.len() * percent / 100).min(self.wall.len() - 1)]);
        let mean = self.cpu / u32::try_from(self.wall.len()).unwrap();
        println!("{:<52} {:>9.2} {:>9.2} {:>9.2}", self.what, quantile(50), quantile(99), shown(mean));
    }
}

fn cpu_time() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

fn vip(address: &str) -> Vip {
    Vip::single(address.parse().unwrap()).unwrap()
}

fn name(text: &str) -> InterfaceName {
    InterfaceName::new(text).unwrap()
}
