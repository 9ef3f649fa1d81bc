//! Output for people: whether it leads to a terminal, its size, and what it understands.
//!
//! Everything that colours or paints asks here, so that `NO_COLOR` (<https://no-color.org>) and a dumb terminal mean the
//! same everywhere.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

use terminal_size::{Height, Width, terminal_size_of};

/// Writes and flushes, and says whether that worked. If it did not, the reader is gone and there is nobody to tell.
pub fn write(mut to: impl Write, what: impl Display) -> bool {
    write!(to, "{what}").and_then(|()| to.flush()).is_ok()
}

/// A terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Terminal {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) abilities: Abilities,
}

/// What may be sent to it beside text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Abilities {
    pub(crate) colour: bool,
    /// The cursor can be sent somewhere else.
    pub(crate) cursor: bool,
}

impl Terminal {
    /// The one behind this output.
    pub(crate) fn behind(output: impl AsFd + IsTerminal) -> Option<Self> {
        let (columns, rows) = match output.is_terminal().then(|| terminal_size_of(output))? {
            // A serial line knows no size.
            Some((Width(columns), Height(rows))) if columns > 0 && rows > 0 => (columns.into(), rows.into()),
            Some(_) | None => USUAL,
        };
        let (term, no_color) = (env::var_os("TERM"), env::var_os("NO_COLOR"));
        Some(Self { columns, rows, abilities: Abilities::told_by(term.as_deref(), no_color.as_deref()) })
    }
}

impl Abilities {
    fn told_by(term: Option<&OsStr>, no_color: Option<&OsStr>) -> Self {
        let cursor = term.is_some_and(|term| !term.is_empty() && term != "dumb");
        Self { colour: cursor && no_color.is_none_or(OsStr::is_empty), cursor }
    }
}

const USUAL: (usize, usize) = (80, 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_who_takes_it_and_did_not_say_no() {
        for (term, no_color, colour, cursor) in [
            (Some("xterm-256color"), None, true, true),
            (Some("xterm"), Some(""), true, true),
            (Some("xterm"), Some("0"), false, true),
            (Some("dumb"), None, false, false),
            (Some(""), None, false, false),
            (None, None, false, false),
        ] {
            let told = Abilities::told_by(term.map(OsStr::new), no_color.map(OsStr::new));
            assert_eq!(told, Abilities { colour, cursor }, "TERM={term:?} NO_COLOR={no_color:?}");
        }
    }

    #[test]
    fn what_is_no_terminal_is_none() {
        assert_eq!(Terminal::behind(std::fs::File::open("/dev/null").unwrap()), None);
    }
}
