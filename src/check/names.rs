//! Which name was meant: the mistakes that people make with the names of members.

use crate::config::keys::nearest_of;

/// How a name is related to one that was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kinship {
    /// They differ in capitals alone.
    Case(String),
    /// One is the other with a domain behind it.
    Domain(String),
    /// They look alike.
    Near(String),
}

/// The name among `known` that whoever wrote `text` meant, if one comes near.
pub fn meant<T: AsRef<str>>(text: &str, known: &[T]) -> Option<Kinship> {
    let text = text.trim();
    let names = || known.iter().map(AsRef::as_ref);
    let find = |same: &dyn Fn(&str) -> bool| names().find(|name| same(name)).map(str::to_owned);
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_lowercase();
    let in_other_case = |name: &str| name.to_lowercase() == text.to_lowercase();
    let with_domain = |name: &str| short(name) == short(text) && name.contains('.') != text.contains('.');
    // pg1 and pg2 are neighbours, not slips of the pen.
    let digits = |name: &str| name.chars().filter(char::is_ascii_digit).collect::<String>();
    let alike = || names().filter(|name| digits(name) == digits(text)).map(|name| (name, name));
    let near = || nearest_of(text, alike()).map(str::to_owned);
    find(&in_other_case)
        .map(Kinship::Case)
        .or_else(|| find(&with_domain).map(Kinship::Domain))
        .or_else(|| near().map(Kinship::Near))
}

/// "a", "a and b", "a, b and c"; the first few where there are many.
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    const MOST: usize = 6;
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    match (shown.split_last(), names.len().saturating_sub(MOST)) {
        (None, _) => "nobody".to_owned(),
        (Some(_), more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        (Some((last, [])), 0) => (*last).to_owned(),
        (Some((last, rest)), 0) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_domains_and_slips_are_told_apart() {
        let known = ["pg-node1", "PG2", "pg3.example.org"];
        assert_eq!(meant("pg2", &known), Some(Kinship::Case("PG2".into())));
        assert_eq!(meant("pg3", &known), Some(Kinship::Domain("pg3.example.org".into())));
        assert_eq!(meant("pg-node1.example.org", &known), Some(Kinship::Domain("pg-node1".into())));
        assert_eq!(meant("pg-node-1", &known), Some(Kinship::Near("pg-node1".into())));
        assert_eq!(meant("something-else", &known), None);
        assert_eq!(meant("pg-node2", &known), None);
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(listed::<&str>(&[]), "nobody");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert_eq!(listed(&["a", "b", "c", "d", "e", "f", "g", "h"]), "a, b, c, d, e, f and 2 more");
    }
}
