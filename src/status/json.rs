//! The status as JSON. Names and meanings stay; what is new is added. Spans are seconds.

use std::sync::Arc;
use std::time::Duration;

use super::{EndpointLink, EndpointStatus, Status, Tally, Transition, VipStatus, explain};
use crate::json::Json;
use crate::keeper::Tenure;
use crate::time::Lifetime;

/// The whole status, with the last few transitions.
pub fn status(status: &Status) -> Json {
    let recent = status.events.len().saturating_sub(RECENT);
    Json::Object(vec![
        ("program", Json::text("vip-manager")),
        ("version", Json::text(status.version)),
        ("daemon", Json::Bool(status.daemon)),
        ("host", Json::text(&status.host)),
        ("pid", Json::count(status.pid.into())),
        ("started", if status.daemon { Json::text(status.started) } else { Json::Null }),
        ("time", Json::text(status.taken)),
        ("config", Json::or_null(status.config.as_ref(), Json::text)),
        ("vips", Json::List(status.vips.iter().map(|one| vip(one, status)).collect())),
        ("endpoints", Json::List(status.endpoints.iter().map(endpoint).collect())),
        ("events", transitions(&status.events[recent..])),
    ])
}

/// All transitions that are remembered, oldest first.
pub fn events(status: &Status) -> Json {
    Json::Object(vec![("time", Json::text(status.taken)), ("events", transitions(&status.events))])
}

fn transitions(events: &[Arc<Transition>]) -> Json {
    Json::List(events.iter().map(|event| transition(event)).collect())
}

fn vip(vip: &VipStatus, status: &Status) -> Json {
    let (vip_text, interface) = (vip.vip.to_string(), vip.interface.to_string());
    let nothing = Tally::default();
    let tally = status.counters.vips.get(&(vip_text.clone(), interface.clone())).unwrap_or(&nothing);
    let read = vip.read.as_ref();
    Json::Object(vec![
        ("vip", Json::Text(vip_text)),
        ("interface", Json::Text(interface)),
        ("state", Json::text(vip.state)),
        ("why", Json::Text(explain::why(vip))),
        ("held", Json::Bool(vip.held)),
        ("desired", Json::Bool(vip.desired)),
        ("interface_up", Json::or_null(vip.link_up, Json::Bool)),
        ("key", Json::text(&vip.key)),
        ("expected", Json::text(&vip.expected)),
        ("found", Json::or_null(read.and_then(|read| read.holder.as_ref()), Json::text)),
        ("revision", Json::or_null(read.and_then(|read| read.revision), |version| Json::Integer(version.0))),
        ("read_age", Json::or_null(read, |read| Json::Seconds(read.age))),
        ("read_from", Json::or_null(read, |read| Json::text(&read.from))),
        ("lease_left", Json::or_null(read, |read| lease(read.tenure))),
        ("blind", Json::or_null(vip.unreachable.as_ref(), Json::text)),
        ("confirmed_age", Json::or_null(vip.confirmed, Json::Seconds)),
        ("deadline", Json::or_null(vip.deadline, Json::Seconds)),
        ("kernel_lifetime", Json::or_null(vip.kernel, kernel)),
        ("announcements", Json::count(tally.announcements)),
        ("announcement_failures", Json::count(tally.announcement_failures)),
        ("renewals", Json::count(tally.renewals)),
        ("refusals", Json::count(tally.refusals)),
        ("conflicts", Json::count(tally.conflicts)),
    ])
}

fn lease(tenure: Tenure) -> Json {
    match tenure {
        Tenure::AtLeast(left) => Json::Seconds(left),
        Tenure::NoLease | Tenure::Unknown => Json::Null,
    }
}

fn kernel(lifetime: Lifetime<Duration>) -> Json {
    match lifetime {
        Lifetime::Forever => Json::text("forever"),
        Lifetime::Until(span) => Json::Seconds(span),
    }
}

fn endpoint(endpoint: &EndpointStatus) -> Json {
    let (state, why) = match &endpoint.link {
        EndpointLink::Connecting => ("connecting", Json::Null),
        EndpointLink::Up => ("up", Json::Null),
        EndpointLink::Down { why } => ("down", Json::text(why)),
    };
    Json::Object(vec![
        ("endpoint", Json::text(&endpoint.endpoint)),
        ("state", Json::text(state)),
        ("why", why),
        ("since", Json::Seconds(endpoint.since)),
    ])
}

fn transition(event: &Transition) -> Json {
    Json::Object(vec![
        ("number", Json::count(event.number)),
        ("time", Json::text(event.at)),
        ("vip", Json::text(&event.vip)),
        ("interface", Json::text(&event.interface)),
        ("from", Json::text(event.from)),
        ("to", Json::text(event.to)),
        ("cause", Json::text(event.cause)),
        ("reason", Json::text(&event.reason)),
        ("source", Json::or_null(event.source.as_ref(), Json::text)),
        ("took", Json::or_null(event.took, Json::Seconds)),
    ])
}

/// How many transitions the status itself shows.
pub(super) const RECENT: usize = 10;
