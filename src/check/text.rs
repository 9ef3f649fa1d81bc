//! A report for people.
//!
//! On a terminal it is wrapped to its width and coloured. Elsewhere each finding stays on one line and its cure on the
//! next, so that `grep` finds them whole.

use super::{Finding, Level, Report};

/// How a report is to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Where lines are wrapped; nothing to leave them whole.
    pub width: Option<usize>,
    pub colour: bool,
    /// Whether the locale has ✓ and ✗.
    pub unicode: bool,
}

/// The report as text, with a last line that sums it up.
pub fn text(report: &Report, look: Look) -> String {
    let mut out: String = report.findings.iter().map(|finding| shown(finding, look)).collect();
    out.push('\n');
    out.push_str(&sum(report));
    out.push('\n');
    if look.unicode { out } else { ascii(&out) }
}

fn shown(finding: &Finding, look: Look) -> String {
    let (mark, colour) = match (finding.level, look.unicode) {
        (Level::Good, true) => ("✓", GREEN),
        (Level::Good, false) => ("+", GREEN),
        (Level::Caution, _) => ("!", YELLOW),
        (Level::Bad, true) => ("✗", RED),
        (Level::Bad, false) => ("x", RED),
    };
    let head = format!("{}: {}", finding.subject, finding.text);
    let mut lines = wrapped(&head, 2, look.width);
    if let Some(cure) = &finding.cure {
        let arrow = if look.unicode { "→" } else { "->" };
        lines.extend(wrapped(&format!("{arrow} {cure}"), 4, look.width));
    }
    let body: Vec<String> = lines.into_iter().map(|line| format!("{line}\n")).collect();
    let body = body.concat();
    let rest = body.get(1..).unwrap_or_default();
    if look.colour { format!("{colour}{mark}{PLAIN}{rest}") } else { format!("{mark}{rest}") }
}

/// Lines of at most `width` characters, each after `indent` blanks. A word that is longer has a line of its own.
fn wrapped(text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let blanks = " ".repeat(indent);
    let Some(width) = width else { return vec![format!("{blanks}{text}")] };
    let mut lines = Vec::new();
    let mut line = blanks.clone();
    for word in text.split(' ') {
        let fresh = line.chars().all(|c| c == ' ');
        if !fresh && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, format!("{blanks}{word}")));
        } else {
            if !fresh {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.push(line);
    lines
}

fn sum(report: &Report) -> String {
    let (bad, caution) = (report.count(Level::Bad), report.count(Level::Caution));
    let number = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match (bad, caution) {
        (0, 0) => "Nothing is wrong.".to_owned(),
        (0, _) => format!("Nothing is wrong; {} to look at.", number(caution, "thing")),
        (_, 0) => format!("{} to mend.", number(bad, "thing")),
        (_, _) => format!("{} to mend, {} to look at.", number(bad, "thing"), number(caution, "more thing")),
    }
}

fn ascii(text: &str) -> String {
    text.replace('…', "...").chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let long = "holds \"pg-node1\"; this host expects \"pg-node-1\"; members are pg-node1, pg-node2 and pg-node3";
        Report {
            findings: vec![
                Finding::good("one", "interface eth0", "is up"),
                Finding::bad("two", "key /service/pg/leader", long, "set trigger-value: pg-node1"),
            ],
        }
    }

    #[test]
    fn a_finding_stays_whole_where_it_is_not_read_on_a_terminal() {
        let look = Look { width: None, colour: false, unicode: true };
        let shown = text(&report(), look);
        assert!(shown.starts_with("✓ interface eth0: is up\n✗ key /service/pg/leader: holds"), "{shown}");
        assert!(shown.contains("\n    → set trigger-value: pg-node1\n"), "{shown}");
        assert!(shown.ends_with("\n\n1 thing to mend.\n"), "{shown}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let shown = text(&report(), Look { width: Some(40), colour: false, unicode: true });
        assert!(shown.lines().all(|line| line.chars().count() <= 40), "{shown}");
        assert!(shown.lines().count() > 5, "{shown}");
    }

    #[test]
    fn a_locale_without_check_marks_gets_none() {
        assert!(text(&report(), Look { width: None, colour: true, unicode: false }).is_ascii());
    }
}
