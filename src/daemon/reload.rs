//! Reads the configuration again, on a thread: while its file system hangs, renewals and a stop go on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::blocking::Blocking;
use crate::config::{self, Loaded, Problems, Sources};
use crate::time::Moment;

#[derive(Debug)]
pub(super) struct Reload {
    sources: Arc<Sources>,
    reading: Blocking<Result<Loaded, Problems>>,
    requested: bool,
    /// It was requested again while the file was being read, so it may have been read too early.
    again: bool,
    /// When the user is told that reading takes too long.
    overdue: Option<Moment>,
}

impl Reload {
    pub(super) fn new(sources: Sources) -> Self {
        let sources = Arc::new(sources);
        Self { sources, reading: Blocking::default(), requested: false, again: false, overdue: None }
    }

    pub(super) fn request(&mut self, now: Moment) {
        self.again = self.requested;
        self.requested = true;
        self.overdue = Some(now + LIMIT);
    }

    /// Waits for the configuration that was requested. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Result<Loaded, Problems>> {
        if !self.requested {
            return std::future::pending().await;
        }
        let sources = Arc::clone(&self.sources);
        let loaded = self.reading.run(move || config::load(&sources)).await;
        self.requested = std::mem::take(&mut self.again);
        self.overdue = self.overdue.filter(|_| self.requested);
        loaded
    }

    pub(super) const fn overdue(&self) -> Option<Moment> {
        self.overdue
    }

    /// Whether reading takes too long; true once.
    pub(super) fn is_overdue(&mut self, now: Moment) -> bool {
        self.overdue.take_if(|overdue| *overdue <= now).is_some()
    }
}

pub(super) const LIMIT: Duration = Duration::from_secs(5);
