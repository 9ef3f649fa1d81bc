//! docs/faults.md: the cases, the failovers, and the faults on every store, each of which is written without the others.

use std::fs;

use crate::support::fail::OrFail;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");
/// Where the section of the failovers begins.
const FAILOVERS: &str = "\n## The holder fails";
/// Where the section after that begins, which is the last one.
const STORES: &str = "\n## Faults on every store";

/// Writes the cases.
pub(crate) fn write_cases(text: &str) {
    let before = read();
    let kept = before.find(FAILOVERS).map_or("", |at| &before[at..]);
    fs::write(FILE, [text, kept].concat()).or_fail("writing docs/faults.md");
}

/// Writes the section of the failovers.
pub(crate) fn write_failovers(section: &str) {
    let before = read();
    let kept = before.find(FAILOVERS).map_or(&*before, |at| &before[..at]);
    let after = before.find(STORES).map_or("", |at| &before[at..]);
    fs::write(FILE, format!("{}\n\n{section}{after}", kept.trim_end())).or_fail("writing docs/faults.md");
}

/// Writes the section of the faults on every store, made of what it was before.
pub(crate) fn update_stores(section: impl FnOnce(&str) -> String) {
    let before = read();
    let at = before.find(STORES).unwrap_or(before.len());
    let (kept, section) = (before[..at].trim_end(), section(&before[at..]));
    fs::write(FILE, format!("{kept}\n\n{section}")).or_fail("writing docs/faults.md");
}

/// Replaces rows of the table of the failovers, each given with what it begins with.
pub(crate) fn update_rows(rows: &[(String, String)]) {
    let of = |line: &str| rows.iter().find(|(begin, _)| line.starts_with(begin)).map(|(_, row)| row.clone());
    let lines: Vec<String> = read().lines().map(|line| of(line).unwrap_or_else(|| line.to_owned())).collect();
    fs::write(FILE, lines.join("\n") + "\n").or_fail("writing docs/faults.md");
}

fn read() -> String {
    fs::read_to_string(FILE).unwrap_or_default()
}
