//! The golden bytes were captured between ZooKeeper 3.8.0 and its Python client kazoo 2.11.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const LEADER: &str = "/service/pg/leader";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A whole frame as it was received, without its length, which must be right.
fn received(hex: &str) -> Vec<u8> {
    let frame = bytes(hex);
    let (prefix, rest) = frame.split_first_chunk().unwrap();
    assert_eq!(length(*prefix), Some(rest.len()));
    rest.to_vec()
}

#[test]
fn a_session_begins_as_the_usual_client_begins_it() {
    assert_eq!(
        connect(Duration::from_secs(4), SessionId::default()),
        bytes(
            "0000002d 00000000 0000000000000000 00000fa0 0000000000000000 00000010 00000000000000000000000000000000 00"
        )
    );
    let answer = received("00000025 00000000 00000fa0 010000c553db0000 00000010 87a638390863c5a53d2665cf915e4aea 00");
    let connected = Connected::parse(&answer).unwrap();
    assert_eq!((connected.timeout, connected.session.id), (Duration::from_secs(4), 0x0100_00c5_53db_0000));
    assert_eq!(connected.session.password[..2], [0x87, 0xa6]);
    let expired = [&answer[..4], &[0; 4], &[0; 8], &answer[16..]].concat();
    assert_eq!(Connected::parse(&expired), None, "a session that cannot be continued");
    assert!(
        Connected::says_ended(&expired) && !Connected::says_ended(&answer) && !Connected::says_ended(&expired[..15])
    );
}

#[test]
fn a_login_a_ping_and_the_end_are_those_of_the_usual_client() {
    assert_eq!(
        auth("digest", b"vip:secret"),
        bytes("00000024 fffffffc 00000064 00000000 00000006 646967657374 0000000a 7669703a736563726574")
    );
    let accepted = received("00000010 fffffffc 0000000000000000 00000000");
    let reply = Reply::parse(&accepted).unwrap();
    assert_eq!((reply.kind, reply.code), (Kind::Auth, Code::OK));
    let refused = received("00000010 fffffffc 0000000000000000 ffffff8d");
    assert_eq!(Reply::parse(&refused).unwrap().code, Code::AUTH_FAILED);

    assert_eq!(ping(), bytes("00000008 fffffffe 0000000b"));
    let alive = received("00000010 fffffffe 000000000000000e 00000000");
    let reply = Reply::parse(&alive).unwrap();
    assert_eq!((reply.kind, reply.zxid), (Kind::Ping, 14));

    assert_eq!(Request::Close.frame(0x1b), bytes("00000008 0000001b fffffff5"));
}

#[test]
fn a_value_is_read_with_its_counters() {
    assert_eq!(
        Request::GetData { path: LEADER, watch: true }.frame(8),
        bytes("0000001f 00000008 00000004 00000012 2f736572766963652f70672f6c6561646572 01")
    );
    let answer = received(
        "0000005b 00000008 0000000000000004 00000000 00000003 706731 0000000000000004 0000000000000004 \
         000001a219285a0d 000001a219285a0d 00000000 00000000 00000000 010000c553db0000 00000003 00000000 \
         0000000000000004",
    );
    let reply = Reply::parse(&answer).unwrap();
    assert_eq!((reply.kind, reply.zxid, reply.code), (Kind::Answer(8), 4, Code::OK));
    let stat = Stat { created: 4, modified: 4, version: 0, owner: 0x0100_00c5_53db_0000 };
    assert_eq!(reply.data(), Some((&b"pg1"[..], stat)));
}

#[test]
fn an_absent_or_protected_znode_is_told_by_the_code() {
    assert_eq!(
        Request::Exists { path: LEADER, watch: true }.frame(6),
        bytes("0000001f 00000006 00000003 00000012 2f736572766963652f70672f6c6561646572 01")
    );
    let absent = received("00000010 00000006 0000000000000003 ffffff9b");
    let reply = Reply::parse(&absent).unwrap();
    assert_eq!((reply.zxid, reply.code, reply.stat()), (3, Code::NO_NODE, None));
    let present = received(
        "00000054 00000009 0000000000000004 00000000 0000000000000004 0000000000000004 000001a219285a0d \
         000001a219285a0d 00000000 00000000 00000000 010000c553db0000 00000003 00000000 0000000000000004",
    );
    assert_eq!(Reply::parse(&present).unwrap().stat().unwrap().created, 4);
    let protected = received("00000010 00000015 000000000000000c ffffff9a");
    assert_eq!(Reply::parse(&protected).unwrap().code.to_string(), "NOAUTH (-102)");
    assert_eq!(Code(-999).to_string(), "error -999");
}

#[test]
fn names_and_paths_are_read() {
    assert_eq!(
        Request::Sync { path: LEADER }.frame(10),
        bytes("0000001e 0000000a 00000009 00000012 2f736572766963652f70672f6c6561646572")
    );
    let answer = received("00000026 0000000a 0000000000000004 00000000 00000012 2f736572766963652f70672f6c6561646572");
    assert_eq!(Reply::parse(&answer).unwrap().path(), Some(LEADER));
    assert_eq!(
        Request::GetChildren { path: "/service/pg" }.frame(11),
        bytes("00000018 0000000b 00000008 0000000b 2f736572766963652f7067 00")
    );
    let answer = received("0000001e 0000000b 0000000000000004 00000000 00000001 00000006 6c6561646572");
    assert_eq!(Reply::parse(&answer).unwrap().children(), Some(vec!["leader"]));
}

#[test]
fn a_check_alone_is_a_transaction_that_changes_nothing() {
    assert_eq!(
        Request::Multi(&[Operation::Check { path: LEADER, version: -1 }]).frame(12),
        bytes(
            "00000034 0000000c 0000000e 0000000d 00 ffffffff 00000012 2f736572766963652f70672f6c6561646572 ffffffff \
             ffffffff 01 ffffffff"
        )
    );
    let passed = received("00000022 0000000c 0000000000000005 00000000 0000000d 00 00000000 ffffffff 01 ffffffff");
    let reply = Reply::parse(&passed).unwrap();
    assert_eq!((reply.zxid, reply.outcomes()), (5, Some(vec![Outcome::Done])));
    let absent =
        received("00000026 0000000d 0000000000000006 00000000 ffffffff 00 ffffff9b ffffff9b ffffffff 01 ffffffff");
    let reply = Reply::parse(&absent).unwrap();
    assert_eq!((reply.zxid, reply.outcomes()), (6, Some(vec![Outcome::Failed(Code::NO_NODE)])));
}

#[test]
fn changes_are_made_alone_or_together() {
    let create = Operation::Create { path: LEADER, data: b"pg1", acl: &[Acl::OPEN], ephemeral: true };
    assert_eq!(
        Request::Change(create).frame(7),
        bytes(
            "00000044 00000007 00000001 00000012 2f736572766963652f70672f6c6561646572 00000003 706731 00000001 0000001f \
             00000005 776f726c64 00000006 616e796f6e65 00000001"
        )
    );
    let created = received("00000026 00000007 0000000000000004 00000000 00000012 2f736572766963652f70672f6c6561646572");
    assert_eq!(Reply::parse(&created).unwrap().path(), Some(LEADER));
    let exists = received("00000010 00000012 000000000000000b ffffff92");
    assert_eq!(Reply::parse(&exists).unwrap().code, Code::NODE_EXISTS);
    assert_eq!(
        Request::Change(Operation::SetData { path: LEADER, data: b"pg2", version: 0 }).frame(14),
        bytes("00000029 0000000e 00000005 00000012 2f736572766963652f70672f6c6561646572 00000003 706732 00000000")
    );
    assert_eq!(
        Request::Change(Operation::Delete { path: LEADER, version: -1 }).frame(0x1a),
        bytes("00000022 0000001a 00000002 00000012 2f736572766963652f70672f6c6561646572 ffffffff")
    );

    assert_eq!(
        Request::Multi(&[Operation::Delete { path: LEADER, version: -1 }, create]).frame(16),
        bytes(
            "00000079 00000010 0000000e 00000002 00 ffffffff 00000012 2f736572766963652f70672f6c6561646572 ffffffff \
             00000001 00 ffffffff 00000012 2f736572766963652f70672f6c6561646572 00000003 706731 00000001 0000001f \
             00000005 776f726c64 00000006 616e796f6e65 00000001 ffffffff 01 ffffffff"
        )
    );
    let done = received(
        "00000041 00000010 0000000000000009 00000000 00000002 00 00000000 00000001 00 00000000 00000012 \
         2f736572766963652f70672f6c6561646572 ffffffff 01 ffffffff",
    );
    let outcomes = Reply::parse(&done).unwrap().outcomes();
    assert_eq!(outcomes, Some(vec![Outcome::Done, Outcome::Created(LEADER)]));
    let set = received(
        "00000066 0000000f 0000000000000008 00000000 00000005 00 00000000 0000000000000004 0000000000000008 \
         000001a219285a0d 000001a219285d5c 00000002 00000000 00000000 010000c553db0000 00000003 00000000 \
         0000000000000004 ffffffff 01 ffffffff",
    );
    let stat = Stat { created: 4, modified: 8, version: 2, owner: 0x0100_00c5_53db_0000 };
    assert_eq!(Reply::parse(&set).unwrap().outcomes(), Some(vec![Outcome::Set(stat)]));
}

#[test]
fn a_transaction_that_fails_names_the_operation() {
    assert_eq!(
        Request::Multi(&[
            Operation::Check { path: LEADER, version: 7 },
            Operation::Create { path: "/service/pg/vip", data: b"x", acl: &[Acl::OPEN], ephemeral: true },
        ])
        .frame(17),
        bytes(
            "00000074 00000011 0000000e 0000000d 00 ffffffff 00000012 2f736572766963652f70672f6c6561646572 00000007 \
             00000001 00 ffffffff 0000000f 2f736572766963652f70672f766970 00000001 78 00000001 0000001f 00000005 \
             776f726c64 00000006 616e796f6e65 00000001 ffffffff 01 ffffffff"
        )
    );
    let failed = received(
        "00000033 00000011 000000000000000a 00000000 ffffffff 00 ffffff99 ffffff99 ffffffff 00 fffffffe fffffffe \
         ffffffff 01 ffffffff",
    );
    let outcomes = Reply::parse(&failed).unwrap().outcomes();
    assert_eq!(outcomes, Some(vec![Outcome::Failed(Code::BAD_VERSION), Outcome::Failed(Code::ROLLED_BACK)]));
}

#[test]
fn a_watch_event_names_the_znode() {
    let created = received(
        "0000002e ffffffff ffffffffffffffff 00000000 00000001 00000003 00000012 2f736572766963652f70672f6c6561646572",
    );
    let reply = Reply::parse(&created).unwrap();
    assert_eq!((reply.kind, reply.zxid), (Kind::Event, -1));
    assert_eq!(reply.event(), Some(WatchEvent { change: Change::Created, path: LEADER }));
}

#[test]
fn what_is_cut_short_is_not_read() {
    let answer = received(
        "0000005b 00000008 0000000000000004 00000000 00000003 706731 0000000000000004 0000000000000004 \
         000001a219285a0d 000001a219285a0d 00000000 00000000 00000000 010000c553db0000 00000003 00000000 \
         0000000000000004",
    );
    for end in 0..answer.len() {
        assert_eq!(Reply::parse(&answer[..end]).and_then(|reply| reply.data()), None);
    }
    assert_eq!(length([0xff, 0xff, 0xff, 0xff]), None);
    assert!(length(*b"HTTP").unwrap() > LONGEST);
}

proptest! {
    #[test]
    fn every_request_has_its_length_before_it(path in "/[a-z/]{0,30}", data: Vec<u8>, xid: i32, version: i32) {
        let operation = Operation::SetData { path: &path, data: &data, version };
        for request in [
            Request::Change(operation),
            Request::Multi(&[operation, Operation::Check { path: &path, version }]),
            Request::GetData { path: &path, watch: false },
        ] {
            let frame = request.frame(xid);
            let (prefix, rest) = frame.split_first_chunk().unwrap();
            prop_assert_eq!(length(*prefix), Some(rest.len()));
            prop_assert_eq!(&rest[..4], xid.to_be_bytes());
        }
    }

    #[test]
    fn no_bytes_make_the_readers_fall(bytes: Vec<u8>) {
        let _connected = Connected::parse(&bytes);
        if let Some(reply) = Reply::parse(&bytes) {
            let _read = (reply.data(), reply.stat(), reply.children(), reply.path(), reply.outcomes(), reply.event());
        }
    }
}
