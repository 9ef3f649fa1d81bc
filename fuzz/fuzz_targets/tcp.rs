//! Requests for connections: no frame makes the reader fall, an answer goes to who asked and is none itself, and the
//! kernel's filter lets exactly those requests pass that are for the addresses it was made for.

#![no_main]

#[path = "../../src/wire/filter/interpreter.rs"]
mod interpreter;

use std::net::{Ipv4Addr, Ipv6Addr};

use interpreter::{passes, run};
use libfuzzer_sys::fuzz_target;
use vip_manager::vip::Mac;
use vip_manager::wire::filter::Instruction;
use vip_manager::wire::tcp::{Addresses, LONGEST, filter_v4, filter_v6, parse};

fuzz_target!(|bytes: &[u8]| {
    let Some(own) = bytes.first_chunk().copied().map(Mac) else { return };
    judge(bytes, own);
    if let Some(summed) = summed(bytes) {
        judge(&summed, own);
    }
});

fn judge(frame: &[u8], own: Mac) {
    let kept = &frame[..frame.len().min(LONGEST as usize)];
    let Some(syn) = parse(frame, own) else {
        // It may pass, but the program has to come to an end.
        passes(&filter_v4(&[Ipv4Addr::LOCALHOST]), frame);
        passes(&filter_v6(&[Ipv6Addr::LOCALHOST]), frame);
        return;
    };
    assert_eq!(parse(kept, own), Some(syn.clone()), "what the kernel cuts off matters");
    assert_eq!(
        parse(frame, Mac([2, 0xff, 0xff, 0xff, 0xff, 0xff])).is_some(),
        own.0 == [2, 0xff, 0xff, 0xff, 0xff, 0xff]
    );
    let answer = syn.refusal();
    assert_eq!((&answer[..6], &answer[6..12]), (&frame[6..12], &frame[..6]), "the answer does not go to who asked");
    assert_eq!(answer[12..12 + syn.tags.len()], frame[12..12 + syn.tags.len()]);
    assert_eq!(parse(&answer, syn.from.0), None, "an answer is answered");

    // The kernel takes tags off before it filters.
    let untagged = [&frame[..12], &frame[12 + syn.tags.len()..]].concat();
    let (filter, others) = match syn.addresses {
        Addresses::V4 { to, .. } => (filter_v4(&[to]), filter_v4(&neighbours(to))),
        Addresses::V6 { to, .. } => (filter_v6(&[to]), filter_v6(&neighbours_v6(to))),
    };
    assert!(passes(&filter, &untagged), "the kernel keeps a request back");
    assert!(!passes(&others, &untagged), "wakes the daemon for another address");
    assert_ne!(run(&filter, &untagged, 3), Some(true), "hears what is for another host");
}

/// The frame with the checksum of its IPv4 header set right, which a fuzzer would not guess.
fn summed(frame: &[u8]) -> Option<Vec<u8>> {
    let mut frame = frame.to_vec();
    let mut at = 14;
    while matches!(frame.get(at - 2..at)?, [0x81, 0] | [0x88, 0xa8]) && at < 22 {
        at += 4;
    }
    let length = usize::from(frame.get(at)? & 0xf) * 4;
    let header = frame.get_mut(at..at + length).filter(|header| header.len() >= 20)?;
    header[10..12].fill(0);
    let sum = header.chunks(2).fold(0_u32, |sum, pair| sum + u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).ok()?;
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    Some(frame)
}

/// Every address that differs in one bit.
fn neighbours(address: Ipv4Addr) -> Vec<Ipv4Addr> {
    (0..32).map(|bit| Ipv4Addr::from(u32::from(address) ^ 1 << bit)).collect()
}

fn neighbours_v6(address: Ipv6Addr) -> Vec<Ipv6Addr> {
    (0..128).map(|bit| Ipv6Addr::from(u128::from(address) ^ 1 << bit)).collect()
}
