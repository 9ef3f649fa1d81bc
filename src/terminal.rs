//! Colour, and the terminal behind an output: its size and its abilities.
//!
//! Everything that is coloured or repainted asks here, so that `NO_COLOR` (<https://no-color.org>) and `TERM=dumb` mean
//! the same everywhere. [`Colour`] and [`Style`] are pure; asking the terminal needs the feature `daemon`.

use std::fmt::Display;
use std::io::Write;

/// Writes and flushes, and says whether that worked. If it did not, the reader is gone and there is nobody to tell.
pub fn write(mut to: impl Write, what: impl Display) -> bool {
    write!(to, "{what}").and_then(|()| to.flush()).is_ok()
}

/// Whether a text may contain colour codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    No,
    Yes,
}

impl Colour {
    pub const fn allowed(allowed: bool) -> Self {
        if allowed { Self::Yes } else { Self::No }
    }
}

/// How a word is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    Plain,
    Bold,
    Faint,
    Red,
    Green,
    Yellow,
    Blue,
    BoldRed,
    BoldGreen,
    BoldYellow,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Faint => "2",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Blue => "34",
            Self::BoldRed => "1;31",
            Self::BoldGreen => "1;32",
            Self::BoldYellow => "1;33",
        }
    }

    /// The text in this style, if colour is allowed.
    pub fn paint(self, text: &str, colour: Colour) -> String {
        match (colour, self) {
            (Colour::No, _) | (Colour::Yes, Self::Plain) => text.to_owned(),
            (Colour::Yes, _) => format!("\x1b[{}m{text}\x1b[0m", self.code()),
        }
    }
}

#[cfg(feature = "daemon")]
pub(crate) use behind::Terminal;

#[cfg(feature = "daemon")]
mod behind {
    use std::env;
    use std::ffi::OsStr;
    use std::io::IsTerminal;
    use std::os::fd::AsFd;

    use terminal_size::{Height, Width, terminal_size_of};

    /// A terminal and its size in characters.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Terminal {
        pub(crate) columns: usize,
        pub(crate) rows: usize,
        pub(crate) abilities: Abilities,
    }

    /// What it accepts besides text.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Abilities {
        pub(crate) colour: bool,
        /// The cursor can be moved.
        pub(crate) cursor: bool,
    }

    impl Terminal {
        /// The terminal behind this output, if there is one.
        pub(crate) fn behind(output: impl AsFd + IsTerminal) -> Option<Self> {
            let (columns, rows) = match output.is_terminal().then(|| terminal_size_of(output))? {
                // A serial line does not know its size.
                Some((Width(columns), Height(rows))) if columns > 0 && rows > 0 => (columns.into(), rows.into()),
                Some(_) | None => USUAL,
            };
            let (term, no_color) = (env::var_os("TERM"), env::var_os("NO_COLOR"));
            Some(Self { columns, rows, abilities: Abilities::from_env(term.as_deref(), no_color.as_deref()) })
        }
    }

    impl Abilities {
        fn from_env(term: Option<&OsStr>, no_color: Option<&OsStr>) -> Self {
            let cursor = term.is_some_and(|term| !term.is_empty() && term != "dumb");
            Self { colour: cursor && no_color.is_none_or(OsStr::is_empty), cursor }
        }
    }

    const USUAL: (usize, usize) = (80, 24);

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn term_and_no_color_decide_about_colour() {
            for (term, no_color, colour, cursor) in [
                (Some("xterm-256color"), None, true, true),
                (Some("xterm"), Some(""), true, true),
                (Some("xterm"), Some("0"), false, true),
                (Some("dumb"), None, false, false),
                (Some(""), None, false, false),
                (None, None, false, false),
            ] {
                let found = Abilities::from_env(term.map(OsStr::new), no_color.map(OsStr::new));
                assert_eq!(found, Abilities { colour, cursor }, "TERM={term:?} NO_COLOR={no_color:?}");
            }
        }

        #[test]
        fn a_file_is_not_a_terminal() {
            assert_eq!(Terminal::behind(std::fs::File::open("/dev/null").unwrap()), None);
        }
    }
}
