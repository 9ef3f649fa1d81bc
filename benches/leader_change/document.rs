//! docs/benchmarks.md: what the bench writes, and what it keeps.

use std::fs;

use crate::support::fail::OrFail;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
/// Where the part begins that other programs measured.
const KEPT: &str = "## Switchovers of PostgreSQL";

/// Writes everything that the bench measures.
pub(crate) fn write(text: &str) {
    let before = fs::read_to_string(FILE).unwrap_or_default();
    let kept = before.find(KEPT).map_or_else(String::new, |at| format!("\n{}", &before[at..]));
    fs::write(FILE, format!("{text}{kept}")).or_fail("writing docs/benchmarks.md");
}

/// Replaces one section, which begins with an empty line and its heading. Without such a one it becomes the last one
/// before what is kept.
pub(crate) fn replace(section: &str) {
    let before = fs::read_to_string(FILE).or_fail("reading docs/benchmarks.md");
    let heading = section.lines().find(|line| line.starts_with("## ")).or_fail("the heading of a section");
    let (from, to) = if let Some(from) = before.find(&format!("\n{heading}\n")) {
        let inside = from + 1 + heading.len();
        (from, before[inside..].find("\n## ").map_or(before.len(), |at| inside + at))
    } else {
        let end = before.find(&format!("\n{KEPT}")).unwrap_or(before.len());
        (end, end)
    };
    let text = [&before[..from], section, &before[to..]].concat();
    fs::write(FILE, text).or_fail("writing docs/benchmarks.md");
}
