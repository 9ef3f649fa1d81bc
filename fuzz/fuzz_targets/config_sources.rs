//! Flags, variables and the file at once: the same claims as for the file alone, and no output ever shows a secret,
//! however it was given.

#![no_main]

#[path = "support/config/mod.rs"]
mod support;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::{LazyLock, Mutex};

use clap::Command;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use vip_manager::config::keys::{self, Key, TABLE};
use vip_manager::config::{Flags, arrange};

/// Long and odd enough that it is not in an input by chance.
const SECRET: &str = "Zk7-sesame-Qx9";

fuzz_target!(|bytes: &[u8]| {
    if !bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
        let _ = draw(Unstructured::new(bytes));
    }
});

fn draw(mut bytes: Unstructured<'_>) -> Result<()> {
    let mut given = Given { words: vec!["vip-manager".into()], variables: Vec::new(), lines: String::new() };
    for _ in 0..bytes.int_in_range(0..=8_u8)? {
        let key = bytes.choose(&TABLE)?;
        // Another file would be another input, and some files never end.
        if !matches!(key.key, Key::Config | Key::Vips) {
            let name = bytes.choose(keys::flag_names(key))?;
            let value = value(&mut bytes)?;
            given.add(bytes.int_in_range(0..=2)?, name, value);
        }
    }
    let secret = bytes.choose(&["etcd-password", "dcs-password", "dcs-secret", "dcs-token", "consul_token"])?;
    let wrapped =
        bytes.choose(&["SECRET", "'SECRET'", "[SECRET]", "!SECRET", "&SECRET", "*SECRET", "SECRET: x", "SECRET,b"])?;
    if keys::find(secret).is_some() {
        given.add(bytes.int_in_range(0..=2)?, secret, wrapped.replace("SECRET", SECRET).into_bytes());
    }
    if bytes.ratio(1, 4)? {
        given.add(bytes.int_in_range(0..=2)?, "dcs-endpoints", format!("http://u:{SECRET}@h,{SECRET}@").into_bytes());
    }
    let text = bytes.take_rest();
    let text = [given.lines.as_bytes(), text].concat();

    let Some(flags) = flags(given.words) else { return Ok(()) };
    let outcome = support::load(&text, flags, given.variables);
    let said = support::check(&outcome);
    assert!(!said.contains(SECRET), "a secret is shown: {said}");
    Ok(())
}

/// What was given in the three places.
struct Given {
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    lines: String,
}

impl Given {
    fn add(&mut self, place: u8, name: &str, value: Vec<u8>) {
        match place {
            0 => self.words.push(OsString::from_vec([format!("--{name}=").into_bytes(), value].concat())),
            1 => self.variables.push((keys::variable(name).into(), OsString::from_vec(value))),
            _ => self.lines.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(&value))),
        }
    }
}

fn value(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const COMMON: [&str; 14] = [
        "10.0.0.5",
        "fd00::5/64, 10.0.0.5/24",
        "eth0",
        "/service/pg/leader",
        "true",
        "10s",
        "-1",
        "24",
        "basic",
        "etcd3",
        "https://a:2379,b",
        "keep",
        "/bin/true",
        "[::1]:9899",
    ];
    if bytes.ratio(2, 3)? {
        Ok(bytes.choose(&COMMON)?.as_bytes().to_vec())
    } else {
        let length = bytes.int_in_range(0..=24)?;
        // A command line cannot hold a zero byte, nor can the environment.
        Ok(bytes.bytes(length)?.iter().copied().filter(|byte| *byte != 0).collect())
    }
}

/// The flags as the program understands them. Built once: there are hundreds, with all their historic names.
fn flags(words: Vec<OsString>) -> Option<Flags> {
    static COMMAND: LazyLock<Mutex<Command>> = LazyLock::new(|| Mutex::new(vip_manager::cli::command()));
    let mut command = COMMAND.lock().ok()?;
    let matches = command.try_get_matches_from_mut(arrange(words, &[])).ok()?;
    Some(Flags::of(&matches))
}
