//! Faults of the connection between the first host's daemon and etcd.

use std::time::Duration;

use crate::case::{Case, End};
use crate::cases::{HOLD_TIMEOUT, QUICK};
use crate::environment::Environment;
use crate::support::proxy::Wire;

const LATE: Duration = Duration::from_millis(100);
/// The old host learns of a switchover later, and then has to act on a busy machine.
const LEARNED: f64 = 0.1 + 0.2;
/// An answer may take a third of the hold-timeout.
const TOO_LATE: Duration = Duration::from_secs(2);
/// An answer has some 250 bytes.
const BYTE: Duration = Duration::from_millis(1);

pub(crate) const CASES: &[Case] = &[
    Case::noticed(
        "delay-100ms",
        "Each packet to or from etcd takes 100 ms, the leader changes",
        End::Moved,
        QUICK,
        late,
    )
    .overlapping(LEARNED),
    Case::noticed(
        "delay-beyond-the-read-timeout",
        "Every answer of etcd is later than the read timeout",
        End::Back,
        HOLD_TIMEOUT + 4.0,
        too_late,
    ),
    Case::unnoticed("trickle", "Bytes between etcd and the daemon arrive one by one", trickle),
];

fn late(env: &mut Environment) {
    env.start_behind_proxies();
    env.fault("100 ms each way", |env| {
        env.undisturbed(|env| {
            env.set_proxies(Wire::Late(LATE));
            env.wait(5.0);
        });
        crate::cases::patroni::switch(env);
    });
}

fn too_late(env: &mut Environment) {
    env.start_behind_proxies();
    env.fault("2 s each way", |env| {
        env.set_proxies(Wire::Late(TOO_LATE));
        env.wait_gone(0);
        env.wait(2.0);
        env.set_proxies(Wire::Open);
    });
    env.wait(2.0);
}

fn trickle(env: &mut Environment) {
    env.start_behind_proxies();
    env.fault("a byte a millisecond", |env| {
        env.set_proxies(Wire::Trickle(BYTE));
        env.wait(7.0);
        env.set_proxies(Wire::Open);
    });
    env.wait(1.0);
}
