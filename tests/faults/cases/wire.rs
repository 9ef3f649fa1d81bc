//! What befalls the bytes between the first host's daemon and etcd, and nobody else's.

use std::time::Duration;

use crate::case::{Case, End};
use crate::cases::{HELD_ON_TRUST, QUICK};
use crate::stage::Stage;
use crate::support::proxy::Wire;

const LATE: Duration = Duration::from_millis(100);
/// The old host hears of a switchover so much later, and then has to act on a busy machine.
const HEARD: f64 = 0.1 + 0.2;
/// An answer may take a third of the hold-timeout.
const TOO_LATE: Duration = Duration::from_secs(2);
/// An answer has some 250 bytes.
const BYTE: Duration = Duration::from_millis(1);

pub(crate) const CASES: &[Case] = &[
    Case::noticed(
        "delay-100ms",
        "Every packet to or from etcd takes 100 ms, and the leader changes",
        End::Moved,
        QUICK,
        late,
    )
    .overlapping(HEARD),
    Case::noticed(
        "delay-beyond-the-read-timeout",
        "Every answer of etcd comes later than the daemon waits for it",
        End::Back,
        HELD_ON_TRUST + 4.0,
        too_late,
    ),
    Case::unnoticed("trickle", "What etcd and the daemon say arrives byte by byte", trickle),
];

fn late(stage: &mut Stage) {
    stage.start_through_wires();
    stage.fault("100 ms each way", |stage| {
        stage.unharmed(|stage| {
            stage.wires(Wire::Late(LATE));
            stage.last(5.0);
        });
        crate::cases::patroni::switch(stage);
    });
}

fn too_late(stage: &mut Stage) {
    stage.start_through_wires();
    stage.fault("2 s each way", |stage| {
        stage.wires(Wire::Late(TOO_LATE));
        stage.wait_gone(0);
        stage.last(2.0);
        stage.wires(Wire::Open);
    });
    stage.last(2.0);
}

fn trickle(stage: &mut Stage) {
    stage.start_through_wires();
    stage.fault("a byte a millisecond", |stage| {
        stage.wires(Wire::Trickle(BYTE));
        stage.last(7.0);
        stage.wires(Wire::Open);
    });
    stage.last(1.0);
}
