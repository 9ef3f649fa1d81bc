//! A pseudo-terminal: tests run a program on it, press keys, and read the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

use super::clock::{wait_for, wait_until};
use super::fail::{OrFail, locked};

/// A terminal with a program on it. The program is killed on drop.
#[derive(Debug)]
pub(crate) struct Terminal {
    keys: File,
    child: Child,
    before: Termios,
    sent: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    rows: usize,
}

impl Terminal {
    /// Starts the command with a new terminal of this size as its controlling terminal, so that Ctrl-C reaches it.
    pub(crate) fn run(command: &Command, columns: u16, rows: u16) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).or_fail("opening a terminal");
        let before = tcgetattr(&pty.master).or_fail("asking a terminal for its modes");
        // A duplicate is closed on exec. The original would be inherited by every later program.
        let copy = |end: &OwnedFd| end.try_clone().or_fail("copying an end of a terminal");
        let (keys, reader, streams) = (copy(&pty.master), copy(&pty.master), [(); 3].map(|()| copy(&pty.slave)));
        drop(pty);
        let [input, output, errors] = streams;
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        let child = session.stdin(input).stdout(output).stderr(errors).spawn().or_fail("starting a program");
        let sent = Arc::new(Mutex::new(Vec::new()));
        let reader = collect(File::from(reader), &sent);
        Self { keys: keys.into(), child, before, sent, reader: Some(reader), rows: rows.into() }
    }

    /// Everything that the program wrote to it.
    pub(crate) fn sent(&self) -> String {
        String::from_utf8_lossy(&locked(&self.sent)).into_owned()
    }

    /// What the screen shows now.
    pub(crate) fn screen(&self) -> String {
        shown(&self.sent(), self.rows)
    }

    /// Waits until the screen shows these words, and returns the screen.
    #[track_caller]
    pub(crate) fn wait_shown(&self, words: &str, limit: Duration) -> String {
        let shown = || Some(self.screen()).filter(|screen| screen.contains(words));
        wait_until(&format!("{words:?} on the screen"), limit, shown)
    }

    /// Waits until the screen was cleared `more` more times.
    #[track_caller]
    pub(crate) fn wait_frames(&self, more: usize, limit: Duration) {
        let frames = || self.sent().matches(CLEAR).count();
        let before = frames();
        wait_for("another frame", limit, || frames() >= before + more);
    }

    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).or_fail("pressing keys");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).or_fail("sending a signal");
    }

    /// Waits until the program has ended and all its output was read.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        let ended = || child.try_wait().or_fail("asking after a program");
        let status = wait_until("the end of the program on a terminal", limit, ended);
        if let Some(reader) = self.reader.take() {
            wait_for("the last output on a terminal", limit, || reader.is_finished());
        }
        status
    }

    /// Whether the terminal is as before: same modes, no alternate screen, no hidden cursor, no style.
    pub(crate) fn is_restored(&self) -> bool {
        let modes = tcgetattr(&self.keys).or_fail("asking a terminal for its modes");
        let sent = self.sent();
        let painted = |(_, last): (&str, &str)| last.starts_with(|c: char| ('1'..='9').contains(&c));
        let style = !sent.rsplit_once("\x1b[").is_some_and(painted);
        modes == self.before && !sent.contains("\x1b[?") && style
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: File, sent: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let sent = Arc::clone(sent);
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // When the program ends, reading from the terminal fails.
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            locked(&sent).extend_from_slice(&bytes[..read]);
        }
    })
}

/// What a screen shows after this output. It understands lines, colours, cursor home and clear; nothing else is used.
fn shown(sent: &str, rows: usize) -> String {
    let page = sent.rsplit(CLEAR).next().unwrap_or_default();
    let mut text = String::new();
    let mut rest = page;
    while let Some(at) = rest.find("\x1b[") {
        text.push_str(&rest[..at]);
        rest = rest[at..].split_once('m').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    let lines: Vec<&str> = text.split("\r\n").collect();
    lines[lines.len().saturating_sub(rows)..].join("\n")
}

const CLEAR: &str = "\x1b[H\x1b[J";
