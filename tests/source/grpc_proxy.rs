//! Behind `etcd grpc-proxy`, which drops questions for a sign of life.

use vip_manager::clock;

use crate::etcd::{Cluster, connections_to};
use crate::telling::Lines;
use crate::wait::{SOON, all_up, until};
use crate::{CALL_LIMIT, INTERVAL, KEY, US, change_to, config, read_naming, source};

/// Two sessions that miss a sign of life, with room for a busy machine.
fn settling() -> std::time::Duration {
    (INTERVAL * 5 + CALL_LIMIT) * 4
}

#[tokio::test]
async fn sessions_live_on_without_a_word_and_changes_are_seen_at_once() {
    let cluster = Cluster::new(1).await;
    let proxy = cluster.grpc_proxy().await;
    let (lines, _guard) = Lines::listen();
    let mut source = source(&config(vec![proxy.endpoint()]));
    all_up(&mut source).await;
    let began = clock::now();
    until(&mut source, "some time", SOON * 2, |_| (clock::now().since(began) > settling()).then_some(())).await;

    let session = connections_to(proxy.port);
    let settled = clock::now();
    until(&mut source, "more time", SOON * 2, |_| (clock::now().since(settled) > settling()).then_some(())).await;
    assert_eq!(connections_to(proxy.port), session, "the session lives on");
    assert_eq!(lines.take(), [""; 0]);
    cluster.client().await.put(KEY, US, None).await.unwrap();
    until(&mut source, "the change", SOON, change_to(Some(US))).await;
    until(&mut source, "its read", SOON, read_naming(Some(US))).await;
}
