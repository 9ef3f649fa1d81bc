//! What a read shows of the leader's tenure in a store that tells no lease.

use std::time::Duration;

use vip_manager::source::kubernetes::record::{Record, Shown};
use vip_manager::source::patroni::answer::Timing;
use vip_manager::time::{Moment, WallTime};

use crate::setup::Setup;
use crate::store::Answer;
use crate::time::{Micros, SECOND};

/// A record as Patroni writes it. A release leaves the object, and names nobody.
pub fn shown(answer: Answer, ttl: Micros, sent_at: Moment, answered_at: Moment) -> Shown {
    let time = |micros| WallTime(EPOCH + Duration::from_micros(micros)).to_string();
    let record = answer.key.map_or_else(Record::default, |key| Record {
        leader: Some(key.holder.to_string()),
        ttl: Some((ttl / SECOND).to_string()),
        renew_time: key.renewed.map(time),
        acquire_time: None,
        transitions: key.lease.map(|lease| lease.to_string()),
    });
    Shown { object: Some((String::new(), record)), version: answer.revision, sent_at, answered_at }
}

/// The time of day on a host: its clock, which no other host is compared with.
pub fn wall(local: Moment) -> WallTime {
    WallTime(EPOCH + local.since_boot())
}

/// What a session is assumed to have left, by Patroni's settings.
pub fn assumed(setup: &Setup) -> Duration {
    let [ttl, loop_wait, retry_timeout] = [setup.ttl, setup.loop_wait, setup.retry_timeout].map(Duration::from_micros);
    Timing { ttl, loop_wait, retry_timeout }.left()
}

const EPOCH: Duration = Duration::from_secs(1_700_000_000);
