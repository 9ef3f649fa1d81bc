//! What `vip-manager check` reads below /proc and /sys: no text makes a reader fall, and none makes it find what does
//! not stand there.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use vip_manager::check::cloud::{self, Firmware};
use vip_manager::check::{postgres, privileges};

fuzz_target!(|text: &str| {
    for address in postgres::listening(text, 5432) {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let words = bytes.chunks(4).map(|word| format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap())));
        let shown = words.collect::<String>();
        assert!(text.to_uppercase().contains(&shown), "{address} does not stand there");
    }
    if let Some(effective) = privileges::effective(text) {
        assert!(text.to_lowercase().contains(&format!("{effective:x}")), "{effective:x} does not stand there");
    }
    let firmware = Firmware { sys_vendor: text.to_owned(), ..Firmware::default() };
    let finding = cloud::judge(&firmware);
    assert!(finding.is_none_or(|finding| finding.cure.is_some()), "no cure");
});
