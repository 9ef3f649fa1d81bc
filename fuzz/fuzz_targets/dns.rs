//! Answers of a name server: reading them ends, what is read can be the name of a host, and an answer to another question
//! is none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vip_manager::wire::dns::{Answer, answer, question};

fuzz_target!(|bytes: &[u8]| {
    let (Some(asked), Some(other)) = (question(0x1234, NAME), question(0x1234, "_etcd._tcp.b")) else {
        panic!("these are names")
    };
    let whole = [&asked[..2], bytes].concat();
    for bytes in [bytes, &whole] {
        let Some(answered) = answer(&asked, bytes) else { continue };
        if let Answer::Servers(servers) = answered {
            assert!(servers.len() <= bytes.len() / 19);
            assert!(servers.is_sorted_by_key(|server| server.priority));
            for server in servers {
                assert!((1..=320).contains(&server.host.len()), "{server:?}");
                assert!(server.host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)));
            }
        }
        assert_eq!(answer(&other, bytes), None);
    }
});

const NAME: &str = "_etcd-client._tcp.a";
