//! Every output format, on a made-up status.

use std::sync::Arc;
use std::time::Duration;

use super::metrics::{FAMILIES, Format};
use super::*;
use crate::endpoint::{EndpointLink, EndpointState};
use crate::keeper::{Grade, Tenure, Version};
use crate::source::facts::SourceError;
use crate::status::{json, metrics, text};
use crate::terminal::Colour;
use crate::time::{Lifetime, WallTime};
use crate::vip::{InterfaceName, Vip};

fn made_up() -> Status {
    let vip = Vip::single("10.0.0.5".parse().unwrap()).unwrap();
    let place = (vip.to_string(), "eth0".to_owned());
    let mut counters = Counters::default();
    let mut tally = Tally { announcements: 7, renewals: 41, ..Tally::default() };
    tally.transitions.insert(("held", "read"), 1);
    counters.absorb(place, tally);
    counters.add_errors([(SourceError { endpoint: "http://10.0.0.2:2379".into(), kind: "timeout" }, 3)]);
    counters.reads.observe(Duration::from_millis(2));
    let mut history = History::default();
    history.push(Transition {
        number: 0,
        at: WallTime(Duration::from_secs(1_700_000_000)),
        vip: vip.to_string(),
        interface: "eth0".into(),
        from: "standby",
        to: "held",
        cause: "read",
        reason: "10.0.0.5/32 on eth0 acquired in 0.4 ms: /service/pg/leader holds \"pg1\", which is this host".into(),
        source: Some("http://10.0.0.1:2379".into()),
        took: Some(Duration::from_micros(400)),
    });
    Status {
        version: "6.0.0",
        host: "pg1".into(),
        pid: 4711,
        started: WallTime(Duration::from_secs(1_699_990_000)),
        taken: WallTime(Duration::from_secs(1_700_000_060)),
        config: Some("/etc/default/vip-manager.yml".into()),
        daemon: true,
        vips: vec![VipStatus {
            vip,
            interface: InterfaceName::new("eth0").unwrap(),
            state: "held",
            held: true,
            desired: true,
            link_up: Some(true),
            key: "/service/pg/leader".into(),
            expected: "pg1".into(),
            read: Some(ReadStatus {
                holder: Some("pg1".into()),
                revision: Some(Version(37)),
                age: Duration::from_millis(400),
                from: "http://10.0.0.1:2379".into(),
                tenure: Tenure::AtLeast(Duration::from_millis(28_600)),
                grade: Some(Grade::Exact),
            }),
            unreachable: None,
            confirmed: Some(Duration::from_millis(399)),
            deadline: Some(Duration::from_millis(9_600)),
            claim: Some(ClaimStatus {
                state: ClaimState::Refused,
                by: None,
                left: None,
                refused: Some("permission denied".into()),
            }),
            refusing: None,
            kernel: Some(KernelAddress {
                left: Lifetime::Until(Duration::from_millis(9_600)),
                prefix: 32,
                unusable: false,
            }),
        }],
        endpoints: vec![
            EndpointState {
                endpoint: "http://10.0.0.1:2379".into(),
                link: EndpointLink::Up,
                since: Duration::from_secs(9_000),
            },
            EndpointState {
                endpoint: "http://10.0.0.2:2379".into(),
                link: EndpointLink::Down {
                    why: "no answer within 3.3s; and this cause is so long that a line of eighty columns cannot hold \
                          all of it\u{1b}[31m"
                        .into(),
                },
                since: Duration::from_secs(90),
            },
        ],
        events: history.all(),
        counters,
        process: Process {
            resident_bytes: Some(9_000_000),
            open_descriptors: Some(21),
            cpu: Some(Duration::from_millis(5)),
        },
    }
}

#[test]
fn a_block_fits_eighty_columns_and_says_who_holds_the_vip_and_why() {
    let shown = text::status(&made_up(), Colour::No);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    for words in [
        "10.0.0.5/32 on eth0: held",
        "/service/pg/leader holds \"pg1\", which is this host",
        "found      pg1 (revision 37)",
        "read       400.0 ms ago from http://10.0.0.1:2379",
        "lease      28.6 s left",
        "grade      exact: the store proves",
        "deadline   in 9.6 s unless confirmed",
        "kernel     has the address, removes it in 9.6 s",
        "announced  7 times, 0 failed",
        "standby -> held (read, 0.4 ms)",
        "http://10.0.0.1:2379 up for 2.5 h",
        "http://10.0.0.2:2379 down for 90.0 s",
    ] {
        assert!(shown.contains(words), "{words:?} in\n{shown}");
    }
    assert!(text::status(&made_up(), Colour::Yes).contains("\u{1b}[1;32mheld\u{1b}[0m"));
    let events = text::events(&made_up(), Colour::No);
    let first = "2023-11-14T22:13:20.000Z 10.0.0.5/32 on eth0: standby -> held\n    read, took 0.4 ms: 10.0.0.5/32 on";
    assert!(events.starts_with(first), "{events}");
}

/// The longest names: an IPv6 address, an interface of fifteen letters, a deep key, a fully qualified host name.
#[test]
fn the_longest_names_still_fit_eighty_columns() {
    let mut status = made_up();
    let vip = Vip::single("fdaa:bbbb:cccc:dddd:eeee:ffff:1111:2222".parse().unwrap()).unwrap();
    let host = format!("{}.example", "database-".repeat(20));
    let (name, key) = (vip.to_string(), format!("/service/{}/leader", "scope".repeat(50)));
    status.events =
        status.events.iter().map(|event| Arc::new(Transition { vip: name.clone(), ..(**event).clone() })).collect();
    status.vips[0] = VipStatus {
        vip,
        interface: InterfaceName::new("interface-fifte").unwrap(),
        key,
        expected: host.clone(),
        ..status.vips[0].clone()
    };
    status.endpoints[1].endpoint = format!("https://{host}:2379").into();
    status.host = host;
    for shown in
        [text::status(&status, Colour::No), text::events(&status, Colour::No), text::nobody(&status.host, Colour::No)]
    {
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
}

#[test]
fn a_refusal_says_how_much_longer_it_lasts_and_how_many_it_refused() {
    let mut status = made_up();
    status.vips[0].refusing = Some(Duration::from_millis(7_300));
    let place = status.vips[0].place();
    status.counters.absorb(place, Tally { refused_connections: 12, ..Tally::default() });
    let shown = text::status(&status, Colour::No);
    assert!(shown.contains("refusing   new connections, for 7.3 s more\n  refused    12 new connections\n"), "{shown}");
    let shown = json::status(&status);
    assert!(shown.contains(r#""refusing":7.3,"refused_connections":12"#), "{shown}");
    let shown = metrics::metrics(&status, Format::OpenMetrics);
    let sample = "vip_manager_refused_connections_total{vip=\"10.0.0.5/32\",interface=\"eth0\"} 12\n";
    assert!(shown.contains(sample), "{shown}");
}

/// Users' scripts depend on these names.
#[test]
fn the_names_in_the_json_are_stable() {
    let shown = json::status(&made_up());
    let fields = [
        "program",
        "version",
        "daemon",
        "host",
        "pid",
        "started",
        "time",
        "config",
        "vip",
        "interface",
        "state",
        "why",
        "held",
        "desired",
        "interface_up",
        "key",
        "expected",
        "found",
        "revision",
        "read_age",
        "read_from",
        "lease_left",
        "grade",
        "claim",
        "claimed_by",
        "claim_left",
        "claim_refused",
        "blind",
        "confirmed_age",
        "deadline",
        "kernel_lifetime",
        "kernel_prefix",
        "kernel_unusable",
        "announcements",
        "announcement_failures",
        "renewals",
        "refusals",
        "conflicts",
        "refusing",
        "refused_connections",
        "endpoint",
        "state",
        "why",
        "since",
        "number",
        "time",
        "from",
        "to",
        "cause",
        "reason",
        "source",
        "took",
    ];
    for field in fields {
        assert!(shown.contains(&format!("\"{field}\":")), "{field} in {shown}");
    }
    assert!(shown.contains(r#""deadline":9.6,"kernel_lifetime":9.6"#), "{shown}");
}

#[test]
fn the_prefix_length_is_told_where_it_is_not_the_configured_one() {
    let mut status = made_up();
    let shown = |status: &Status| text::status(status, Colour::No);
    assert!(shown(&status).contains("has the address, removes it in 9.6 s"), "{}", shown(&status));
    status.vips[0].vip = Vip::new("10.0.0.5".parse().unwrap(), 24).unwrap();
    assert!(shown(&status).contains("has the address as /32, removes it in 9.6 s"), "{}", shown(&status));
    assert!(json::status(&status).contains(r#""kernel_prefix":32"#));
}

#[test]
fn a_claim_is_shown_everywhere_and_makes_the_grade_exact() {
    let mut status = made_up();
    let left = Some(Duration::from_secs(7));
    status.vips[0].claim = Some(ClaimStatus { state: ClaimState::Ours, by: None, left, refused: None });
    if let Some(read) = &mut status.vips[0].read {
        read.grade = Some(Grade::Assumed);
    }
    let shown = text::status(&status, Colour::No);
    assert!(shown.contains("claim      ours, ends the hold in 7.0 s unless renewed"), "{shown}");
    assert_eq!(status.vips[0].grade(), Some(Grade::Exact));
    let shown = json::status(&status);
    assert!(shown.contains(r#""claim":"ours","claimed_by":null,"claim_left":7.0"#), "{shown}");
    let page = metrics::metrics(&status, Format::Text);
    assert!(page.contains("vip_manager_vip_claim=\"ours\"} 1\n"), "{page}");
    let by = Some("pg2".into());
    status.vips[0].claim = Some(ClaimStatus { state: ClaimState::Taken, by, left, refused: None });
    assert!(text::status(&status, Colour::No).contains("claim      taken by pg2, for 7.0 s unless renewed"));
}

#[test]
fn the_grade_is_shown_everywhere() {
    let mut status = made_up();
    let read = status.vips[0].read.as_mut().unwrap();
    (read.tenure, read.grade) =
        (Tenure::Assumed { left: Duration::from_secs(9), margin: Duration::from_secs(3) }, Some(Grade::Assumed));
    let shown = text::status(&status, Colour::No);
    assert!(shown.contains("lease      9.0 s left, assumed\n  grade      assumed: from the leader's"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let shown = json::status(&status);
    assert!(shown.contains(r#""lease_left":9.0,"grade":"assumed""#), "{shown}");
    let shown = metrics::metrics(&status, Format::OpenMetrics);
    for (grade, value) in [("exact", 0), ("assumed", 1), ("none", 0)] {
        let labels = format!("vip=\"10.0.0.5/32\",interface=\"eth0\",vip_manager_vip_grade=\"{grade}\"");
        assert!(shown.contains(&format!("vip_manager_vip_grade{{{labels}}} {value}\n")), "{shown}");
    }
    status.vips[0].read = None;
    assert!(!text::status(&status, Colour::No).contains("grade"));
    assert!(json::status(&status).contains(r#""grade":null"#));
}

#[test]
fn every_family_has_samples_under_its_name() {
    let shown = metrics::metrics(&made_up(), Format::OpenMetrics);
    assert!(shown.ends_with("# EOF\n"));
    for family in FAMILIES {
        assert!(shown.contains(&format!("# TYPE {} ", family.name)), "{}", family.name);
        assert!(shown.lines().any(|line| line.starts_with(&family.sample())), "no sample of {}:\n{shown}", family.name);
    }
    for line in [
        "vip_manager_vip_held{vip=\"10.0.0.5/32\",interface=\"eth0\"} 1",
        "vip_manager_transitions_total{vip=\"10.0.0.5/32\",interface=\"eth0\",to=\"held\",cause=\"read\"} 1",
        "vip_manager_source_errors_total{endpoint=\"http://10.0.0.2:2379\",kind=\"timeout\"} 3",
        "vip_manager_read_duration_seconds_bucket{le=\"0.0025\"} 1",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
}

#[test]
fn ready_means_a_verdict_for_every_vip_and_an_endpoint_that_answers() {
    let mut status = made_up();
    assert!(explain::unready(&status).is_empty());
    status.vips[0].state = "doubtful";
    status.endpoints.truncate(0);
    let reasons = explain::unready(&status);
    assert!(reasons[0].contains("doubtful") && reasons[1].contains("no endpoint"), "{reasons:?}");
}
