//! Answers of Patroni's REST API: whatever the bytes, only a complete 200 with a lock lets this host hold, and for no
//! longer than the settings say.
//!
//! The bytes are a digit for the status, the body, a zero byte, and the body of `/config`.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vip_manager::keeper::{Names, Tenure};
use vip_manager::source::patroni::answer::{Answer, Timing};
use vip_manager::source::patroni::judge::Memory;
use vip_manager::time::Moment;

fuzz_target!(|bytes: &[u8]| {
    let Some((digit, rest)) = bytes.split_first() else { return };
    let status = [200, 503, 404, 500][usize::from(digit % 4)];
    let mut bodies = rest.splitn(2, |byte| *byte == 0);
    let (body, settings) = (bodies.next().unwrap_or_default(), bodies.next().unwrap_or_default());
    let timing = Timing::parse(settings);
    if let Some(timing) = timing {
        assert!(timing.left() <= timing.ttl);
    }
    let answer = Answer::parse(status, body);
    assert_eq!(answer.status, status);
    let sent_at = Moment::from_boot(Duration::from_secs(1_000));
    let mut memory = Memory::default();
    memory.timing = timing;
    memory.note(&answer, sent_at);
    for value in ["200", "pg1"] {
        let Ok((names, tenure)) = memory.judge(&answer, value, sent_at) else { continue };
        let Tenure::Assumed { left, margin } = tenure else { panic!("{tenure:?}") };
        assert!(margin <= left && left <= timing.map_or(Duration::from_secs(5), |timing| timing.ttl));
        if names == Names::Us {
            assert!(answer.status == 200 && answer.complete, "{answer:?}");
            assert!(value == "200" || answer.name.as_deref() == Some(value), "{answer:?}");
            assert!(!answer.unlocked || (answer.failsafe && !answer.paused), "{answer:?}");
        }
        if let Names::Other(text) = names {
            assert!(text.chars().count() < 100, "{text}");
        }
    }
});
