//! The driver on a host that records what it is asked, through the life of a VIP.

use std::cell::Cell;
use std::num::NonZeroU32;

use super::*;
use crate::config::{ClaimConfig, Hooks};
use crate::keeper::{KeyRead, Names, Schedule, Tenure};
use crate::pace::Pace;
use crate::time::Lifetime;
use crate::vip::{InterfaceName, Mac, Vip};
use crate::wire::netlink::Link;

const PACE: Pace = Pace::steady(Duration::from_secs(2));

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(1_000_000) };
}

fn now() -> Moment {
    Moment::from_boot(Duration::from_millis(NOW.get()))
}

fn pass(millis: u64) {
    NOW.set(NOW.get() + millis);
}

/// A kernel with two interfaces, `eth0` (2) and `eth1` (3), that records what it is asked.
#[derive(Debug, Default)]
struct FakeHost {
    links: BTreeMap<u32, &'static str>,
    addresses: BTreeMap<(u32, IpAddr, u8), Address>,
    /// What the kernel tells, not yet read.
    notices: Vec<Notice>,
    record: Vec<String>,
    refusal: Option<&'static str>,
    /// Why connections cannot be refused.
    refuse_failure: Option<&'static str>,
    /// How many were.
    refused: u64,
    /// What the notes say of who has added which address.
    owners: BTreeMap<IpAddr, Owner>,
    /// How long the kernel takes to add an address.
    delay: u64,
}

impl FakeHost {
    fn new() -> Self {
        let mut host = Self { links: BTreeMap::from([(2, "eth0"), (3, "eth1")]), ..Self::default() };
        host.set(2, "10.0.0.1", 24, Lifetime::Forever, false);
        host.notices.clear();
        host
    }

    fn with(mut self, address: &str, prefix: u8, lifetime: Lifetime, ours: bool) -> Self {
        self.set(2, address, prefix, lifetime, ours);
        self.notices.clear();
        self
    }

    fn set(&mut self, index: u32, address: &str, prefix: u8, valid: Lifetime, ours: bool) {
        let address = address.parse().unwrap();
        let entry = Address {
            index,
            address,
            prefix,
            valid,
            ours,
            peer: None,
            secondary: false,
            tentative: false,
            duplicate: false,
        };
        self.addresses.insert((index, address, prefix), entry);
        self.notices.push(Notice::Address(entry));
    }

    fn unset(&mut self, index: u32, address: IpAddr, prefix: u8) -> bool {
        let gone = self.addresses.remove(&(index, address, prefix)).is_some();
        self.notices.extend(gone.then_some(Notice::AddressGone { index, address, prefix, peer: None }));
        gone
    }

    fn rename(&mut self, index: u32, name: &'static str) {
        self.links.insert(index, name);
        self.notices.push(link(index, name));
    }

    fn obey(&self) -> Result<(), Failure> {
        self.refusal.map_or(Ok(()), |why| Err(Failure::new(why)))
    }

    fn name(&self, index: u32) -> &str {
        self.links.get(&index).copied().unwrap_or("nowhere")
    }
}

impl Actuator for FakeHost {
    fn put(&mut self, index: u32, vip: &Vip, seconds: NonZeroU32) -> Result<(), Failure> {
        self.record.push(format!("put {vip} on {} for {seconds} s", self.name(index)));
        pass(self.delay);
        self.obey()?;
        let end = now() + Duration::from_secs(seconds.get().into());
        self.set(index, &vip.address().to_string(), vip.prefix(), Lifetime::Until(end), true);
        Ok(())
    }

    fn remove(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<Removed, Failure> {
        self.record.push(format!("remove {address}/{prefix} from {}", self.name(index)));
        self.obey()?;
        let peer = self.addresses.get(&(index, address, prefix)).and_then(|it| it.peer);
        Ok(if peer.is_none() && self.unset(index, address, prefix) { Removed::Gone } else { Removed::WasAbsent })
    }

    fn remove_any(&mut self, index: u32, address: IpAddr) -> Result<Removed, Failure> {
        let place = self.addresses.values().find(|it| it.index == index && it.address == address).copied();
        let Some(found) = place else { return Ok(Removed::WasAbsent) };
        let Address { prefix, peer, .. } = found;
        self.record.push(format!("remove {address}/{prefix} in any form from {}", self.name(index)));
        self.addresses.remove(&(index, address, prefix));
        self.notices.push(Notice::AddressGone { index, address, prefix, peer });
        Ok(Removed::Gone)
    }

    fn announce(&mut self, interface: &InterfaceName, address: IpAddr) -> Result<Announced, Failure> {
        self.record.push(format!("announce {address} on {interface}"));
        Ok(Announced::From(MAC))
    }

    fn reset(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<usize, Failure> {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        self.record.push(format!("reset {}", addresses.join(" ")));
        Ok(1)
    }

    fn dump(&mut self) -> Result<Vec<Notice>, Failure> {
        self.record.push("list".to_owned());
        self.obey()?;
        let links = self.links.iter().map(|(index, name)| link(*index, name));
        Ok(links.chain(self.addresses.values().map(|address| Notice::Address(*address))).collect())
    }

    fn owner(&self, address: &Address) -> Owner {
        self.owners.get(&address.address).copied().unwrap_or(Owner::Nobody)
    }

    fn listen(&mut self, listen: &Listen) -> Vec<Failure> {
        for (index, addresses) in listen {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            self.record.push(format!("listen on {} for {}", self.name(*index), addresses.join(" ")));
        }
        Vec::new()
    }

    fn refuse(&mut self, refuse: &Refuse) -> Vec<Failure> {
        let mut refused = Vec::new();
        for (index, addresses) in refuse {
            for (address, until) in addresses {
                let left = until.since(now()).as_secs();
                refused.push(format!("{address} on {} for {left} s", self.name(*index)));
            }
        }
        let refused = if refused.is_empty() { "nothing".to_owned() } else { refused.join(", ") };
        self.record.push(format!("refuse {refused}"));
        self.refuse_failure.map(Failure::new).into_iter().collect()
    }

    fn refused(&self, _: u32, _: IpAddr) -> u64 {
        self.refused
    }
}

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn link(index: u32, name: &str) -> Notice {
    Notice::Link(Link { index, name: InterfaceName::new(name).unwrap(), up: true, mac: Some(MAC) })
}

/// A VIP on `eth0` that is ours while the key of its address says `pg1`.
fn vip(text: &str) -> VipConfig {
    let (address, prefix) = text.split_once('/').unwrap();
    VipConfig {
        vip: Vip::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap(),
        interface: InterfaceName::new("eth0").unwrap(),
        source: 0,
        key: address.to_owned(),
        value: "pg1".to_owned(),
        hold_timeout: Duration::from_secs(10),
        lease_margin: Duration::from_secs(3),
        claim: ClaimConfig::default(),
        announce: Schedule { count: Some(1), interval: None, refresh: Duration::from_secs(60) },
        reset_connections: true,
        refuse_after_release: Duration::ZERO,
        hooks: Hooks { acquire: None, release: None, conflict: None, limit: Duration::from_secs(10) },
    }
}

fn read(names: Names) -> Event {
    Event::Read(KeyRead {
        names,
        version: None,
        modified: None,
        tenure: Tenure::NoLease,
        sent_at: now() - Duration::from_millis(1),
        answered_at: now(),
        from: "etcd".into(),
    })
}

fn start(host: FakeHost) -> Driver<FakeHost> {
    NOW.set(1_000_000);
    let mut driver = Driver::new(host, now, PACE, 1).unwrap();
    driver.host.record.clear();
    driver
}

/// A driver that has just acquired these VIPs.
fn holding(vips: &[&str]) -> Driver<FakeHost> {
    hold(&vips.iter().map(|text| vip(text)).collect::<Vec<_>>())
}

fn hold(vips: &[VipConfig]) -> Driver<FakeHost> {
    let mut driver = start(FakeHost::new());
    driver.add(vips.to_vec()).unwrap();
    for vip in vips {
        names(&mut driver, &vip.vip.to_string(), Names::Us);
    }
    driver.host.record.clear();
    while driver.poll_message().is_some() {}
    driver
}

/// A read of the VIP's key.
fn names(driver: &mut Driver<FakeHost>, vip: &str, names: Names) {
    let (key, _) = vip.split_once('/').unwrap();
    driver.pass_time(now());
    driver.tell_key(0, key, "pg1", &read(names), now());
    driver.run();
    news(driver);
}

/// The driver reads what the kernel told, until it tells no more.
fn news(driver: &mut Driver<FakeHost>) {
    while !driver.host.notices.is_empty() {
        let notices = std::mem::take(&mut driver.host.notices);
        driver.apply(&notices);
        driver.observed();
    }
}

/// What the host was asked since the last call.
fn asked(driver: &mut Driver<FakeHost>) -> Vec<String> {
    std::mem::take(&mut driver.host.record)
}

fn notes(driver: &mut Driver<FakeHost>) -> Vec<String> {
    let mut notes = Vec::new();
    while let Some(message) = driver.poll_message() {
        if let Message::Note { vip, note, .. } = message {
            let note = format!("{note:?}");
            notes.push(format!("{} {}", vip.vip, note.split([' ', '{']).next().unwrap()));
        }
    }
    notes
}

fn states(driver: &Driver<FakeHost>) -> Vec<String> {
    driver.vips().map(|vip| format!("{} {}", vip.config.vip, vip.keeper.state().name())).collect()
}

/// What was said of refusals.
fn refusals(driver: &mut Driver<FakeHost>) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(message) = driver.poll_message() {
        match message {
            Message::Refused { vip, count, lasted } => {
                said.push(format!("{} refused {count} in {} s", vip.vip, lasted.as_secs()));
            }
            Message::RefuseFailed(failure) => said.push(failure.to_string()),
            _ => {}
        }
    }
    said
}

fn claim(driver: &mut Driver<FakeHost>, address: &str, mac: Mac) {
    let claim = Claim { address: address.parse().unwrap(), mac };
    driver.hear(2, &BTreeMap::from([(claim, 1)]), now());
}

const A: &str = "10.0.0.5/32";
const B: &str = "10.0.0.6/32";

fn other() -> Names {
    Names::Other("pg2".into())
}

#[test]
fn a_vip_is_held_when_its_key_names_this_host() {
    let mut driver = start(FakeHost::new());
    driver.add(vec![vip(A)]).unwrap();
    assert_eq!(asked(&mut driver), ["listen on eth0 for 10.0.0.5"]);
    names(&mut driver, A, Names::Us);
    assert_eq!(asked(&mut driver), ["put 10.0.0.5/32 on eth0 for 9 s", "announce 10.0.0.5 on eth0"]);
    assert_eq!(notes(&mut driver), ["10.0.0.5/32 Acquired"]);
    assert_eq!(states(&driver), ["10.0.0.5/32 held"]);
}

#[test]
fn an_address_is_removed_once_to_be_sure_when_the_key_names_another_host() {
    let mut driver = start(FakeHost::new());
    driver.add(vec![vip(A)]).unwrap();
    asked(&mut driver);
    for expected in [vec!["remove 10.0.0.5/32 from eth0"], vec![]] {
        names(&mut driver, A, other());
        assert_eq!(asked(&mut driver), expected);
    }
    assert_eq!(notes(&mut driver), ["10.0.0.5/32 StandingBy"]);
}

#[test]
fn an_address_found_at_the_start_is_limited_and_then_held() {
    let ours = FakeHost::new().with("10.0.0.5", 32, Lifetime::Forever, true);
    let mut driver = start(ours);
    driver.add(vec![vip(A)]).unwrap();
    assert_eq!(asked(&mut driver), ["put 10.0.0.5/32 on eth0 for 10 s", "listen on eth0 for 10.0.0.5"]);
    names(&mut driver, A, Names::Us);
    assert_eq!(asked(&mut driver), ["put 10.0.0.5/32 on eth0 for 9 s", "announce 10.0.0.5 on eth0"]);
    assert_eq!(notes(&mut driver), ["10.0.0.5/32 Adopted", "10.0.0.5/32 Acquired"]);
}

#[test]
fn an_address_found_at_the_start_is_released_when_the_key_names_another_host() {
    let mut driver = start(FakeHost::new().with("10.0.0.5", 24, Lifetime::Forever, true));
    driver.add(vec![vip(A)]).unwrap();
    asked(&mut driver);
    names(&mut driver, A, other());
    let expected = ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0", "remove 10.0.0.5/24 from eth0"];
    assert_eq!(asked(&mut driver), expected);
    assert_eq!(states(&driver), ["10.0.0.5/32 standby"]);
}

#[test]
fn each_read_renews_the_lifetime_and_nothing_else() {
    let mut driver = holding(&[A]);
    for _ in 0..3 {
        pass(2_000);
        names(&mut driver, A, Names::Us);
        assert_eq!(asked(&mut driver), ["put 10.0.0.5/32 on eth0 for 9 s"]);
    }
    assert_eq!(notes(&mut driver), [] as [&str; 0]);
}

#[test]
fn a_vip_is_released_when_the_key_moves() {
    let mut driver = holding(&[A]);
    names(&mut driver, A, other());
    assert_eq!(asked(&mut driver), ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0"]);
    assert_eq!(notes(&mut driver), ["10.0.0.5/32 Releasing", "10.0.0.5/32 Released"]);
    assert_eq!(states(&driver), ["10.0.0.5/32 standby"]);
}

#[test]
fn a_vip_is_released_at_its_deadline_before_the_event_is_looked_at() {
    let mut driver = holding(&[A]);
    pass(10_000);
    driver.pass_time(now());
    assert_eq!(asked(&mut driver), ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0"]);
}

/// No read came in time, and nothing was in doubt yet.
#[test]
fn what_the_kernel_removes_at_the_end_of_its_lifetime_is_a_release_with_a_reset() {
    let mut driver = holding(&[A]);
    driver.reload(&[vip(A)], Pace::steady(Duration::from_secs(30))).unwrap();
    asked(&mut driver);
    pass(9_500);
    driver.host.unset(2, "10.0.0.5".parse().unwrap(), 32);
    news(&mut driver);
    assert_eq!(asked(&mut driver), ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0"]);
    assert_eq!(notes(&mut driver), ["10.0.0.5/32 Releasing", "10.0.0.5/32 Released"]);
    assert_eq!(states(&driver), ["10.0.0.5/32 unknown"]);
}

#[test]
fn releases_come_before_acquisitions_and_share_one_reset() {
    let mut driver = holding(&[A, B]);
    let (c, d) = ("10.0.0.3/32", "10.0.0.7/32");
    driver.add(vec![vip(c), vip(d)]).unwrap();
    asked(&mut driver);
    for (vip, names) in [(c, Names::Us), (A, other()), (B, Names::Nobody), (d, Names::Us)] {
        driver.tell_key(0, vip.split_once('/').unwrap().0, "pg1", &read(names), now());
    }
    driver.run();
    let expected = [
        "reset 10.0.0.5 10.0.0.6",
        "remove 10.0.0.5/32 from eth0",
        "remove 10.0.0.6/32 from eth0",
        "put 10.0.0.3/32 on eth0 for 9 s",
        "put 10.0.0.7/32 on eth0 for 9 s",
        "announce 10.0.0.3 on eth0",
        "announce 10.0.0.7 on eth0",
    ];
    assert_eq!(asked(&mut driver), expected);
}

#[test]
fn an_address_that_was_flushed_is_put_back_and_announced() {
    let mut driver = holding(&[A]);
    driver.host.unset(2, "10.0.0.5".parse().unwrap(), 32);
    news(&mut driver);
    assert_eq!(asked(&mut driver), ["put 10.0.0.5/32 on eth0 for 9 s", "announce 10.0.0.5 on eth0"]);
    assert_eq!(notes(&mut driver), ["10.0.0.5/32 Missing", "10.0.0.5/32 Restored"]);
}

/// With `promote_secondaries=0` the kernel removes the host's own address together with a VIP that is the first of
/// their subnet.
#[test]
fn a_wide_vip_is_put_back_alone_as_a_single_address_and_stays_one() {
    let wide = "10.0.0.5/24";
    let mut driver = holding(&[wide]);
    let (own, address) = ("10.0.0.1".parse().unwrap(), "10.0.0.5".parse().unwrap());
    driver.host.unset(2, address, 24);
    driver.host.unset(2, own, 24);
    news(&mut driver);
    assert_eq!(asked(&mut driver), ["put 10.0.0.5/32 on eth0 for 9 s", "announce 10.0.0.5 on eth0"]);
    driver.host.set(2, "10.0.0.1", 24, Lifetime::Forever, false);
    news(&mut driver);
    pass(1_000);
    names(&mut driver, wide, Names::Us);
    assert_eq!(asked(&mut driver), ["put 10.0.0.5/32 on eth0 for 9 s"], "it is not widened");
    names(&mut driver, wide, other());
    let removed = ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0", "remove 10.0.0.5/24 from eth0"];
    assert_eq!(asked(&mut driver), removed);
    names(&mut driver, wide, Names::Us);
    assert_eq!(asked(&mut driver)[0], "put 10.0.0.5/24 on eth0 for 9 s", "the host's own address is there first");
}

#[test]
fn a_wide_vip_whose_company_leaves_becomes_a_single_address_without_a_gap() {
    let mut driver = holding(&["10.0.0.5/24", "10.0.0.6/24"]);
    driver.host.unset(2, "10.0.0.1".parse().unwrap(), 24);
    news(&mut driver);
    let expected = [5, 6]
        .map(|last| [format!("put 10.0.0.{last}/32 on eth0 for 9 s"), format!("remove 10.0.0.{last}/24 from eth0")]);
    assert_eq!(asked(&mut driver)[..4], expected.concat(), "another VIP is no company");
}

#[test]
fn a_wide_ipv6_vip_stays_as_it_is_when_its_company_leaves() {
    let wide = "fd00::5/64";
    let mut driver = start(FakeHost::new());
    driver.host.set(2, "fd00::1", 64, Lifetime::Forever, false);
    driver.add(vec![vip(wide)]).unwrap();
    news(&mut driver);
    names(&mut driver, wide, Names::Us);
    driver.host.unset(2, "fd00::1".parse().unwrap(), 64);
    asked(&mut driver);
    news(&mut driver);
    assert_eq!(asked(&mut driver), [] as [&str; 0]);
}

/// `ip addr add 10.0.0.5 peer 10.0.0.1`: the kernel does not take it for the same address without its far end.
#[test]
fn a_vip_with_a_far_end_is_replaced_when_it_is_held_and_removed_when_it_is_not() {
    let peer = || {
        let mut host = FakeHost::new();
        host.set(2, "10.0.0.5", 32, Lifetime::Forever, false);
        let entry = host.addresses.get_mut(&(2, "10.0.0.5".parse().unwrap(), 32)).unwrap();
        entry.peer = Some("10.0.0.1".parse().unwrap());
        host.notices.clear();
        let mut driver = start(host);
        driver.add(vec![vip(A)]).unwrap();
        driver
    };
    let mut driver = peer();
    assert_eq!(
        asked(&mut driver)[..2],
        ["remove 10.0.0.5/32 in any form from eth0", "put 10.0.0.5/32 on eth0 for 10 s"]
    );
    news(&mut driver);
    names(&mut driver, A, Names::Us);
    assert_eq!(states(&driver), ["10.0.0.5/32 held"]);

    let mut held = holding(&[A]);
    held.host.addresses.get_mut(&(2, "10.0.0.5".parse().unwrap(), 32)).unwrap().peer = "10.0.0.1".parse().ok();
    names(&mut held, A, other());
    assert!(held.host.addresses.keys().all(|(_, address, _)| *address != "10.0.0.5".parse::<IpAddr>().unwrap()));
}

#[test]
fn everything_is_listed_again_when_the_kernel_contradicts_what_it_was_heard_to_say() {
    let mut driver = holding(&[A]);
    driver.host.addresses.remove(&(2, "10.0.0.5".parse().unwrap(), 32));
    names(&mut driver, A, other());
    assert_eq!(asked(&mut driver), ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0", "list"]);
    assert_eq!(states(&driver), ["10.0.0.5/32 standby"]);
}

#[test]
fn an_ipv6_vip_that_the_kernel_does_not_use_is_removed_and_added_again() {
    let six = "fd00::5/128";
    let mut driver = holding(&[six]);
    let address = "fd00::5".parse().unwrap();
    let mut entry = driver.host.addresses[&(2, address, 128)];
    entry.duplicate = true;
    driver.host.notices.push(Notice::Address(entry));
    pass(2_000);
    news(&mut driver);
    let again = ["remove fd00::5/128 from eth0", "put fd00::5/128 on eth0 for 7 s", "announce fd00::5 on eth0"];
    assert_eq!(asked(&mut driver), again);
    assert_eq!(states(&driver), ["fd00::5/128 held"]);
}

#[test]
fn an_address_on_a_renamed_interface_is_removed_and_follows_the_name() {
    let mut driver = holding(&[A]);
    driver.host.rename(2, "lan0");
    news(&mut driver);
    assert_eq!(asked(&mut driver), ["remove 10.0.0.5/32 from lan0"]);
    driver.host.rename(3, "eth0");
    news(&mut driver);
    let expected = ["put 10.0.0.5/32 on eth0 for 9 s", "announce 10.0.0.5 on eth0", "listen on eth0 for 10.0.0.5"];
    assert_eq!(asked(&mut driver), expected);
}

#[test]
fn after_an_overrun_everything_is_listed_and_a_failed_list_is_tried_again() {
    let mut driver = holding(&[A]);
    driver.host.unset(2, "10.0.0.5".parse().unwrap(), 32);
    driver.host.notices.clear();
    driver.host.refusal = Some("the list kept changing");
    driver.overrun();
    driver.observed();
    assert_eq!(asked(&mut driver), ["list", "listen on eth0 for 10.0.0.5"]);
    assert_eq!(states(&driver), ["10.0.0.5/32 held"], "nothing is known to be wrong");
    driver.host.refusal = None;
    pass(500);
    driver.pass_time(now());
    let expected =
        ["list", "put 10.0.0.5/32 on eth0 for 9 s", "announce 10.0.0.5 on eth0", "listen on eth0 for 10.0.0.5"];
    assert_eq!(asked(&mut driver), expected);
}

#[test]
fn a_reload_touches_only_what_changed() {
    let longer = VipConfig { hold_timeout: Duration::from_secs(20), ..vip(A) };
    let listen = "listen on eth0 for 10.0.0.5".to_owned();
    for (what, new, changes, expected) in [
        ("unchanged", vec![vip(A)], (0, 0), vec![listen.clone()]),
        ("changed: adopted", vec![longer], (1, 1), vec![listen.clone()]),
        ("removed", vec![], (0, 1), vec!["reset 10.0.0.5".to_owned(), "remove 10.0.0.5/32 from eth0".to_owned()]),
        ("added", vec![vip(A), vip(B)], (1, 0), vec![listen + " 10.0.0.6"]),
    ] {
        let mut driver = holding(&[A]);
        let (added, removed) = changes;
        let done = driver.reload(&new, PACE).unwrap();
        assert_eq!(done, Changes { added, removed }, "{what}");
        assert_eq!(asked(&mut driver), expected, "{what}");
        assert_eq!(driver.vips().count(), new.len(), "{what}");
    }
}

#[test]
fn a_changed_netmask_replaces_the_prefix_without_a_gap() {
    let mut driver = holding(&[A]);
    driver.reload(&[vip("10.0.0.5/24")], PACE).unwrap();
    asked(&mut driver);
    names(&mut driver, A, Names::Us);
    let expected = ["put 10.0.0.5/24 on eth0 for 9 s", "remove 10.0.0.5/32 from eth0", "announce 10.0.0.5 on eth0"];
    assert_eq!(asked(&mut driver), expected);
}

#[test]
fn ipv6_loses_another_prefix_before_it_gets_its_own() {
    let mut driver = start(FakeHost::new().with("fd00::5", 64, Lifetime::Forever, true));
    driver.add(vec![vip("fd00::5/128")]).unwrap();
    asked(&mut driver);
    names(&mut driver, "fd00::5/128", Names::Us);
    let expected = ["remove fd00::5/64 from eth0", "put fd00::5/128 on eth0 for 9 s", "announce fd00::5 on eth0"];
    assert_eq!(asked(&mut driver), expected);
}

#[test]
fn a_stop_releases_and_a_stop_that_keeps_does_not() {
    for (mode, expected) in
        [(StopMode::Release, vec!["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0"]), (StopMode::Keep, vec![])]
    {
        let mut driver = holding(&[A]);
        driver.stop(mode);
        assert_eq!(asked(&mut driver), expected, "{mode:?}");
        assert_eq!(driver.unstopped().count(), 0, "{mode:?}");
    }
}

#[test]
fn what_a_stop_kept_is_adopted_by_the_next_start() {
    let mut driver = holding(&[A]);
    driver.stop(StopMode::Keep);
    let host = std::mem::take(&mut driver.host);
    pass(1_000);
    let mut next = Driver::new(host, now, PACE, 2).unwrap();
    next.add(vec![vip(A)]).unwrap();
    names(&mut next, A, Names::Us);
    let expected =
        ["list", "listen on eth0 for 10.0.0.5", "put 10.0.0.5/32 on eth0 for 9 s", "announce 10.0.0.5 on eth0"];
    assert_eq!(asked(&mut next), expected);
    assert_eq!(notes(&mut next), ["10.0.0.5/32 Adopted", "10.0.0.5/32 Acquired"]);
}

#[test]
fn what_an_earlier_run_added_and_nobody_configures_any_more_is_removed_at_the_start() {
    let finite = Lifetime::Until(now() + Duration::from_secs(9));
    let mut host = FakeHost::new()
        .with("10.0.0.5", 32, finite, true)
        .with("10.0.0.6", 32, finite, true)
        .with("10.0.0.7", 32, finite, false)
        .with("10.0.0.8", 32, finite, true)
        .with("10.0.0.9", 32, finite, false);
    host.owners.insert("10.0.0.7".parse().unwrap(), Owner::Us);
    host.owners.insert("10.0.0.8".parse().unwrap(), Owner::Another);
    let mut driver = start(host);
    driver.add(vec![vip(A)]).unwrap();
    asked(&mut driver);
    driver.remove_orphans();
    let removed = ["reset 10.0.0.6 10.0.0.7", "remove 10.0.0.6/32 from eth0", "remove 10.0.0.7/32 from eth0"];
    assert_eq!(asked(&mut driver), removed, "not what is configured, another daemon's or somebody else's");
}

#[test]
fn the_hosts_own_address_is_refused_and_not_touched() {
    let host = FakeHost { addresses: BTreeMap::new(), ..FakeHost::new() };
    let mut driver = start(host.with("10.0.0.5", 24, Lifetime::Forever, false));
    let interface = InterfaceName::new("eth0").unwrap();
    let own = OwnAddress { address: "10.0.0.5".parse().unwrap(), interface, why: Why::Only };
    assert_eq!(driver.add(vec![vip(B), vip(A)]), Err(own.clone()));
    assert_eq!(driver.reload(&[vip(A)], PACE), Err(own));
    assert_eq!(driver.vips().count(), 0);
    assert_eq!(asked(&mut driver), [] as [&str; 0]);
}

#[test]
fn what_the_kernel_refuses_is_tried_again_later() {
    let mut driver = start(FakeHost::new());
    driver.add(vec![vip(A)]).unwrap();
    asked(&mut driver);
    driver.host.refusal = Some("no permission");
    names(&mut driver, A, Names::Us);
    assert_eq!(asked(&mut driver), ["put 10.0.0.5/32 on eth0 for 9 s"]);
    driver.host.refusal = None;
    let retry = driver.next_deadline().unwrap();
    NOW.set(u64::try_from(retry.since_boot().as_millis()).unwrap() + 1);
    driver.pass_time(now());
    assert_eq!(asked(&mut driver), ["put 10.0.0.5/32 on eth0 for 9 s", "announce 10.0.0.5 on eth0"]);
}

#[test]
fn an_address_that_the_kernel_adds_too_late_is_removed() {
    let mut driver = holding(&[A]);
    driver.host.delay = 12_000;
    pass(2_000);
    names(&mut driver, A, Names::Us);
    assert_eq!(asked(&mut driver)[..2], ["put 10.0.0.5/32 on eth0 for 9 s", "remove 10.0.0.5/32 from eth0"]);
    assert!(
        driver
            .host
            .addresses
            .keys()
            .all(|(_, address, _)| *address != A.split_once('/').unwrap().0.parse::<IpAddr>().unwrap())
    );
}

#[test]
fn a_process_can_be_stopped_before_every_step() {
    let mut driver = start(FakeHost::new());
    driver.add(vec![vip(A)]).unwrap();
    asked(&mut driver);
    driver.tell_key(0, "10.0.0.5", "pg1", &read(Names::Us), now());
    let Driver { turn, host, .. } = &mut driver;
    let mut points = Vec::new();
    loop {
        points.push((turn.point(), host.record.len()));
        if !turn.advance(host, now()) {
            break;
        }
    }
    let expected = [
        (Point::Settling, 0),
        (Point::Settling, 0),
        (Point::Ordered, 0),
        (Point::Putting, 0),
        (Point::Put, 1),
        (Point::Applied, 1),
        (Point::Settling, 1),
        (Point::Announcing, 1),
    ];
    assert_eq!(points, expected);
    assert_eq!(turn.point(), Point::Idle);
}

// Refusals

fn refusing_vip(text: &str) -> VipConfig {
    VipConfig { refuse_after_release: Duration::from_secs(10), ..vip(text) }
}

/// A driver that has just acquired these VIPs, and refuses connections after their release.
fn holding_to_refuse(vips: &[&str]) -> Driver<FakeHost> {
    hold(&vips.iter().map(|text| refusing_vip(text)).collect::<Vec<_>>())
}

/// A driver that has just released `A`.
fn refusing() -> Driver<FakeHost> {
    let mut driver = holding_to_refuse(&[A]);
    names(&mut driver, A, other());
    let asked = asked(&mut driver);
    assert_eq!(asked, ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0", "refuse 10.0.0.5 on eth0 for 10 s"]);
    driver
}

#[test]
fn connections_are_refused_for_a_while_after_a_release() {
    let mut driver = refusing();
    driver.host.refused = 3;
    pass(9_999);
    driver.pass_time(now());
    names(&mut driver, A, other());
    assert_eq!((asked(&mut driver), refusals(&mut driver)), (vec![], vec![]));
    assert_eq!(driver.next_deadline(), Some(now() + Duration::from_millis(1)));
    pass(1);
    driver.pass_time(now());
    assert_eq!(asked(&mut driver), ["refuse nothing"]);
    assert_eq!(refusals(&mut driver), ["10.0.0.5/32 refused 3 in 10 s"]);
    pass(1_000);
    names(&mut driver, A, other());
    assert_eq!(asked(&mut driver), [] as [&str; 0]);
}

#[test]
fn a_claim_of_another_host_ends_a_refusal() {
    let mut driver = refusing();
    claim(&mut driver, "10.0.0.5", MAC);
    claim(&mut driver, "10.0.0.6", Mac([2, 0, 0, 0, 0, 2]));
    assert_eq!(asked(&mut driver), [] as [&str; 0]);
    claim(&mut driver, "10.0.0.5", Mac([2, 0, 0, 0, 0, 2]));
    assert_eq!(asked(&mut driver), ["refuse nothing"]);
    assert_eq!(refusals(&mut driver), [] as [&str; 0], "nothing was refused");
    names(&mut driver, A, other());
    assert_eq!(asked(&mut driver), [] as [&str; 0]);
}

#[test]
fn nothing_is_refused_after_a_claim_that_came_just_before_the_release() {
    for (early, refused) in [(1_999, false), (2_000, true)] {
        let mut driver = holding_to_refuse(&[A]);
        claim(&mut driver, "10.0.0.5", Mac([2, 0, 0, 0, 0, 2]));
        pass(early);
        names(&mut driver, A, other());
        let asked = asked(&mut driver).pop();
        assert_eq!(asked.is_some_and(|asked| asked.starts_with("refuse")), refused, "{early} ms before");
    }
}

#[test]
fn a_refusal_ends_before_the_address_comes_back() {
    let mut driver = refusing();
    pass(1_000);
    names(&mut driver, A, Names::Us);
    let expected = ["refuse nothing", "put 10.0.0.5/32 on eth0 for 9 s", "announce 10.0.0.5 on eth0"];
    assert_eq!(asked(&mut driver), expected);
}

#[test]
fn a_refusal_ends_when_another_program_adds_the_address() {
    let mut driver = refusing();
    driver.host.set(2, "10.0.0.5", 24, Lifetime::Forever, false);
    news(&mut driver);
    let asked = asked(&mut driver);
    assert_eq!(asked[..2], ["refuse nothing", "reset 10.0.0.5"]);
    assert_eq!(asked.last().unwrap(), "refuse 10.0.0.5 on eth0 for 10 s");
}

#[test]
fn a_refusal_ends_with_the_interface() {
    let mut driver = refusing();
    driver.host.rename(2, "lan0");
    news(&mut driver);
    assert_eq!(asked(&mut driver)[0], "refuse nothing");
}

#[test]
fn a_stop_refuses_nothing_and_ends_a_refusal() {
    for mode in [StopMode::Release, StopMode::Keep] {
        let mut driver = refusing();
        driver.stop(mode);
        assert_eq!(asked(&mut driver), ["refuse nothing"]);
        let mut driver = holding_to_refuse(&[A]);
        driver.stop(mode);
        assert!(asked(&mut driver).iter().all(|asked| !asked.starts_with("refuse")));
    }
}

#[test]
fn a_vip_that_is_no_longer_configured_or_was_never_here_refuses_nothing() {
    let mut driver = holding_to_refuse(&[A]);
    driver.reload(&[], PACE).unwrap();
    assert_eq!(asked(&mut driver), ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0"]);
    let mut driver = refusing();
    driver.reload(&[refusing_vip(B)], PACE).unwrap();
    assert_eq!(asked(&mut driver), ["refuse nothing", "listen on eth0 for 10.0.0.6"]);
    names(&mut driver, B, other());
    assert_eq!(asked(&mut driver), ["remove 10.0.0.6/32 from eth0"]);
}

#[test]
fn zero_refuses_nothing() {
    let mut driver = holding(&[A]);
    names(&mut driver, A, other());
    assert_eq!(asked(&mut driver), ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0"]);
}

#[test]
fn a_release_that_the_kernel_refuses_refuses_nothing_yet() {
    let mut driver = holding_to_refuse(&[A]);
    driver.host.refusal = Some("no permission");
    names(&mut driver, A, other());
    assert_eq!(asked(&mut driver), ["reset 10.0.0.5", "remove 10.0.0.5/32 from eth0"]);
    driver.host.refusal = None;
    NOW.set(u64::try_from(driver.next_deadline().unwrap().since_boot().as_millis()).unwrap() + 1);
    driver.pass_time(now());
    assert_eq!(asked(&mut driver).last().unwrap(), "refuse 10.0.0.5 on eth0 for 10 s");
}

#[test]
fn a_release_after_the_kernel_ended_the_address_refuses_too() {
    let mut driver = holding_to_refuse(&[A]);
    pass(9_500);
    driver.host.unset(2, "10.0.0.5".parse().unwrap(), 32);
    news(&mut driver);
    pass(500);
    driver.pass_time(now());
    assert_eq!(asked(&mut driver).last().unwrap(), "refuse 10.0.0.5 on eth0 for 10 s");
    names(&mut driver, A, other());
    assert_eq!(asked(&mut driver), ["remove 10.0.0.5/32 from eth0"], "the refusal goes on");
}

#[test]
fn one_call_serves_all_vips_that_are_released_together() {
    let mut driver = holding_to_refuse(&[A, B]);
    for vip in [A, B] {
        driver.tell_key(0, vip.split_once('/').unwrap().0, "pg1", &read(other()), now());
    }
    driver.run();
    assert_eq!(asked(&mut driver).last().unwrap(), "refuse 10.0.0.5 on eth0 for 10 s, 10.0.0.6 on eth0 for 10 s");
}

#[test]
fn that_connections_cannot_be_refused_is_said_once() {
    let mut driver = holding_to_refuse(&[A, B]);
    driver.host.refuse_failure = Some("no permission");
    names(&mut driver, A, other());
    names(&mut driver, B, other());
    assert_eq!(refusals(&mut driver), ["no permission"]);
    assert_eq!(states(&driver), ["10.0.0.5/32 standby", "10.0.0.6/32 standby"]);
}
