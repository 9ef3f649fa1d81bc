//! The service manager's side of `NOTIFY_SOCKET`.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::clock::now;
use super::fail::{OrFail, locked};
use super::process::Line;

/// Records every line that a daemon sends to its service manager.
#[derive(Debug)]
pub(crate) struct NotifySocket {
    path: PathBuf,
    lines: Arc<Mutex<Vec<Line>>>,
}

impl NotifySocket {
    pub(crate) fn bind(path: &Path) -> Self {
        // An earlier daemon on the same host may have left its socket.
        let _ = fs::remove_file(path);
        let socket = UnixDatagram::bind(path).or_fail("binding the notify socket");
        socket.set_read_timeout(Some(Duration::from_millis(200))).or_fail("limiting the notify socket");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::downgrade(&lines);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Some(lines) = kept.upgrade() {
                let Ok(length) = socket.recv(&mut bytes) else { continue };
                let at = now();
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                locked(&lines).extend(text.lines().map(|line| Line { at, text: line.to_owned() }));
            }
        });
        Self { path: path.to_owned(), lines }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The lines that were sent so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        locked(&self.lines).clone()
    }

    pub(crate) fn said(&self, line: &str) -> bool {
        locked(&self.lines).iter().any(|heard| heard.text == line)
    }
}
