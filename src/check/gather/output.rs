//! Where the report goes, and what it may look like there.

use std::env;
use std::io::{self, Write};

use crate::check::{Look, Report, json, text};
use crate::terminal::Terminal;

pub(super) fn print(report: &Report, as_json: bool) {
    let shown = if as_json { json(report) } else { text(report, look()) };
    let mut out = io::stdout();
    // Nobody is left to be told where the one who listened has gone.
    drop(out.write_all(shown.as_bytes()).and_then(|()| out.flush()));
}

fn look() -> Look {
    let terminal = Terminal::behind(io::stdout());
    Look {
        width: terminal.map(|terminal| terminal.columns.clamp(NARROWEST, WIDEST)),
        colour: terminal.is_some_and(|terminal| terminal.abilities.colour),
        unicode: has_utf8(|name| env::var(name).ok()),
    }
}

/// Whether the locale says UTF-8; where there is none at all, as under a service manager, so do most readers.
fn has_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

const NARROWEST: usize = 40;
const WIDEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_that_is_set_decides() {
        let with = |pairs: &'static [(&str, &str)]| {
            has_utf8(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(with(&[]));
        assert!(with(&[("LANG", "en_US.UTF-8")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!with(&[("LC_ALL", ""), ("LANG", "POSIX")]));
    }
}
