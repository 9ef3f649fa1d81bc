//! Claims of others: no frame makes the reader fall, and the kernel's filter lets exactly those claims pass that are of
//! the addresses it was made for.

#![no_main]

#[path = "../../src/wire/filter/interpreter.rs"]
mod interpreter;
#[path = "support/ndp.rs"]
mod ndp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use interpreter::passes;
use libfuzzer_sys::fuzz_target;
use vip_manager::wire::claim::{LONGEST, filter_v4, filter_v6, parse};
use vip_manager::wire::filter::Instruction;

fuzz_target!(|bytes: &[u8]| {
    judge(bytes);
    if let Some(summed) = ndp::summed(bytes) {
        judge(&summed);
    }
});

fn judge(frame: &[u8]) {
    let claim = parse(frame);
    let kept = frame.len().min(LONGEST as usize);
    let cut = parse(&frame[..kept]);
    assert!(cut.is_none() || cut == claim, "what is cut short claims something else");
    match claim.map(|claim| claim.address) {
        Some(IpAddr::V4(address)) => {
            assert!(!address.is_unspecified(), "a probe is taken for a claim");
            let mut others = neighbours(address);
            assert!(!passes(&filter_v4(&others), frame), "wakes the daemon for another address");
            others.push(address);
            assert!(passes(&filter_v4(&others), frame), "the kernel keeps a claim back");
        }
        Some(IpAddr::V6(address)) => {
            let mut others = neighbours_v6(address);
            assert!(!passes(&filter_v6(&others), frame), "wakes the daemon for another address");
            others.push(address);
            assert!(passes(&filter_v6(&others), frame), "the kernel keeps a claim back");
        }
        None => {
            // It may pass, but the program has to come to an end.
            passes(&filter_v4(&[Ipv4Addr::LOCALHOST]), frame);
            passes(&filter_v6(&[Ipv6Addr::LOCALHOST]), frame);
        }
    }
}

/// Every address that differs in one bit.
fn neighbours(address: Ipv4Addr) -> Vec<Ipv4Addr> {
    (0..32).map(|bit| Ipv4Addr::from(u32::from(address) ^ 1 << bit)).collect()
}

fn neighbours_v6(address: Ipv6Addr) -> Vec<Ipv6Addr> {
    (0..128).map(|bit| Ipv6Addr::from(u128::from(address) ^ 1 << bit)).collect()
}
