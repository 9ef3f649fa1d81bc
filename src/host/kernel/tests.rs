use std::time::Duration;

use super::*;
use crate::time::{Lifetime, Moment};
use crate::vip::Mac;

fn name(text: &str) -> InterfaceName {
    InterfaceName::new(text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn link(index: u32, called: &str) -> Notice {
    Notice::Link(Link { index, name: name(called), up: true, mac: Some(Mac([2, 0, 0, 0, 0, 1])) })
}

fn stands(index: u32, address: &str, prefix: u8) -> Notice {
    let valid = Lifetime::Until(Moment::from_boot(Duration::from_secs(10)));
    let address = ip(address);
    Notice::Address(Address { index, address, prefix, valid, ours: true, tentative: false, duplicate: false })
}

fn gone(index: u32, address: &str, prefix: u8) -> Notice {
    Notice::AddressGone { index, address: ip(address), prefix }
}

fn kernel(notices: &[Notice]) -> Kernel {
    let mut kernel = Kernel::default();
    for notice in notices {
        kernel.apply(notice);
    }
    kernel
}

fn prefixes(kernel: &Kernel, index: u32, address: &str) -> Vec<u8> {
    kernel.addresses(index, ip(address)).map(|address| address.prefix).collect()
}

#[test]
fn an_address_is_seen_with_every_prefix_length_that_it_stands_with() {
    let mut kernel = kernel(&[link(2, "eth0"), stands(2, "10.0.0.5", 24), stands(2, "10.0.0.5", 32)]);
    assert_eq!(prefixes(&kernel, 2, "10.0.0.5"), [24, 32]);
    assert_eq!(kernel.apply(&gone(2, "10.0.0.5", 24)), Changed::Address(2, ip("10.0.0.5")));
    assert_eq!(prefixes(&kernel, 2, "10.0.0.5"), [32]);
}

#[test]
fn another_address_that_looks_alike_is_another_address() {
    let kernel =
        kernel(&[stands(2, "10.27.176.218", 32), stands(2, "110.27.176.21", 23), stands(3, "10.27.176.21", 32)]);
    assert_eq!(prefixes(&kernel, 2, "10.27.176.21"), [] as [u8; 0]);
}

#[test]
fn a_notice_that_says_nothing_new_changes_nothing() {
    let mut kernel = kernel(&[link(2, "eth0"), stands(2, "10.0.0.5", 32)]);
    assert_eq!(kernel.apply(&link(2, "eth0")), Changed::Nothing);
    assert_eq!(kernel.apply(&stands(2, "10.0.0.5", 32)), Changed::Nothing);
    assert_eq!(kernel.apply(&gone(2, "10.0.0.6", 32)), Changed::Nothing);
    assert_eq!(kernel.apply(&Notice::LinkGone { index: 9 }), Changed::Nothing);
}

#[test]
fn a_renewed_lifetime_is_a_change() {
    let mut kernel = kernel(&[stands(2, "10.0.0.5", 32)]);
    let Notice::Address(mut renewed) = stands(2, "10.0.0.5", 32) else { unreachable!() };
    renewed.valid = Lifetime::Forever;
    assert_eq!(kernel.apply(&Notice::Address(renewed)), Changed::Address(2, ip("10.0.0.5")));
    assert_eq!(kernel.addresses(2, ip("10.0.0.5")).next().unwrap().valid, Lifetime::Forever);
}

#[test]
fn a_renamed_interface_is_found_by_its_new_name_only() {
    let mut kernel = kernel(&[link(2, "eth0"), stands(2, "10.0.0.5", 32)]);
    assert_eq!(kernel.apply(&link(2, "lan0")), Changed::Link(2));
    assert_eq!(kernel.link_by_name(&name("eth0")), None);
    assert_eq!(kernel.link_by_name(&name("lan0")).unwrap().index, 2);
    assert_eq!(prefixes(&kernel, 2, "10.0.0.5"), [32], "its addresses stay");
}

#[test]
fn two_interfaces_can_swap_their_names_even_when_one_step_was_not_heard() {
    let mut kernel = kernel(&[link(2, "eth0"), link(3, "eth1")]);
    kernel.apply(&link(3, "eth0"));
    kernel.apply(&link(2, "eth1"));
    assert_eq!(kernel.link_by_name(&name("eth0")).unwrap().index, 3);
    assert_eq!(kernel.link_by_name(&name("eth1")).unwrap().index, 2);
}

#[test]
fn an_interface_made_again_starts_without_addresses() {
    let mut kernel = kernel(&[link(2, "eth0"), stands(2, "10.0.0.5", 32), stands(2, "fd00::5", 128), link(3, "eth1")]);
    kernel.apply(&stands(3, "10.0.0.6", 32));
    assert_eq!(kernel.apply(&Notice::LinkGone { index: 2 }), Changed::Link(2));
    assert_eq!(kernel.link_by_name(&name("eth0")), None);
    kernel.apply(&link(7, "eth0"));
    assert_eq!(kernel.link_by_name(&name("eth0")).unwrap().index, 7);
    for index in [2, 7] {
        assert_eq!(prefixes(&kernel, index, "10.0.0.5"), [] as [u8; 0]);
        assert_eq!(prefixes(&kernel, index, "fd00::5"), [] as [u8; 0]);
    }
    assert_eq!(prefixes(&kernel, 3, "10.0.0.6"), [32], "its neighbour keeps its own");
}

#[test]
fn a_fresh_list_takes_the_place_of_all_that_was_known() {
    let mut kernel = kernel(&[link(2, "eth0"), stands(2, "10.0.0.5", 32), link(3, "eth1")]);
    kernel.replace(&Dump { notices: vec![link(2, "lan0"), stands(2, "10.0.0.6", 32)] });
    assert_eq!(kernel.link_by_name(&name("eth0")), None);
    assert_eq!(kernel.link(3), None);
    assert_eq!(prefixes(&kernel, 2, "10.0.0.5"), [] as [u8; 0]);
    assert_eq!(prefixes(&kernel, 2, "10.0.0.6"), [32]);
}

#[test]
fn the_only_address_of_its_family_is_told_from_one_of_several() {
    let mut kernel = kernel(&[link(2, "eth0"), stands(2, "10.0.0.5", 24), stands(3, "10.0.0.1", 24)]);
    assert!(kernel.only_address_of_family(2, ip("10.0.0.5")), "what other interfaces have does not count");
    kernel.apply(&stands(2, "10.0.0.5", 32));
    kernel.apply(&stands(2, "fd00::1", 64));
    assert!(kernel.only_address_of_family(2, ip("10.0.0.5")), "nor another prefix length, nor the other family");
    kernel.apply(&stands(2, "10.0.0.1", 24));
    assert!(!kernel.only_address_of_family(2, ip("10.0.0.5")));
    assert!(!kernel.only_address_of_family(2, ip("10.0.0.9")), "it does not even stand");
}

#[test]
fn a_link_local_address_is_no_company() {
    let kernel = kernel(&[stands(2, "fd00::5", 128), stands(2, "fe80::1", 64)]);
    assert!(kernel.only_address_of_family(2, ip("fd00::5")));
}

#[test]
fn what_is_ours_is_known_by_its_mark() {
    let Notice::Address(mut foreign) = stands(2, "10.0.0.1", 24) else { unreachable!() };
    foreign.ours = false;
    let kernel = kernel(&[stands(2, "10.0.0.5", 32), Notice::Address(foreign), stands(3, "fd00::5", 128)]);
    let ours: Vec<_> = kernel.ours().map(|address| address.address).collect();
    assert_eq!(ours, [ip("10.0.0.5"), ip("fd00::5")]);
}
