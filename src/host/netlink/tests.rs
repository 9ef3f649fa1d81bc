//! Against a kernel that answers what it is told to: the other end of a pair of sockets.

use nix::sys::socket::socketpair;

use super::*;

/// A conversation, and the kernel's end of it.
fn conversation() -> (Requests, OwnedFd) {
    let (ours, kernels) = socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::SOCK_CLOEXEC).unwrap();
    setsockopt(&ours, sockopt::ReceiveTimeout, &TimeVal::milliseconds(50)).unwrap();
    let mut requests = Requests::open(SockProtocol::NetlinkRoute).unwrap();
    requests.socket = Some(ours);
    (requests, kernels)
}

struct Body;

impl Emitable for Body {
    fn buffer_len(&self) -> usize {
        4
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(b"body");
    }
}

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = HEADER + payload.len();
    let mut bytes = u32::try_from(length).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

fn verdict_message(kind: u16, sequence: u32, number: i32) -> Vec<u8> {
    message(kind, 0, sequence, &number.to_ne_bytes())
}

fn say(kernel: &OwnedFd, datagram: &[Vec<u8>]) {
    send(kernel.as_raw_fd(), &datagram.concat(), MsgFlags::empty()).unwrap();
}

fn listed(requests: &mut Requests) -> Result<Vec<Vec<u8>>, Failure> {
    requests.list(PART, &Body, Vec::new, |list, kind, payload| {
        assert_eq!(kind, PART);
        list.push(payload.to_vec());
    })
}

const PART: u16 = 0x14;

#[test]
fn a_request_is_a_header_and_a_body() {
    let (mut requests, kernel) = conversation();
    say(&kernel, &[verdict_message(ERROR, 1, 0)]);
    assert_eq!(requests.act(PART, 0x400, &Body), Ok(()));
    let mut request = [0; 64];
    let length = recv(kernel.as_raw_fd(), &mut request, MsgFlags::empty()).unwrap();
    assert_eq!(request[..length], message(PART, 0x400 | NLM_F_REQUEST | NLM_F_ACK, 1, b"body"));
}

#[test]
fn a_refusal_bears_its_number() {
    let (mut requests, kernel) = conversation();
    for (sequence, errno) in [(1, Errno::EADDRNOTAVAIL), (2, Errno::EPERM)] {
        say(&kernel, &[verdict_message(ERROR, sequence, -(errno as i32))]);
        assert_eq!(requests.act(PART, 0, &Body), Err(Failure::Refused(errno)));
    }
}

#[test]
fn an_answer_to_an_earlier_request_is_not_taken_for_ours() {
    let (mut requests, kernel) = conversation();
    requests.sequence = 6;
    say(&kernel, &[verdict_message(ERROR, 5, 0), verdict_message(ERROR, 6, -(Errno::EEXIST as i32))]);
    say(&kernel, &[verdict_message(ERROR, 7, -(Errno::ENODEV as i32))]);
    assert_eq!(requests.act(PART, 0, &Body), Err(Failure::Refused(Errno::ENODEV)));
}

#[test]
fn a_kernel_that_does_not_answer_costs_the_socket_and_a_limited_time() {
    let (mut requests, kernel) = conversation();
    say(&kernel, &[verdict_message(ERROR, 0, 0)]);
    assert_eq!(requests.act(PART, 0, &Body), Err(Failure::Timeout));
    assert!(requests.socket.is_none(), "a late answer must find nobody");
}

#[test]
fn the_next_request_after_a_broken_conversation_goes_over_a_new_socket() {
    let (mut requests, _kernel) = conversation();
    assert_eq!(requests.act(PART, 0, &Body), Err(Failure::Timeout));
    // This one asks the real kernel, for something that does not exist.
    assert_eq!(requests.act(0x7ffe, 0, &Body), Err(Failure::Refused(Errno::EOPNOTSUPP)));
}

#[test]
fn a_list_comes_in_parts_and_datagrams() {
    let (mut requests, kernel) = conversation();
    say(&kernel, &[message(PART, 2, 1, b"one"), message(PART, 2, 1, b"two2")]);
    say(&kernel, &[message(PART, 2, 1, b"three")]);
    say(&kernel, &[verdict_message(DONE, 1, 0)]);
    assert_eq!(listed(&mut requests), Ok(vec![b"one".to_vec(), b"two2".to_vec(), b"three".to_vec()]));
}

#[test]
fn a_list_that_changed_under_way_is_asked_for_again() {
    let (mut requests, kernel) = conversation();
    say(&kernel, &[message(PART, NLM_F_DUMP_INTR, 1, b"old"), verdict_message(DONE, 1, 0)]);
    say(&kernel, &[message(PART, 0, 2, b"new"), verdict_message(DONE, 2, 0)]);
    assert_eq!(listed(&mut requests), Ok(vec![b"new".to_vec()]));
}

#[test]
fn a_list_that_never_stops_changing_is_given_up() {
    let (mut requests, kernel) = conversation();
    for sequence in 1..=DUMP_TRIES {
        say(&kernel, &[message(PART, NLM_F_DUMP_INTR, sequence, b"part"), verdict_message(DONE, sequence, 0)]);
    }
    assert_eq!(listed(&mut requests), Err(Failure::Restless));
}

#[test]
fn a_list_may_fail_at_its_end() {
    let (mut requests, kernel) = conversation();
    say(&kernel, &[message(PART, 0, 1, b"part"), verdict_message(DONE, 1, -(Errno::ENOMEM as i32))]);
    assert_eq!(listed(&mut requests), Err(Failure::Refused(Errno::ENOMEM)));
}

#[test]
fn nonsense_is_called_nonsense() {
    let (mut requests, kernel) = conversation();
    say(&kernel, &[message(ERROR, 0, 1, b"?")]);
    assert!(matches!(requests.act(PART, 0, &Body), Err(Failure::Garbled(_))));
    let (mut requests, kernel) = conversation();
    say(&kernel, &[vec![0; LARGEST_DATAGRAM + 4]]);
    assert!(matches!(requests.act(PART, 0, &Body), Err(Failure::Garbled(_))));
}
