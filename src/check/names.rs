//! Which name was meant: common mistakes in the names of members.

use std::fmt;

use crate::config::keys::nearest_of;
use crate::text;

/// The name that was meant, and how what was written differs from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meant {
    pub name: String,
    pub by: Difference,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difference {
    Blanks,
    Quotes,
    Case,
    /// One is the other with a domain appended.
    Domain,
    Letters,
}

impl Difference {
    /// Whether the names differ only in what surrounds them.
    pub const fn is_around(self) -> bool {
        match self {
            Self::Blanks | Self::Quotes => true,
            Self::Case | Self::Domain | Self::Letters => false,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blanks => "they differ only in whitespace",
            Self::Quotes => "they differ only in quotes",
            Self::Case => "they differ only in case",
            Self::Domain => "one has a domain and the other does not",
            Self::Letters => "they are similar",
        })
    }
}

/// The name among `known` that whoever wrote `text` meant, if one comes near.
pub fn meant<T: AsRef<str>>(text: &str, known: &[T]) -> Option<Meant> {
    let names = || known.iter().map(AsRef::as_ref);
    let same = |by, form: &dyn Fn(&str) -> String| {
        let name = names().find(|name| form(name) == form(text))?;
        Some(Meant { name: name.to_owned(), by })
    };
    let lower = |name: &str| bare(name).to_lowercase();
    same(Difference::Blanks, &|name| name.trim().to_owned())
        .or_else(|| same(Difference::Quotes, &|name| bare(name).to_owned()))
        .or_else(|| same(Difference::Case, &lower))
        .or_else(|| {
            let text = lower(text);
            let name = names().find(|name| has_domain_more(&text, &lower(name)))?;
            Some(Meant { name: name.to_owned(), by: Difference::Domain })
        })
        .or_else(|| {
            // pg1 and pg2 are neighbours, not typos.
            let digits = |name: &str| name.chars().filter(char::is_ascii_digit).collect::<String>();
            let alike = names().filter(|name| digits(name) == digits(text)).map(|name| (name, name));
            let name = nearest_of(text.trim(), alike)?;
            Some(Meant { name: name.to_owned(), by: Difference::Letters })
        })
}

/// A name without the blanks and quotes around it.
pub fn bare(name: &str) -> &str {
    name.trim_matches(|c: char| c.is_whitespace() || QUOTES.contains(&c))
}

/// Whether one of the two is the other with a domain appended.
fn has_domain_more(one: &str, other: &str) -> bool {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    short(one) == short(other) && one.contains('.') != other.contains('.')
}

/// "a", "a and b", "a, b and c"; the first few where there are many.
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    const MOST: usize = 6;
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    match (shown.split_last(), names.len().saturating_sub(MOST)) {
        (None, _) => "nobody".to_owned(),
        (Some(_), more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        (Some(_), 0) => text::list(&shown, "and"),
    }
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_quotes_case_domains_and_typos_are_distinguished() {
        let known = ["pg-node1", "PG2", "pg3.example.org", "\"pg4\"", "pg5\n"];
        let told = |text| meant(text, &known).map(|meant| (meant.name, meant.by));
        assert_eq!(told("pg2"), Some(("PG2".into(), Difference::Case)));
        assert_eq!(told("pg3"), Some(("pg3.example.org".into(), Difference::Domain)));
        assert_eq!(told("pg-node1.example.org"), Some(("pg-node1".into(), Difference::Domain)));
        assert_eq!(told("pg-node-1"), Some(("pg-node1".into(), Difference::Letters)));
        assert_eq!(told("pg4"), Some(("\"pg4\"".into(), Difference::Quotes)));
        assert_eq!(told("'pg-node1'"), Some(("pg-node1".into(), Difference::Quotes)));
        assert_eq!(told("pg5"), Some(("pg5\n".into(), Difference::Blanks)));
        assert_eq!(told(" pg-node1"), Some(("pg-node1".into(), Difference::Blanks)));
        assert_eq!(told("something-else"), None);
        assert_eq!(told("pg-node2"), None);
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(listed::<&str>(&[]), "nobody");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert_eq!(listed(&["a", "b", "c", "d", "e", "f", "g", "h"]), "a, b, c, d, e, f and 2 more");
    }
}
