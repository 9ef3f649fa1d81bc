//! What a check has to say.

use serde::Serialize;

use crate::text::one_line;

/// How a finding is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub enum Level {
    /// As it should be.
    #[serde(rename = "ok")]
    Good,
    /// It may be meant so, or matters only at times.
    #[serde(rename = "warning")]
    Caution,
    /// The VIP cannot come, cannot be reached, or is not safe.
    #[serde(rename = "error")]
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// A short name for programs, the same in every release.
    pub id: &'static str,
    pub level: Level,
    /// What was looked at: an endpoint, a key, an interface.
    pub subject: String,
    #[serde(rename = "finding")]
    pub text: String,
    /// What to do; nothing where nothing is to be done.
    pub cure: Option<String>,
}

impl Finding {
    pub fn good(id: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id, level: Level::Good, subject: subject.into(), text: one_line(&text.into()), cure: None }
    }

    pub fn caution(
        id: &'static str,
        subject: impl Into<String>,
        text: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            id,
            level: Level::Caution,
            subject: subject.into(),
            text: one_line(&text.into()),
            cure: Some(one_line(&cure.into())),
        }
    }

    pub fn bad(id: &'static str, subject: impl Into<String>, text: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            id,
            level: Level::Bad,
            subject: subject.into(),
            text: one_line(&text.into()),
            cure: Some(one_line(&cure.into())),
        }
    }
}

/// All findings, in the order in which one would look.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// Whether nothing keeps the VIP from working.
    pub fn is_good(&self) -> bool {
        self.count(Level::Bad) == 0
    }
}
