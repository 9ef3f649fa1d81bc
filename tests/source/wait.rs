//! Waiting for a state, with a limit.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use vip_manager::source::{EndpointLink, Report, Source};

/// No test waits longer than this for anything that ought to happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Tries until there is an answer.
pub(crate) async fn eventually<T>(what: &str, limit: Duration, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(answer) = attempt().await {
                return answer;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(limit, waiting).await.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

/// Takes reports until one of them is the one.
pub(crate) async fn until<T>(
    source: &mut Source,
    what: &str,
    limit: Duration,
    mut wanted: impl FnMut(&Report) -> Option<T>,
) -> T {
    let waiting = async {
        loop {
            let report = source.reports.recv().await.expect("the source lives as long as it is held");
            if let Some(answer) = wanted(&report) {
                return answer;
            }
        }
    };
    timeout(limit, waiting).await.unwrap_or_else(|_| panic!("not within {limit:?}: {what}; {:?}", source.endpoints()))
}

/// Waits until every member is up, and takes the reports of that time.
pub(crate) async fn all_up(source: &mut Source) {
    let waiting = async {
        while source.endpoints().iter().any(|member| member.link != EndpointLink::Up) {
            let _report_or_not = timeout(Duration::from_millis(10), source.reports.recv()).await;
        }
    };
    timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("not all up: {:?}", source.endpoints()));
}

/// Waits until the only member is down, and says why.
pub(crate) async fn why_down(source: &mut Source) -> String {
    let waiting = async {
        loop {
            if let EndpointLink::Down { why } = &source.endpoints()[0].link {
                return why.to_string();
            }
            let _report_or_not = timeout(Duration::from_millis(10), source.reports.recv()).await;
        }
    };
    timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("not down: {:?}", source.endpoints()))
}

/// Waits until the only member is down for a cause with these words in it.
pub(crate) async fn down_saying(source: &mut Source, words: &str) -> String {
    let mut last = String::new();
    let waiting = async {
        loop {
            last = why_down(source).await;
            if last.contains(words) {
                return last.clone();
            }
            let _report_or_not = timeout(Duration::from_millis(10), source.reports.recv()).await;
        }
    };
    let said = timeout(SOON, waiting).await;
    said.unwrap_or_else(|_| panic!("down, but not saying \"{words}\": {last}"))
}
