//! Runs one hook: its program, in a process group of its own, with a small environment and a time limit.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::Hook;
use crate::config::keys::Key;
use crate::vip::Vip;

/// One run of a hook.
#[derive(Debug)]
pub(super) struct Job {
    /// The setting that configures it.
    pub(super) key: Key,
    pub(super) vip: Vip,
    pub(super) hook: Hook,
    pub(super) limit: Duration,
    pub(super) environment: Vec<(&'static str, String)>,
}

/// Runs the job to its end and tells how that was.
pub(super) async fn run(job: Job) {
    let name = format!("{} of {}", job.key.name(), job.vip);
    let program = job.hook.program.display().to_string();
    let limit = job.limit;
    // A program on a file system that hangs would hold up whoever starts it.
    let started = spawn_blocking(move || command(&job).spawn()).await;
    let mut child = match started {
        Ok(Ok(child)) => child,
        Ok(Err(error)) => {
            tracing::error!(
                "{name} cannot run {program}: {error}; expected the absolute path of a program that this user may execute, \
                 its arguments as further elements of a list"
            );
            return;
        }
        Err(_) => return,
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let ended = timeout(limit, finish(&mut child, &name)).await;
    if let Ok(status) = ended {
        tell(&name, status);
        return;
    }
    tracing::warn!("{name} exceeded {} s and is killed", limit.as_secs_f32());
    signal(group, Signal::SIGTERM);
    let gone = timeout(GRACE, child.wait()).await.is_ok();
    // What is left of the group, whether its first process has gone or not.
    signal(group, Signal::SIGKILL);
    if !gone {
        let _reaped = timeout(GRACE, child.wait()).await;
    }
}

fn command(job: &Job) -> Command {
    let mut command = Command::new(&job.hook.program);
    command.args(&job.hook.arguments).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8");
    command.envs(job.environment.iter().map(|(name, value)| (*name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command
}

async fn finish(child: &mut Child, name: &str) -> std::io::Result<ExitStatus> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let output = async { tokio::join!(relay(out, name), relay(err, name)) };
    tokio::pin!(output);
    tokio::select! {
        status = child.wait() => {
            // What it left in the pipes. Somebody who goes on in the background may hold them open.
            let _rest = timeout(LAST_WORDS, output).await;
            status
        }
        _ = &mut output => child.wait().await,
    }
}

/// Writes what is said into the log, line by line and up to a limit. The rest is read, so that nobody is stuck.
async fn relay(from: Option<impl AsyncRead + Unpin>, name: &str) {
    let Some(mut from) = from else { return };
    let (mut line, mut lines, mut chunk) = (Vec::new(), 0, [0; 1024]);
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        for byte in &chunk[..length] {
            if *byte == b'\n' {
                say(name, &line, &mut lines);
                line.clear();
            } else if line.len() < LONGEST_LINE {
                line.push(*byte);
            }
        }
    }
    if !line.is_empty() {
        say(name, &line, &mut lines);
    }
}

fn say(name: &str, line: &[u8], lines: &mut usize) {
    *lines += 1;
    if *lines < MOST_LINES {
        tracing::info!("{name}: {}", String::from_utf8_lossy(line));
    } else if *lines == MOST_LINES {
        tracing::warn!("{name} wrote more than {MOST_LINES} lines; the rest is not logged");
    }
}

fn tell(name: &str, status: std::io::Result<ExitStatus>) {
    match status {
        Ok(status) if status.success() => tracing::debug!("{name} succeeded"),
        Ok(status) => {
            let how = match (status.signal(), status.code()) {
                (Some(signal), _) => format!("was killed by signal {signal}"),
                (None, code) => format!("failed with exit status {}", code.unwrap_or_default()),
            };
            tracing::warn!("{name} {how}");
        }
        Err(error) => tracing::warn!("{name}: exit status unknown: {error}"),
    }
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        let _gone_already = killpg(group, signal);
    }
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Between the polite signal and the other one.
const GRACE: Duration = Duration::from_secs(2);
const LAST_WORDS: Duration = Duration::from_millis(200);
const LONGEST_LINE: usize = 512;
const MOST_LINES: usize = 100;
