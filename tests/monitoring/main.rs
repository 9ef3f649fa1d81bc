//! What others make of the metrics and of the page: promtool, Python's parser, a browser.
//!
//! They weigh a hundred megabytes, so `make monitoring-test` runs this and `make test` does not; there, `status` holds
//! page, metrics, rules and dashboard to one another without them.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../status/ask.rs"]
#[expect(dead_code, reason = "these tests need only a part of it")]
mod ask;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

use std::path::Path;
use std::process::Command;

use ask::{LISTEN, ask, send, socket, told, wait_told};
use support::command::attempt;
use support::host::{Host, VIP};
use support::scene::Scene;

/// A daemon with a little to tell: two transitions, an event, a member that answers.
fn scene() -> (Scene, support::daemon::Daemon) {
    let scene = Scene::new("monitored", 1);
    let daemon = scene.lead(&told(&scene, scene.host()), VIP);
    scene.name_nobody();
    wait_told(scene.host(), "/events", "\"to\":\"standby\"");
    scene.name(scene.host());
    wait_told(scene.host(), "/status", "\"state\":\"held\"");
    (scene, daemon)
}

#[test]
fn promtool_accepts_the_text_format() {
    let (scene, _daemon) = scene();
    let request = b"GET /metrics HTTP/1.1\r\nAccept: text/plain;version=0.0.4\r\n\r\n";
    let answer = send(scene.host(), request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let said = attempt("promtool", &["check", "metrics"], body);
    assert!(said.is_ok(), "{said:?}\n{body}");
}

#[test]
fn a_parser_of_openmetrics_that_is_not_ours_accepts_the_scrape() {
    let (scene, _daemon) = scene();
    let (head, body) = ask(scene.host(), "/metrics");
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    let program = "import sys\n\
                   from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
                   families = list(read(sys.stdin.read()))\n\
                   assert len(families) > 20, families\n\
                   print(len(families))";
    let said = attempt("/usr/bin/python3", &["-c", program], &body);
    assert!(said.is_ok(), "{said:?}\n{body}");
}

/// What a person sees: the VIP, its state, why, and what happened last.
#[test]
fn a_browser_shows_the_vip_its_state_and_the_timeline() {
    let (scene, _daemon) = scene();
    assert!(socket(scene.host()).exists());
    let dom = browse(scene.host(), &["--dump-dom"]);
    for words in [
        "10.66.0.100/32",
        "badge held",
        "which is this host",
        "standby → held",
        "held → standby",
        "<rect class=\"held\"",
        ": up for",
    ] {
        assert!(dom.contains(words), "{words:?} in\n{dom}");
    }
    let screenshot = scene.lab.directory().join("page.png");
    let wide = format!("--screenshot={}", screenshot.display());
    browse(scene.host(), &[&wide, "--window-size=900,1000"]);
    let size = std::fs::metadata(&screenshot).unwrap().len();
    assert!((5_000..200_000).contains(&size), "{size} bytes");
    if let Some(to) = std::env::var_os("SCREENSHOT") {
        std::fs::copy(&screenshot, Path::new(&to)).unwrap();
    }
}

/// Chromium on the host of the daemon, with time for the page's first answers.
fn browse(host: &Host, arguments: &[&str]) -> String {
    let mut command: Command = host.command("chromium");
    let profile = host.directory().join("browser");
    let output = command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"])
        .args(["--virtual-time-budget=2500", "--timeout=20000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .arg(format!("http://{LISTEN}/"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
