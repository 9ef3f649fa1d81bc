//! Metrics follow events; the documentation, the dashboard and the alerts name only metrics that exist.

use std::collections::BTreeSet;

use super::ask::{PATIENT, ask, metric, told, wait_told};
use crate::support::clock::wait_for;
use crate::support::host::VIP;
use crate::support::setup::Setup;
use vip_manager::status::metrics::{FAMILIES, Family};

fn tree(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Every word that looks like a metric of ours.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("vip_manager_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn metrics_follow_what_happens() {
    let setup = Setup::new("metrics", 1);
    let host = setup.host().clone();
    let _daemon = setup.lead(&told(&setup, &host).with("hold-timeout", "24s"), VIP);
    let place = "{vip=\"10.66.0.100/32\",interface=\"eth0\"}";
    let held = format!("vip_manager_vip_held{place}");
    let is = |series: &str, wanted: f64| {
        wait_for(&format!("{series} {wanted}"), PATIENT, || metric(&host, series).is_some_and(|value| value >= wanted));
    };
    is(&held, 1.0);
    is(&format!("vip_manager_announcements_total{place}"), 1.0);
    let renewals = metric(&host, &format!("vip_manager_renewals_total{place}")).unwrap();
    is(&format!("vip_manager_renewals_total{place}"), renewals + 2.0);
    is("vip_manager_read_duration_seconds_count", 3.0);
    let deadline = metric(&host, &format!("vip_manager_vip_deadline_seconds{place}")).unwrap();
    assert!((10.0..=24.0).contains(&deadline), "{deadline}");

    setup.cluster.members[0].freeze();
    is("vip_manager_blind_intervals_total", 1.0);
    let (_, body) = ask(&host, "/metrics");
    assert!(body.contains("vip_manager_vip_state=\"doubtful\"} 1"), "{body}");
    wait_told(&host, "/metrics", "kind=\"timeout\"}");
    wait_told(&host, "/metrics", "vip_manager_endpoint_up{endpoint=\"http://");
    setup.cluster.members[0].thaw();
    wait_told(&host, "/metrics", "vip_manager_vip_state=\"held\"} 1");

    setup.set_unknown_leader();
    wait_told(&host, "/metrics", &format!("{held} 0"));
    wait_told(&host, "/metrics", "to=\"standby\",cause=\"");
}

#[test]
fn the_documentation_lists_every_metric_with_its_help_text() {
    let text = tree("docs/monitoring.md");
    for family in FAMILIES {
        let row = format!("| `{}` | {} |", family.sample(), family.help);
        assert!(text.contains(&row), "{row}");
    }
}

#[test]
fn dashboard_and_alert_rules_name_only_existing_metrics() {
    let known: BTreeSet<String> = FAMILIES.iter().map(Family::sample).collect();
    for file in ["packaging/monitoring/alerts.yml", "packaging/monitoring/dashboard.json"] {
        let named = named(&tree(file));
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty() && named.len() > 5, "{file}: {unknown:?}");
    }
}
