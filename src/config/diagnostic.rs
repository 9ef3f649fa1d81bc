//! What is wrong with a configuration, all of it at once, and what is worth a word although it is right.
//!
//! A problem is a place and a sentence, not a variant of an enum: nobody decides by it, somebody reads it.

use std::fmt;
use std::sync::Arc;

use crate::text;

/// A place that a user can go to and mend. Ordered by precedence, the strongest first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// A flag, as it was written: `--iface`.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A line of the file; 0 for the file as a whole. The column is 0 where the line says enough.
    Line {
        /// The path of the file, as it was given.
        path: Arc<str>,
        /// Counted from 1; 0 for the whole file.
        line: usize,
        /// Counted from 1; 0 if the line is precise enough.
        column: usize,
    },
    /// Nowhere yet: the configuration lacks something, and there is no file it could stand in.
    Nowhere,
}

impl Place {
    pub(super) fn line(path: &Arc<str>, line: usize) -> Self {
        Self::Line { path: Arc::clone(path), line, column: 0 }
    }

    pub(super) fn file(path: &Arc<str>) -> Self {
        Self::line(path, 0)
    }

    /// The level of precedence: a smaller one wins.
    pub(super) fn level(&self) -> u8 {
        match self {
            Self::Flag(_) => 0,
            Self::Variable(_) => 1,
            Self::Line { .. } => 2,
            Self::Nowhere => 3,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::Line { path, line: 0, .. } => f.write_str(path),
            Self::Line { path, line, column: 0 } => write!(f, "{path}:{line}"),
            Self::Line { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Nowhere => f.write_str("configuration"),
        }
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// Something has no effect that was probably meant to have one.
    Warning,
    /// Something works and has a better name or form.
    Info,
}

/// One thing to report: where, what was found, what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Where it was found.
    pub place: Place,
    /// What was found and what was expected, on one line.
    pub text: String,
}

/// Every mistake of a configuration, sorted by place. Never empty where it is an error.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Problems(Vec<Diagnostic>);

impl Problems {
    /// Every problem, in the order of its place.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (row, problem) in self.0.iter().take(MOST_SHOWN).enumerate() {
            let newline = if row == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        match self.0.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more; is this a vip-manager configuration?"),
        }
    }
}

impl Diagnostic {
    fn new(severity: Severity, place: &Place, text: impl Into<String>) -> Self {
        Self { severity, place: place.clone(), text: text::one_line(&text.into()) }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// What a message quotes, cut where it is too long to be read.
pub(super) fn brief(text: &str) -> String {
    text::brief(text, LONGEST_QUOTE)
}

const LONGEST_QUOTE: usize = 80;
/// Who has more mistakes than this begins with these.
const MOST_SHOWN: usize = 100;

/// Gathers what reading and checking find, in the order in which they find it.
#[derive(Default, Debug)]
pub(super) struct Findings {
    problems: Vec<Diagnostic>,
    notices: Vec<Diagnostic>,
}

impl Findings {
    pub(super) fn problem(&mut self, place: &Place, text: impl Into<String>) {
        self.problems.push(Diagnostic::new(Severity::Error, place, text));
    }

    pub(super) fn warning(&mut self, place: &Place, text: impl Into<String>) {
        self.notices.push(Diagnostic::new(Severity::Warning, place, text));
    }

    pub(super) fn notice(&mut self, place: &Place, text: impl Into<String>) {
        self.notices.push(Diagnostic::new(Severity::Info, place, text));
    }

    /// The notices where all is right, else the problems. The warnings come with them: what is missing may be what a
    /// misspelt variable holds.
    pub(super) fn close<T>(mut self, found: Option<T>) -> Result<(T, Vec<Diagnostic>), Problems> {
        match found {
            Some(found) if self.problems.is_empty() => Ok((found, self.sorted().1)),
            Some(_) | None => {
                let warnings = self.notices.extract_if(.., |notice| notice.severity == Severity::Warning);
                self.problems.extend(warnings);
                Err(Problems(self.sorted().0))
            }
        }
    }

    /// Problems and notices, sorted by place, each once.
    pub(super) fn sorted(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (in_order(self.problems), in_order(self.notices))
    }
}

fn in_order(mut all: Vec<Diagnostic>) -> Vec<Diagnostic> {
    all.sort_by(|a, b| a.place.cmp(&b.place));
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(all.len());
    for one in all {
        // Duplicates are at the same place.
        if !kept.iter().rev().take_while(|other| other.place == one.place).any(|other| *other == one) {
            kept.push(one);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_twice_is_told_once_and_in_the_order_of_the_file() {
        let (mut findings, file) = (Findings::default(), "vip-manager.yml".into());
        for (line, text) in [(2, "c"), (1, "b"), (1, "a"), (1, "b"), (2, "c")] {
            findings.problem(&Place::line(&file, line), text);
        }
        let problems = findings.close::<()>(None).unwrap_err();
        assert_eq!(problems.to_string(), "vip-manager.yml:1: b\nvip-manager.yml:1: a\nvip-manager.yml:2: c");
    }

    #[test]
    fn a_flood_of_mistakes_is_cut_and_counted() {
        let (mut findings, file) = (Findings::default(), "vip-manager.yml".into());
        for line in 1..=20_000 {
            findings.problem(&Place::line(&file, line), "strange");
        }
        let text = findings.close::<()>(None).unwrap_err().to_string();
        assert_eq!(text.lines().count(), MOST_SHOWN + 1);
        assert!(text.ends_with("\nand 19900 more; is this a vip-manager configuration?"), "{text}");
    }
}
