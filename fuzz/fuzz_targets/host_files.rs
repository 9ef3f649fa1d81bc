//! What `vip-manager check` reads below /proc and /sys: no text makes a reader fall, and none makes it find what does
//! not stand there.

#![no_main]

use std::collections::BTreeMap;
use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use vip_manager::check::cloud::{self, Firmware};
use vip_manager::check::{postgres, privileges};

fuzz_target!(|text: &str| {
    let listeners = postgres::listeners(text);
    for listener in &listeners {
        let bytes = match listener.address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let words = bytes.chunks(4).map(|word| format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap())));
        let shown = format!("{}:", words.collect::<String>());
        assert!(text.to_uppercase().contains(&shown), "{listener:?} does not stand there");
    }
    let servers = postgres::servers(&listeners, &BTreeMap::new());
    assert!(servers.iter().all(|server| listeners.iter().any(|listener| listener.port == server.port)));
    if let Some(effective) = privileges::effective(text) {
        assert!(text.to_lowercase().contains(&format!("{effective:x}")), "{effective:x} does not stand there");
    }
    let firmware = Firmware { sys_vendor: text.to_owned(), ..Firmware::default() };
    let finding = cloud::judge(&firmware);
    assert!(finding.is_none_or(|finding| finding.cure.is_some()), "no cure");
});
