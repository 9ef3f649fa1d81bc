//! Network namespaces to try things in, and the patience to wait for a state.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use vip_manager::clock;
use vip_manager::driver::{Actuator, Announced, Execution, Failure, Listen, Mirror, Owner, Point, Refuse, Removed};
use vip_manager::host::{Address, AddressError, AddressSocket};
use vip_manager::keeper::{Order, Outcome};
use vip_manager::time::Moment;
use vip_manager::vip::{InterfaceName, Mac, Vip};
use vip_manager::wire::netlink::Notice;

/// A network namespace that lives as long as this does.
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn new(label: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = Self(format!("vmh-{}-{number}-{label}", std::process::id()));
        run(&["netns", "add", &namespace.0]);
        namespace.ip("link set lo up");
        namespace
    }

    /// One with a pair of interfaces in it, `v0` and `v1`, both up.
    pub(crate) fn with_pair(label: &str) -> Self {
        let namespace = Self::new(label);
        namespace.ip("link add v0 type veth peer name v1");
        namespace.ip("link set v0 up");
        namespace.ip("link set v1 up");
        namespace
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Runs `ip` in here.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.0];
        all.extend(arguments.split_whitespace());
        run(&all)
    }

    /// Does something in a thread that has entered this namespace.
    pub(crate) fn enter<T: Send>(&self, something: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let path = format!("/run/netns/{}", self.0);
                let namespace = std::fs::File::open(path).expect("the namespace has a name");
                setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)
                    .expect("these tests enter network namespaces, which takes root (CAP_SYS_ADMIN)");
                something()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The same, with a tokio runtime.
    pub(crate) fn enter_async<T: Send>(&self, something: impl AsyncFnOnce() -> T + Send) -> T {
        self.enter(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(something())
        })
    }

    /// Writes to `/proc/sys/net/…` in here.
    pub(crate) fn set(&self, switch: &str, value: &str) {
        self.enter(|| std::fs::write(format!("/proc/sys/net/{switch}"), value)).expect("the switch exists");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("these tests need iproute2");
    let said = String::from_utf8_lossy(&output.stderr);
    let what = arguments.join(" ");
    assert!(output.status.success(), "these tests make network namespaces, which takes root; ip {what}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits for something to be there, at most so long, and says what was awaited.
pub(crate) fn eventually<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = clock::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock::now() < until, "not within {limit:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

pub(crate) fn addresses() -> Addresses {
    Addresses::open(clock::now)
}

/// The socket for addresses, which carries out an order of the keeper as the driver does.
pub(crate) struct Addresses {
    socket: AddressSocket,
    clock: fn() -> Moment,
    seconds: u32,
    error: Option<AddressError>,
}

/// What became of an order to hold an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// The kernel removes it after so many seconds if nobody renews it.
    For(u32),
    Late,
}

impl Addresses {
    pub(crate) fn open(clock: fn() -> Moment) -> Self {
        Self { socket: AddressSocket::open(clock).unwrap(), clock, seconds: 0, error: None }
    }

    pub(crate) fn dump(&mut self) -> Vec<Notice> {
        self.socket.dump().unwrap()
    }

    pub(crate) fn remove(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<Removed, AddressError> {
        self.socket.remove(index, address, prefix)
    }

    pub(crate) fn hold(&mut self, link: u32, vip: &Vip, until: Moment, standing: bool) -> Result<Held, AddressError> {
        self.hold_alone(link, vip, until, standing, &[])
    }

    pub(crate) fn hold_alone(
        &mut self,
        link: u32,
        vip: &Vip,
        until: Moment,
        standing: bool,
        other_prefixes: &[u8],
    ) -> Result<Held, AddressError> {
        let order = Order::Hold {
            link,
            prefix: vip.prefix(),
            until,
            present: standing,
            other_prefixes: other_prefixes.to_vec(),
            clear: false,
        };
        let mut execution = Execution::new(*vip, order);
        while execution.point() != Point::Applied {
            let now = (self.clock)();
            execution.advance(self, now);
        }
        match execution.outcome() {
            Some(Outcome::Held { .. }) => Ok(Held::For(self.seconds)),
            Some(Outcome::Late) => Ok(Held::Late),
            Some(Outcome::Refused { .. }) => Err(self.error.take().unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

impl Actuator for Addresses {
    fn put(&mut self, link: u32, vip: &Vip, seconds: NonZeroU32) -> Result<(), Failure> {
        self.seconds = seconds.get();
        self.socket.put(link, vip, seconds).map_err(|error| {
            self.error = Some(error);
            Failure::new(error.to_string())
        })
    }

    fn remove(&mut self, link: u32, address: IpAddr, prefix: u8) -> Result<Removed, Failure> {
        self.socket.remove(link, address, prefix).map_err(|error| {
            self.error = Some(error);
            Failure::new(error.to_string())
        })
    }

    fn remove_any(&mut self, link: u32, address: IpAddr) -> Result<Removed, Failure> {
        self.socket.remove_any(link, address).map_err(|error| {
            self.error = Some(error);
            Failure::new(error.to_string())
        })
    }

    fn announce(&mut self, _: &InterfaceName, _: IpAddr) -> Result<Announced, Failure> {
        unimplemented!("it only changes addresses")
    }

    fn reset(&mut self, _: &BTreeSet<IpAddr>) -> Result<usize, Failure> {
        unimplemented!("it only changes addresses")
    }

    fn dump(&mut self) -> Result<Vec<Notice>, Failure> {
        unimplemented!("it only changes addresses")
    }

    fn owner(&self, _: &Address) -> Owner {
        Owner::Nobody
    }

    fn listen(&mut self, _: &Listen) -> Vec<Failure> {
        unimplemented!("it only changes addresses")
    }

    fn refuse(&mut self, _: &Refuse) -> Vec<Failure> {
        unimplemented!("it only changes addresses")
    }

    fn refused(&self, _: u32, _: IpAddr) -> u64 {
        unimplemented!("it only changes addresses")
    }
}

/// What the kernel shows, freshly listed.
pub(crate) fn listed() -> Mirror {
    let mut kernel = Mirror::default();
    kernel.replace(&addresses().dump());
    kernel
}

pub(crate) fn standing(index: u32, address: &str) -> Vec<Address> {
    listed().addresses(index, ip(address)).copied().collect()
}

pub(crate) fn index(interface: &str) -> u32 {
    listed().link_by_name(&name(interface)).expect("the interface exists").index
}

pub(crate) fn mac(interface: &str) -> Mac {
    listed().link_by_name(&name(interface)).expect("the interface exists").mac.expect("it is Ethernet")
}

pub(crate) fn after(millis: u64) -> Moment {
    clock::now() + Duration::from_millis(millis)
}

pub(crate) fn vip(text: &str) -> Vip {
    let (address, prefix) = text.split_once('/').expect("address/prefix");
    Vip::new(ip(address), prefix.parse().unwrap()).unwrap()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn name(text: &str) -> InterfaceName {
    InterfaceName::new(text).unwrap()
}
