//! What a check reports: findings, and their form for people and for programs.

use serde::Serialize;

use crate::terminal::{Colour, Style};
use crate::text::{self, one_line};

/// How serious a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub enum Level {
    #[serde(rename = "ok")]
    Pass,
    /// It may be intended, or matters only at times.
    #[serde(rename = "warning")]
    Warning,
    /// The VIP cannot come, cannot be reached, or is not safe.
    #[serde(rename = "error")]
    Error,
}

/// The verdict on one thing that was examined.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// A short name for programs, the same in every release.
    pub id: &'static str,
    pub level: Level,
    /// What was examined: an endpoint, a key, an interface.
    pub subject: String,
    #[serde(rename = "finding")]
    pub text: String,
    /// What to do about it, if anything.
    pub cure: Option<String>,
}

impl Finding {
    pub fn pass(id: &'static str, subject: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        Self { id, level: Level::Pass, subject: one_line(subject.as_ref()), text: one_line(text.as_ref()), cure: None }
    }

    pub fn warning(id: &'static str, subject: impl AsRef<str>, text: impl AsRef<str>, cure: impl AsRef<str>) -> Self {
        let cure = Some(one_line(cure.as_ref()));
        Self { level: Level::Warning, cure, ..Self::pass(id, subject, text) }
    }

    pub fn error(id: &'static str, subject: impl AsRef<str>, text: impl AsRef<str>, cure: impl AsRef<str>) -> Self {
        Self { level: Level::Error, ..Self::warning(id, subject, text, cure) }
    }
}

/// All findings, in the order in which a person would look.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    pub findings: Vec<Finding>,
}

/// How a report for people is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Where lines are wrapped; nothing to leave them whole.
    pub width: Option<usize>,
    pub colour: bool,
    /// Whether the locale has ✓ and ✗.
    pub unicode: bool,
}

impl Report {
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// Whether nothing keeps the VIP from working.
    pub fn passes(&self) -> bool {
        self.count(Level::Error) == 0
    }

    /// The report for programs: one object, on one line.
    pub fn json(&self) -> String {
        text::json(&Json { ok: self.passes(), findings: &self.findings }) + "\n"
    }

    /// The report for people, with a summary as its last line.
    ///
    /// On a terminal it is coloured and wrapped. Elsewhere each finding stays on one line and its cure on the next, so
    /// that `grep` finds both whole.
    pub fn text(&self, look: Look) -> String {
        let findings: String = self.findings.iter().map(|finding| shown(finding, look)).collect();
        let text = format!("{findings}\n{}\n", self.summary());
        if look.unicode { text } else { ascii(&text) }
    }

    fn summary(&self) -> String {
        let number = |level, word: &str| match self.count(level) {
            0 => None,
            1 => Some(format!("1 {word}")),
            several => Some(format!("{several} {word}s")),
        };
        let counts = [number(Level::Error, "error"), number(Level::Warning, "warning")];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        if counts.is_empty() { "No errors, no warnings.".to_owned() } else { format!("{}.", counts.join(", ")) }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    ok: bool,
    findings: &'a [Finding],
}

fn shown(finding: &Finding, look: Look) -> String {
    let (mark, style) = match (finding.level, look.unicode) {
        (Level::Pass, true) => ("✓", Style::Green),
        (Level::Pass, false) => ("+", Style::Green),
        (Level::Warning, _) => ("!", Style::Yellow),
        (Level::Error, true) => ("✗", Style::Red),
        (Level::Error, false) => ("x", Style::Red),
    };
    let mut lines = wrapped(&format!("{}: {}", finding.subject, finding.text), 2, look.width);
    if let Some(cure) = &finding.cure {
        let arrow = if look.unicode { "→" } else { "->" };
        lines.extend(wrapped(&format!("{arrow} {cure}"), 4, look.width));
    }
    let body = lines.join("\n");
    let body = body.get(1..).unwrap_or_default();
    style.paint(mark, Colour::allowed(look.colour)) + body + "\n"
}

/// Lines of at most `width` characters, each after `indent` blanks. A word that is longer has its own line.
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

fn ascii(text: &str) -> String {
    text.replace('…', "...").chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Look = Look { width: None, colour: false, unicode: true };

    fn report() -> Report {
        let long = "holds \"pg-node1\"; this host expects \"pg-node-1\"; members are pg-node1, pg-node2 and pg-node3";
        Report {
            findings: vec![
                Finding::pass("one", "interface eth0", "is up"),
                Finding::error("two", "key /service/pg/leader", long, "set trigger-value: pg-node1"),
            ],
        }
    }

    #[test]
    fn lines_stay_whole_where_no_terminal_is() {
        let shown = report().text(PIPE);
        assert!(shown.starts_with("✓ interface eth0: is up\n✗ key /service/pg/leader: holds"), "{shown}");
        assert!(shown.contains("\n    → set trigger-value: pg-node1\n"), "{shown}");
        assert!(shown.ends_with("\n\n1 error.\n"), "{shown}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let shown = report().text(Look { width: Some(40), ..PIPE });
        assert!(shown.lines().all(|line| line.chars().count() <= 40), "{shown}");
        assert!(shown.lines().count() > 5, "{shown}");
    }

    #[test]
    fn a_locale_without_check_marks_gets_ascii() {
        assert!(report().text(Look { width: None, colour: true, unicode: false }).is_ascii());
    }

    #[test]
    fn the_summary_counts_errors_and_warnings() {
        let summary = |errors, warnings| {
            let mut findings = vec![Finding::error("e", "s", "t", "c"); errors];
            findings.extend(vec![Finding::warning("w", "s", "t", "c"); warnings]);
            Report { findings }.summary()
        };
        assert_eq!(summary(0, 0), "No errors, no warnings.");
        assert_eq!(summary(2, 2), "2 errors, 2 warnings.");
        assert_eq!(summary(0, 1), "1 warning.");
    }

    #[test]
    fn json_escapes_quotes_and_backslashes() {
        let report = Report { findings: vec![Finding::error("id", "a \"b\"", "c\\d", "e")] };
        assert_eq!(
            report.json(),
            "{\"ok\":false,\"findings\":[{\"id\":\"id\",\"level\":\"error\",\"subject\":\"a \\\"b\\\"\",\
             \"finding\":\"c\\\\d\",\"cure\":\"e\"}]}\n"
        );
    }
}
