//! Text for people: the one place that escapes, shortens, lists and spells durations.

use std::time::Duration;

use serde::Serialize;

/// The text without anything that ends a line or moves a cursor: `a\nb` for a line break, `\u{1b}` for an escape.
///
/// A key's value or a server's error message can hold anything.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// The first `longest` characters, with an ellipsis where there are more.
pub fn brief(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// "a", "a and b", "a, b and c", with `and` as the last conjunction. Empty for no words.
pub fn list<T: AsRef<str>>(words: &[T], and: &str) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {and} {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// A duration with one decimal, in the unit that keeps it short: `12.3 ms`, `4.5 s`, `3.0 min`, `7.1 h`, `2.0 d`.
pub fn span(span: Duration) -> String {
    let tenths = |amount: u128, unit: &str| format!("{}.{} {unit}", amount / 10, amount % 10);
    match span.as_secs() {
        0 => tenths(span.as_micros() / 100, "ms"),
        1..120 => tenths(span.as_millis() / 100, "s"),
        120..7200 => tenths(span.as_millis() / 6_000, "min"),
        7200..172_800 => tenths(span.as_millis() / 360_000, "h"),
        _ => tenths(span.as_millis() / 8_640_000, "d"),
    }
}

/// The value as JSON on one line, with every control character escaped.
///
/// serde_json leaves DEL and the C1 control characters as they are, and a terminal may obey them. Compact JSON has
/// control characters inside strings only, so escaping what is left of them is always right.
pub fn json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() { line.push_str(&format!("\\u{:04x}", u32::from(c))) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_everything_else_is_kept() {
        assert_eq!(one_line("pg1\n<0>fake\x1b[31m\tä"), r"pg1\n<0>fake\u{1b}[31m\tä");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(brief("äöü", 3), "äöü");
        assert_eq!(brief("äöü", 2), "äö…");
    }

    #[test]
    fn a_list_ends_with_its_conjunction() {
        assert_eq!(list(&["a"; 0], "or"), "");
        assert_eq!(list(&["a"], "or"), "a");
        assert_eq!(list(&["a", "b", "c"], "or"), "a, b or c");
    }

    #[test]
    fn a_duration_is_spelled_in_the_unit_that_keeps_it_short() {
        for (milliseconds, spelled) in [
            (0, "0.0 ms"),
            (999, "999.0 ms"),
            (119_999, "119.9 s"),
            (120_000, "2.0 min"),
            (7_200_000, "2.0 h"),
            (172_800_000, "2.0 d"),
        ] {
            assert_eq!(span(Duration::from_millis(milliseconds)), spelled);
        }
    }

    #[test]
    fn foreign_text_cannot_leave_its_quotes_or_command_a_terminal() {
        let text = "a\"b\\c\nd</script>\u{1b}\u{7f}\u{9b}";
        let shown = json(&text);
        assert_eq!(shown, r#""a\"b\\c\nd</script>\u001b\u007f\u009b""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
