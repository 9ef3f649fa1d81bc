//! What is said in the log, and how seldom.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::Level;
use vip_manager::clock;
use vip_manager::config::model::Endpoint;

use crate::etcd::Cluster;
use crate::wait::{SOON, all_up, until, why_down};
use crate::{config, read_naming, source};

/// The lines that were logged, down to INFO.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn take(&self) -> Vec<String> {
        let text = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    /// Listens to what this thread logs, which is all that a test does.
    pub(crate) fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::INFO)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_member_that_goes_away_is_told_once_and_so_is_its_return() {
    let (lines, _guard) = Lines::listen();
    let mut cluster = Cluster::new(1).await;
    let mut source = source(&config(cluster.endpoints()));
    all_up(&mut source).await;
    assert_eq!(lines.take(), [""; 0], "nothing is said of what is as it should be");

    cluster.members[0].kill();
    why_down(&mut source).await;
    let (until_now, while_away) = (clock::now(), Duration::from_secs(4));
    until(&mut source, "some time passes", SOON, |_| (clock::now().since(until_now) > while_away).then_some(())).await;
    let told = lines.take();
    // That it hung up, and that it refuses since.
    assert!((1..=2).contains(&told.len()), "{told:#?}");
    assert!(told.iter().all(|line| line.trim_start().starts_with("WARN") && line.contains("does not serve")));
    assert!(told.last().unwrap().contains("refused"), "{told:#?}");

    cluster.members[0].start();
    all_up(&mut source).await;
    let told = lines.take();
    let again: Vec<_> = told.iter().filter(|line| line.contains("answers again")).collect();
    assert_eq!(again.len(), 1, "{told:#?}");
}

#[tokio::test]
async fn a_steady_state_is_silent() {
    let (lines, _guard) = Lines::listen();
    let cluster = Cluster::new(3).await;
    let mut source = source(&config(cluster.endpoints()));
    all_up(&mut source).await;
    for _ in 0..10 {
        until(&mut source, "reads", SOON, read_naming(None)).await;
    }
    assert_eq!(lines.take(), [""; 0]);
}

#[tokio::test]
async fn a_name_that_never_resolves_is_told_once() {
    let (lines, _guard) = Lines::listen();
    let cluster = Cluster::new(1).await;
    let mut endpoints = cluster.endpoints();
    endpoints.push(Endpoint { tls: false, host: "no-such-host.invalid".into(), port: 2379 });
    let mut source = source(&config(endpoints));
    for _ in 0..15 {
        until(&mut source, "reads", SOON, read_naming(None)).await;
    }
    let told = lines.take();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("no-such-host.invalid"), "{told:#?}");
}
