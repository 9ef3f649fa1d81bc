//! A process of the lab: its output with timestamps, signals, and its end.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vip_manager::time::Moment;

use super::clock::{now, wait_for, wait_until};
use super::fail::{OrFail, locked};

/// How many lines of each process a failed wait shows.
const RECENT: usize = 40;

/// The processes whose output is shown when a wait fails.
static PROCESSES: Mutex<Vec<(String, Weak<Lines>)>> = Mutex::new(Vec::new());

type Lines = Mutex<Vec<Line>>;

/// A line that a process wrote, and when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Moment,
    pub(crate) text: String,
}

/// A running process. It is killed on drop.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Arc<Lines>,
    readers: Vec<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the command and records its standard output and standard error.
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C at the terminal must reach only the lab, which ends its processes in order.
            .process_group(0)
            .spawn()
            .or_fail(&format!("starting {name}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = [listen(child.stdout.take(), &lines), listen(child.stderr.take(), &lines)];
        locked(&PROCESSES).push((name.to_owned(), Arc::downgrade(&lines)));
        let readers = readers.into_iter().flatten().collect();
        Self { name: name.to_owned(), child, lines, readers, ended: None }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The lines that it wrote so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        locked(&self.lines).clone()
    }

    /// The lines that it wrote after the first `known` lines.
    pub(crate) fn lines_after(&self, known: usize) -> Vec<Line> {
        locked(&self.lines).get(known..).unwrap_or_default().to_vec()
    }

    /// All lines as one text.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<String> = self.lines().into_iter().map(|line| line.text).collect();
        lines.join("\n")
    }

    /// Whether it has written a line that contains `words`.
    pub(crate) fn logged(&self, words: &str) -> bool {
        locked(&self.lines).iter().any(|line| line.text.contains(words))
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.ended.is_none(), "lab: cannot send {signal} to {}: it has ended", self.name);
        let pid = Pid::from_raw(self.pid().cast_signed());
        kill(pid, signal).or_fail(&format!("sending {signal} to {}", self.name));
    }

    /// Its exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().or_fail(&format!("asking after {}", self.name));
        }
        self.ended
    }

    /// Waits until it ends and all that it wrote was read.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let name = self.name.clone();
        let status = wait_until(&format!("the end of {name}"), limit, || self.ended());
        wait_for(&format!("the last lines of {name}"), limit, || self.readers.iter().all(JoinHandle::is_finished));
        status
    }

    /// Kills it and waits until it ends. Does nothing if it has ended.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of every process that still exists, for a failure message.
pub(crate) fn recent_output() -> String {
    let mut words = Vec::new();
    for (name, lines) in locked(&PROCESSES).iter() {
        let Some(lines) = lines.upgrade() else { continue };
        let lines = locked(&lines);
        for line in &lines[lines.len().saturating_sub(RECENT)..] {
            words.push(format!("{:12.3} {name}: {}", line.at.since_boot().as_secs_f64(), line.text));
        }
    }
    words.join("\n")
}

fn listen(output: Option<impl Read + Send + 'static>, lines: &Arc<Lines>) -> Option<JoinHandle<()>> {
    let output = output?;
    let lines = Arc::clone(lines);
    let reader = std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let at = now();
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            locked(&lines).push(Line { at, text });
            bytes.clear();
        }
    });
    Some(reader)
}
