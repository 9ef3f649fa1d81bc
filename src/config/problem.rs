//! What is wrong with a configuration, all of it at once, and what is worth a word although it is right.
//!
//! A problem is a place and a sentence, not a variant of an enum: nobody decides by it, somebody reads it.

use std::fmt;

use super::place::Place;

/// One mistake: where it stands, what was found, what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    pub place: Place,
    pub text: String,
}

/// Every mistake of a configuration, sorted by place. Never empty where it is an error.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Problems(Vec<Problem>);

/// Something that works and that its author would want to know: a historic name, a setting without effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    pub place: Place,
    pub text: String,
}

impl Problems {
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (row, problem) in self.0.iter().enumerate() {
            let newline = if row == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// The text with nothing in it that would move a cursor: what it quotes may hold anything.
pub(super) fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(plain).collect()
}

/// What a message quotes, cut where it is too long to be read.
pub(super) fn brief(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

const LONGEST_QUOTE: usize = 80;

/// Gathers what reading and checking find, in the order in which they find it.
#[derive(Default, Debug)]
pub(super) struct Findings {
    problems: Vec<Problem>,
    notices: Vec<Notice>,
}

impl Findings {
    pub(super) fn problem(&mut self, place: &Place, text: impl Into<String>) {
        let problem = Problem { place: place.clone(), text: one_line(&text.into()) };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn notice(&mut self, place: &Place, text: impl Into<String>) {
        let notice = Notice { place: place.clone(), text: one_line(&text.into()) };
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// The notices where all is right, else the problems.
    pub(super) fn close<T>(self, found: Option<T>) -> Result<(T, Vec<Notice>), Problems> {
        let (problems, notices) = self.sorted();
        match found {
            Some(found) if problems.is_empty() => Ok((found, notices)),
            Some(_) | None => Err(Problems(problems)),
        }
    }

    /// Problems and notices, sorted by place.
    pub(super) fn sorted(mut self) -> (Vec<Problem>, Vec<Notice>) {
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
        self.notices.sort_by(|a, b| a.place.cmp(&b.place));
        (self.problems, self.notices)
    }
}
