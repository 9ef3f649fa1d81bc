//! Privileges: two capabilities are enough, and what is missing is named with its cure.
//!
//! Each test runs itself once more under `setpriv`, with fewer capabilities.

use std::num::NonZeroU32;
use std::process::Command;

use vip_manager::clock;
use vip_manager::host::Host;

use crate::lab::{Namespace, index, vip};

/// Says that this process is the inner one.
const INNER: &str = "VIP_MANAGER_TEST_INNER";

/// What `inner` says in a process whose capabilities are `bounds`, in a namespace with interfaces in it.
fn said_with(bounds: &str, test: &str, inner: impl FnOnce() -> String) -> String {
    if std::env::var_os(INNER).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async { inner() });
    }
    let namespace = Namespace::with_pair("privilege");
    let output = namespace.enter(|| {
        Command::new("setpriv")
            .arg(format!("--bounding-set={bounds}"))
            .arg("--inh-caps=-all")
            .arg(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(INNER, "1")
            .output()
            .expect("these tests need setpriv (util-linux)")
    });
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn opened() -> String {
    match Host::open(clock::now) {
        Ok(_) => "all is open".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// In the inner process the outcome is printed for the outer one, which judges it.
#[expect(clippy::print_stdout, reason = "it is how the inner process speaks to the outer one")]
fn judge(said: &str, expected: &[&str]) {
    if std::env::var_os(INNER).is_some() {
        println!("{said}");
        return;
    }
    for part in expected {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[test]
fn without_net_admin_the_capability_and_its_cure_are_named() {
    let said = said_with("-net_admin", "privilege::without_net_admin_the_capability_and_its_cure_are_named", opened);
    judge(&said, &["CAP_NET_ADMIN", "change addresses", "setcap cap_net_admin,cap_net_raw+ep "]);
}

#[test]
fn without_net_raw_the_capability_and_its_cure_are_named() {
    let said = said_with("-net_raw", "privilege::without_net_raw_the_capability_and_its_cure_are_named", opened);
    judge(&said, &["CAP_NET_RAW", "announce addresses", "setcap cap_net_admin,cap_net_raw+ep "]);
}

#[test]
fn two_capabilities_are_enough_for_everything() {
    let said = said_with("-all,+net_admin,+net_raw", "privilege::two_capabilities_are_enough_for_everything", || {
        let mut host = Host::open(clock::now).unwrap();
        let vip = vip("10.9.0.5/32");
        host.addresses.put(index("v0"), &vip, NonZeroU32::MIN).unwrap();
        host.announcer.announce(&crate::lab::name("v0"), vip.address()).unwrap();
        host.connections.reset(&[vip.address()].into()).unwrap();
        host.addresses.remove(index("v0"), vip.address(), vip.prefix()).unwrap();
        "everything works".to_owned()
    });
    judge(&said, &["everything works"]);
}
