use proptest::prelude::*;

use super::*;

const NOW: Moment = Moment::from_boot(Duration::from_secs(1_000));

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let mut bytes = u16::try_from(length).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

fn address_message(family: u8, prefix: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![family, prefix, 0, 0];
    bytes.extend(7_u32.to_ne_bytes());
    bytes.extend(attributes.concat());
    bytes
}

fn link_message(family: u8, kind: u16, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![family, 0];
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(7_u32.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(attributes.concat());
    bytes
}

fn times(valid: u32) -> Vec<u8> {
    let mut value = 0_u32.to_ne_bytes().to_vec();
    value.extend(valid.to_ne_bytes());
    value.extend([0; 8]);
    attribute(IFA_CACHEINFO, &value)
}

fn read(payload: &[u8]) -> Address {
    match parse(RTM_NEWADDR, payload, NOW) {
        Some(Notice::Address(address)) => address,
        other => panic!("not an address: {other:?}"),
    }
}

const UP: u32 = 0x1;
const RUNNING: u32 = 0x40;
const LOWER_UP: u32 = 0x1_0000;
const ETHER: u16 = 1;
const LOOPBACK: u16 = 772;

#[test]
fn an_ipv4_address_is_the_local_one_not_the_far_end() {
    let far = attribute(IFA_ADDRESS, &[10, 0, 0, 1]);
    let near = attribute(IFA_LOCAL, &[10, 0, 0, 5]);
    for attributes in [[far.clone(), near.clone()], [near, far]] {
        let read = read(&address_message(2, 32, &attributes));
        assert_eq!((read.address, read.peer), (IpAddr::from([10, 0, 0, 5]), Some(IpAddr::from([10, 0, 0, 1]))));
    }
}

#[test]
fn an_ipv6_address_comes_without_a_local_one() {
    let address = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
    let shown = read(&address_message(10, 128, &[attribute(IFA_ADDRESS, &address)]));
    assert_eq!((shown.index, shown.address, shown.prefix), (7, IpAddr::from(address), 128));
}

#[test]
fn an_address_that_went_is_told_with_the_prefix_length_it_had() {
    let message = address_message(2, 24, &[attribute(IFA_LOCAL, &[10, 0, 0, 5])]);
    let gone = Notice::AddressGone { index: 7, address: IpAddr::from([10, 0, 0, 5]), prefix: 24, peer: None };
    assert_eq!(parse(RTM_DELADDR, &message, NOW), Some(gone));
}

#[test]
fn a_lifetime_ends_or_does_not() {
    let address = attribute(IFA_LOCAL, &[10, 0, 0, 5]);
    let ends = read(&address_message(2, 32, &[address.clone(), times(10)])).valid;
    assert_eq!(ends, Lifetime::Until(NOW + Duration::from_secs(10)));
    assert_eq!(read(&address_message(2, 32, &[address.clone(), times(u32::MAX)])).valid, Lifetime::Forever);
    assert_eq!(read(&address_message(2, 32, &[address])).valid, Lifetime::Forever);
    assert!(ends < Lifetime::Forever);
}

#[test]
fn only_our_own_mark_makes_an_address_ours() {
    let address = attribute(IFA_LOCAL, &[10, 0, 0, 5]);
    for (mark, ours) in [(PROTOCOL, true), (PROTOCOL + 1, false), (0, false)] {
        let marked = [address.clone(), attribute(IFA_PROTO, &[mark])];
        assert_eq!(read(&address_message(2, 32, &marked)).ours, ours);
    }
    assert!(!read(&address_message(2, 32, &[address])).ours);
}

#[test]
fn an_address_that_cannot_be_used_is_known() {
    let address = attribute(IFA_ADDRESS, &[0xfd; 16]);
    for (flags, tentative, duplicate) in [(0x40_u32, true, false), (0x08, false, true), (0x02, false, false)] {
        let shown = read(&address_message(10, 128, &[address.clone(), attribute(IFA_FLAGS, &flags.to_ne_bytes())]));
        assert_eq!((shown.tentative, shown.duplicate), (tentative, duplicate));
    }
}

#[test]
fn a_link_is_up_when_frames_pass() {
    let name = attribute(IFLA_IFNAME, b"eth0\0");
    let mac = attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]);
    for (flags, up) in
        [(UP | RUNNING | LOWER_UP, true), (UP | LOWER_UP, false), (UP, false), (RUNNING | LOWER_UP, false)]
    {
        let expected =
            Link { index: 7, name: InterfaceName::new("eth0").unwrap(), up, mac: Some(Mac([2, 0, 0, 0, 0, 1])) };
        let shown = parse(RTM_NEWLINK, &link_message(0, ETHER, flags, &[name.clone(), mac.clone()]), NOW);
        assert_eq!(shown, Some(Notice::Link(expected)));
    }
}

#[test]
fn six_bytes_are_a_hardware_address_on_ethernet_only() {
    let attributes = [attribute(IFLA_IFNAME, b"lo\0"), attribute(IFLA_ADDRESS, &[0; 6])];
    let Some(Notice::Link(link)) = parse(RTM_NEWLINK, &link_message(0, LOOPBACK, UP, &attributes), NOW) else {
        panic!("it is a link");
    };
    assert_eq!(link.mac, None);
}

#[test]
fn what_a_bridge_says_of_its_ports_is_not_said_of_the_interface() {
    const AF_BRIDGE: u8 = 7;
    let name = [attribute(IFLA_IFNAME, b"eth0\0")];
    for kind in [RTM_NEWLINK, RTM_DELLINK] {
        assert_eq!(parse(kind, &link_message(AF_BRIDGE, ETHER, UP, &name), NOW), None);
    }
    assert_eq!(parse(RTM_DELLINK, &link_message(0, ETHER, UP, &name), NOW), Some(Notice::LinkGone { index: 7 }));
}

#[test]
fn an_interface_whose_new_name_nobody_could_configure_is_gone_for_us() {
    let renamed = link_message(0, ETHER, UP, &[attribute(IFLA_IFNAME, b"eth:0\0")]);
    assert_eq!(parse(RTM_NEWLINK, &renamed, NOW), Some(Notice::LinkGone { index: 7 }));
    let detail = link_message(0, ETHER, UP, &[]);
    assert_eq!(parse(RTM_NEWLINK, &detail, NOW), None, "but a message without a name is about something else");
}

const REACHABLE: u8 = 0x02;
const STALE: u8 = 0x04;
const DELAY: u8 = 0x08;
const PROBE: u8 = 0x10;
const FAILED: u8 = 0x20;

#[rustfmt::skip]
fn neighbour_message(state: u8) -> [u8; 20] {
    let mut message = [2, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 1,  0, 0, 0, 0,  10, 0, 0, 5];
    message[4..8].copy_from_slice(&7_u32.to_ne_bytes());
    message[8..10].copy_from_slice(&u16::from(state).to_ne_bytes());
    message[12..14].copy_from_slice(&8_u16.to_ne_bytes());
    message[14..16].copy_from_slice(&NDA_DST.to_ne_bytes());
    message
}

#[test]
fn who_answered_some_time_ago_is_a_neighbour_that_may_have_gone() {
    for state in [STALE, DELAY, PROBE] {
        assert_eq!(
            parse_neighbour(RTM_NEWNEIGH, &neighbour_message(state)).map(|neighbour| neighbour.fresh),
            Some(false),
            "{state:#x}"
        );
    }
}

#[test]
fn who_answered_is_a_neighbour_and_who_never_did_is_none() {
    let there = Neighbour { index: 7, address: "10.0.0.5".parse().unwrap(), fresh: true };
    assert_eq!(parse_neighbour(RTM_NEWNEIGH, &neighbour_message(REACHABLE)), Some(there));
    assert_eq!(parse_neighbour(RTM_NEWNEIGH, &neighbour_message(FAILED)), None);
    assert_eq!(parse_neighbour(RTM_NEWNEIGH + 1, &neighbour_message(REACHABLE)), None);
    for length in 0..20 {
        assert_eq!(parse_neighbour(RTM_NEWNEIGH, &neighbour_message(REACHABLE)[..length]), None);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_fall(kind in 0..32_u16, bytes: Vec<u8>) {
        let known = [RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR].contains(&kind);
        prop_assert!(parse(kind, &bytes, NOW).is_none() || known);
    }

    #[test]
    fn no_attributes_make_the_reader_fall(attributes in proptest::collection::vec((0..16_u16, any::<Vec<u8>>()), 0..6)) {
        let encoded: Vec<_> = attributes.iter().map(|(kind, value)| attribute(*kind, value)).collect();
        for (family, prefix) in [(2, 32), (10, 128)] {
            if let Some(Notice::Address(address)) = parse(RTM_NEWADDR, &address_message(family, prefix, &encoded), NOW) {
                prop_assert_eq!(address.prefix, prefix);
            }
        }
    }
}
