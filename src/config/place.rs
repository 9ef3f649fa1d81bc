//! Where a value was given, so that every message can point to it.

use std::fmt;
use std::sync::Arc;

/// A place that a user can go to and mend. Ordered by precedence, the strongest first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// A flag, as it was written: `--iface`.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A line of the file; 0 for the file as a whole. The column is 0 where the line says enough.
    Line { path: Arc<str>, line: usize, column: usize },
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
