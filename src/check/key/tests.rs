use super::*;
use crate::check::stores::Etcd;
use crate::source::facts::{Around, KeyDetail, KeyFacts};

fn around(members: &[&str]) -> Around {
    Around {
        listed: true,
        members: Some(members.iter().map(ToString::to_string).collect()),
        scope: !members.is_empty(),
        leaders: Vec::new(),
        anything: true,
    }
}

fn holding(value: &str, expected: &str, members: &[&str]) -> Facts {
    let lease = LeaseFacts::Left { left: 25, granted: 30 };
    Facts {
        key: "/service/pg/leader".into(),
        expected: expected.into(),
        found: KeyFacts {
            held: Ok(Some(Held { value: value.into(), changed: 7, lease })),
            around: around(members),
            beside: None,
            detail: KeyDetail::None,
        },
        hold_timeout: Duration::from_secs(10),
        lease_margin: Duration::from_secs(3),
        claimed: false,
    }
}

fn held(facts: &mut Facts) -> &mut Held {
    facts.found.held.as_mut().unwrap().as_mut().unwrap()
}

fn first(facts: &Facts) -> Finding {
    judge(&Etcd, facts).remove(0)
}

#[test]
fn a_leading_and_a_following_host_pass() {
    assert_eq!(first(&holding("pg1", "pg1", &["pg1", "pg2"])).level, super::super::Level::Pass);
    let follower = first(&holding("pg1", "pg2", &["pg1", "pg2"]));
    assert_eq!(follower.level, super::super::Level::Pass);
    assert!(follower.text.ends_with("members are pg1 and pg2: another host leads"), "{}", follower.text);
}

#[test]
fn a_similar_name_is_reported_with_the_difference() {
    for (value, expected, why) in
        [("pg-node1", "pg-node-1", "similar"), ("PG1", "pg1", "case"), ("pg1", "pg1.example.org", "domain")]
    {
        let finding = first(&holding(value, expected, &[value, "other"]));
        assert_eq!(finding.id, "key-value-differs");
        let cure = finding.cure.unwrap();
        assert!(cure.contains(why) && cure.ends_with(&format!("set trigger-value: {value}")), "{cure}");
    }
}

#[test]
fn a_name_of_no_member_never_leads() {
    let near = first(&holding("alpha", "bravo1", &["alpha", "bravo-1"]));
    assert_eq!(near.id, "key-value-unknown");
    assert_eq!(near.cure.as_deref(), Some("they are similar: set trigger-value: bravo-1"));
    assert!(first(&holding("alpha", "zulu", &["alpha", "bravo"])).cure.unwrap().starts_with("set trigger-value to"));
}

#[test]
fn a_missing_leader_a_wrong_key_and_an_empty_store_are_distinguished() {
    let mut facts = holding("", "pg1", &["pg1"]);
    facts.found.held = Ok(None);
    assert_eq!(first(&facts).id, "key-no-leader");
    facts.found.around = Around { leaders: vec!["/service/pg-main/leader".into()], ..around(&[]) };
    assert_eq!(first(&facts).id, "key-wrong");
    facts.found.around.leaders.clear();
    assert_eq!(first(&facts).id, "key-no-scope");
    facts.found.around.anything = false;
    assert_eq!(first(&facts).id, "store-empty");
    facts.found.beside = Some("pg1".into());
    assert_eq!(first(&facts).id, "key-v2");
}

#[test]
fn whitespace_and_quotes_are_removed_where_they_are() {
    let cure = |value, expected| first(&holding(value, expected, &["pg1"])).cure.unwrap();
    assert!(cure("pg1\n", "pg1").ends_with("which Patroni does not write: etcdctl put /service/pg/leader pg1"));
    assert!(cure("\"pg1\"", "pg1").ends_with("which Patroni does not write: etcdctl put /service/pg/leader pg1"));
    assert!(cure("pg2", "pg2 ").ends_with("whitespace: if both mean this host, set trigger-value: pg2"));
}

#[test]
fn a_user_without_list_rights_is_told_what_is_unknown() {
    let mut facts = holding("pg1", "pg2", &[]);
    facts.found.around = Around::default();
    assert_eq!(first(&facts).id, "key-members-unlisted");
    assert!(first(&facts).cure.unwrap().ends_with(" read --prefix=true /service/pg/members/"));
    facts.expected = "PG1".into();
    assert_eq!(first(&facts).id, "key-value-differs");
    facts.found.held = Ok(None);
    assert_eq!(first(&facts).id, "key-absent");
    facts.found.held = Err(Forbidden);
    assert_eq!(first(&facts).id, "key-forbidden");
}

#[test]
fn a_lease_too_short_to_hold_the_vip_is_an_error() {
    let mut facts = holding("pg1", "pg1", &["pg1"]);
    let lease = |facts: &Facts| judge(&Etcd, facts).last().unwrap().id;
    assert_eq!(lease(&facts), "key-lease");
    held(&mut facts).lease = LeaseFacts::Left { left: 2, granted: 3 };
    assert_eq!(lease(&facts), "lease-too-short");
    held(&mut facts).lease = LeaseFacts::Left { left: 9, granted: 10 };
    assert_eq!(lease(&facts), "lease-short");
    held(&mut facts).lease = LeaseFacts::None;
    assert_eq!(lease(&facts), "key-no-lease");
}
