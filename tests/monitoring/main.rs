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

use ask::{LISTEN, ask, send, socket, told, wait_told};
use support::command::attempt;
use support::daemon::{Daemon, KEY};
use support::host::{Host, VIP};
use support::setup::{Setup, report};

/// A daemon with a little to tell: two transitions, an event, a member that answers.
fn setup() -> (Setup, Daemon) {
    let setup = Setup::new("monitored", 1);
    let daemon = setup.lead(&told(&setup, setup.host()), VIP);
    setup.set_unknown_leader();
    wait_told(setup.host(), "/events", "\"to\":\"standby\"");
    setup.set_leader(setup.host());
    wait_told(setup.host(), "/status", "\"state\":\"held\"");
    (setup, daemon)
}

#[test]
fn promtool_accepts_the_text_format() {
    let (setup, _daemon) = setup();
    let request = b"GET /metrics HTTP/1.1\r\nAccept: text/plain;version=0.0.4\r\n\r\n";
    let answer = send(setup.host(), request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let said = attempt("promtool", &["check", "metrics"], body);
    assert!(said.is_ok(), "{said:?}\n{body}");
}

#[test]
fn a_parser_of_openmetrics_that_is_not_ours_accepts_the_scrape() {
    let (setup, _daemon) = setup();
    let (head, body) = ask(setup.host(), "/metrics");
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
    let (setup, _daemon) = setup();
    assert!(socket(setup.host()).exists());
    let dom = browse(setup.host(), &["--dump-dom"]);
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
    let screenshot = setup.lab.directory().join("page.png");
    let wide = format!("--screenshot={}", screenshot.display());
    browse(setup.host(), &[&wide, "--window-size=900,1000"]);
    let size = std::fs::metadata(&screenshot).unwrap().len();
    assert!((5_000..200_000).contains(&size), "{size} bytes");
    if let Some(to) = std::env::var_os("SCREENSHOT") {
        std::fs::copy(&screenshot, Path::new(&to)).unwrap();
    }
}

/// What a browser measures on the page as it stands, names of more than a hundred letters in it, at a phone's width and at
/// a desk's, by day and by night. The page lets no script in, so a copy of what it shows is measured.
#[test]
fn nothing_runs_out_of_a_phones_window_and_all_can_be_read_by_day_and_by_night() {
    let setup = Setup::new("looked", 1);
    let name = "database-node".repeat(9);
    let config = told(&setup, setup.host()).with("trigger-value", &name);
    setup.cluster.store().put(KEY, &name);
    let _daemon = Daemon::start(setup.host(), &config);
    wait_told(setup.host(), "/status", "\"state\":\"held\"");
    let shown = browse(setup.host(), &["--dump-dom"]);
    assert!(shown.contains(&name), "{shown}");
    let (before, after) = shown.split_once("<script").unwrap();
    let (_, after) = after.split_once("</script>").unwrap();
    let directory = setup.lab.directory();
    std::fs::write(directory.join("copy.html"), format!("{before}<script>{MEASURE}</script>{after}")).unwrap();
    for (width, scheme, dark) in [(360, 0, true), (360, 1, false), (1200, 0, true), (1200, 1, false)] {
        let frame = directory.join(format!("frame-{width}.html"));
        std::fs::write(&frame, FRAME.replace("{width}", &width.to_string())).unwrap();
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        let place = format!("file://{}", frame.display());
        let dom = browse_to(setup.host(), &["--dump-dom", "--window-size=1300,1000", &scheme], &place);
        let measured = dom.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
        let numbers: Vec<f64> = measured.split(' ').map(|number| number.parse().unwrap()).collect();
        let [window, page, paper, contrast] = numbers[..] else { panic!("{measured}") };
        report(&format!("{width} wide, dark {dark}: window, page, paper, contrast"), &numbers);
        assert!((window - f64::from(width)).abs() < 1.0, "a window of {width}: {measured}");
        assert!(page <= window, "the page is {page} wide in a window of {window}");
        assert_eq!(paper < 0.2, dark, "how bright the page is: {paper}");
        // What the guidelines for accessibility (WCAG 2, AA) ask of small text.
        assert!(contrast >= 4.5, "{width} wide, dark {dark}: the faintest text has a contrast of {contrast}");
    }
}

/// A window as narrow as a phone's; no window of the browser's own is.
const FRAME: &str = r#"<!doctype html><meta name="color-scheme" content="light dark"><title></title>
<script>addEventListener("message", (told) => { document.title = told.data; });</script>
<iframe src="copy.html" width="{width}" height="900" frameborder="0"></iframe>"#;

/// Tells the window's width, the page's, how bright its paper is, and the least contrast of any text.
const MEASURE: &str = r#"
const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
const linear = (c) => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const paper = (node) => {
  const colour = channels(getComputedStyle(node).backgroundColor);
  return colour.length < 4 || colour[3] > 0 ? colour : paper(node.parentElement);
};
const contrast = (node) => {
  const [a, b] = [light(channels(getComputedStyle(node).color)), light(paper(node))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
};
addEventListener("load", () => {
  const texts = [...document.body.querySelectorAll("*")].filter((node) => node.checkVisibility() &&
    [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) && node.tagName !== "SCRIPT");
  const page = Math.max(document.documentElement.scrollWidth,
    ...texts.map((node) => Math.ceil(node.getBoundingClientRect().right)));
  parent.postMessage([innerWidth, page, light(paper(document.body)), Math.min(...texts.map(contrast))].join(" "), "*");
});
"#;

/// Chromium on the host of the daemon, with time for the page's first answers.
fn browse(host: &Host, arguments: &[&str]) -> String {
    browse_to(host, arguments, &format!("http://{LISTEN}/"))
}

/// A browser on a busy machine hangs now and then, whatever it is shown; that is no word about the page.
fn browse_to(host: &Host, arguments: &[&str], place: &str) -> String {
    let profile = host.directory().join("browser");
    let mut said = String::new();
    for _ in 0..ATTEMPTS {
        let output = host
            .command("timeout")
            .args(["--kill-after=1", "30", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--hide-scrollbars", "--disable-dev-shm-usage", "--virtual-time-budget=2500", "--timeout=20000"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(arguments)
            .arg(place)
            .output()
            .unwrap();
        if output.status.success() {
            return String::from_utf8_lossy(&output.stdout).into_owned();
        }
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        drop(std::fs::remove_dir_all(&profile));
    }
    panic!("no browser came back with {place}: {said}");
}

const ATTEMPTS: usize = 3;
