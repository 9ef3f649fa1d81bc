//! Runs system tools, each with a time limit.

use std::io::Write;
use std::process::{Command, Stdio};

use super::fail::OrFail;

/// Seconds after which a tool is killed.
const LIMIT: &str = "20";

/// Runs a tool and returns its output. Panics if it fails.
#[track_caller]
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    attempt(program, arguments, "").or_fail("running a tool")
}

/// Runs a tool with `input` on its standard input. Panics if it fails.
#[track_caller]
pub(crate) fn feed(program: &str, arguments: &[&str], input: &str) -> String {
    attempt(program, arguments, input).or_fail("running a tool")
}

/// Runs a tool. An `Err` is its error message.
pub(crate) fn attempt(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let failed = |cause: &str| format!("{program} {}: {cause}", arguments.join(" "));
    let mut child = Command::new("timeout")
        .args(["--kill-after=1", LIMIT, program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that failed early has closed its end. Its own message, below, says more.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(&error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let message = String::from_utf8_lossy(&output.stderr);
        Err(failed(&format!("{}: {}{}", output.status, message.trim(), if input.is_empty() { "" } else { input })))
    }
}
