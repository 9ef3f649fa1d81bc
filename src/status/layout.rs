//! Lines of eighty columns: words as they fit, and colour where it is wanted.
//!
//! Some of what is written comes from outside: a key's value, the words of a member of etcd. None of it reaches the
//! terminal as a command, since commands come from an [`Style`] and from nowhere else.

use std::fmt::Write as _;

use super::text::Colour;
use crate::text::one_line;

/// How a word is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    Plain,
    Bold,
    Green,
    Yellow,
    Red,
    BoldGreen,
    BoldYellow,
    BoldRed,
}

impl Style {
    /// What the terminal calls it.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Green => Some("32"),
            Self::Yellow => Some("33"),
            Self::Red => Some("31"),
            Self::BoldGreen => Some("1;32"),
            Self::BoldYellow => Some("1;33"),
            Self::BoldRed => Some("1;31"),
        }
    }
}

/// A text in the making.
#[derive(Debug)]
pub(super) struct Layout {
    text: String,
    colour: Colour,
}

impl Layout {
    pub(super) const fn new(colour: Colour) -> Self {
        Self { text: String::new(), colour }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// An empty line between what stands there and what comes.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Words after an indent.
    pub(super) fn words(&mut self, indent: &str, text: &str) {
        self.fill(indent, indent, &[(Style::Plain, text)]);
    }

    /// Words in style after an indent; what does not fit goes on further in.
    pub(super) fn inked(&mut self, indent: &str, pieces: &[(Style, &str)]) {
        self.fill(indent, &format!("{indent}    "), pieces);
    }

    /// A name and its value; further lines of the value stand under it.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        self.fill(&format!("  {name:<NAME$}"), &" ".repeat(NAME + 2), &[(Style::Plain, value)]);
    }

    /// Words as they fit. One that is longer than a line goes on in the next.
    fn fill(&mut self, first: &str, next: &str, pieces: &[(Style, &str)]) {
        let (mut line, mut used, mut empty) = (first.to_owned(), first.len(), true);
        for (style, text) in pieces {
            for word in one_line(text).split_whitespace().flat_map(|word| cut(word, COLUMNS - next.len())) {
                let width = word.chars().count();
                if !empty && used + 1 + width > COLUMNS {
                    self.line(&line);
                    (line, used, empty) = (next.to_owned(), next.len(), true);
                }
                if !empty {
                    line.push(' ');
                    used += 1;
                }
                line.push_str(&self.written(*style, &word));
                (used, empty) = (used + width, false);
            }
        }
        self.line(line.trim_end());
    }

    fn line(&mut self, line: &str) {
        let _infallible = writeln!(self.text, "{line}");
    }

    fn written(&self, style: Style, word: &str) -> String {
        match (self.colour, style.code()) {
            (Colour::Yes, Some(code)) => format!("\x1b[{code}m{word}\x1b[0m"),
            (Colour::Yes, None) | (Colour::No, _) => word.to_owned(),
        }
    }
}

/// Pieces of at most `most` characters.
fn cut(word: &str, most: usize) -> Vec<String> {
    word.chars().collect::<Vec<_>>().chunks(most).map(|piece| piece.iter().collect()).collect()
}

const COLUMNS: usize = 80;
const NAME: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_longer_than_a_line_is_cut_and_loses_nothing() {
        let long = "x".repeat(190);
        let mut layout = Layout::new(Colour::No);
        layout.field("key", &format!("{long} (absent)"));
        let text = layout.finish();
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert_eq!(text.matches('x').count(), 190, "{text}");
        assert!(text.starts_with("  key        xxx") && text.ends_with("x (absent)\n"), "{text}");
    }

    #[test]
    fn colour_takes_no_room_and_a_foreign_command_stays_text() {
        let pieces = [(Style::BoldGreen, "held"), (Style::Plain, "\u{1b}[31mred\nnext")];
        let mut layout = Layout::new(Colour::Yes);
        layout.inked("", &pieces);
        assert_eq!(layout.finish(), "\u{1b}[1;32mheld\u{1b}[0m \\u{1b}[31mred\\nnext\n");
        let mut layout = Layout::new(Colour::Yes);
        layout.inked("", &[(Style::Green, &"w ".repeat(40)), (Style::Plain, "end")]);
        assert_eq!(layout.finish().lines().count(), 2, "eighty columns hold forty letters and their blanks");
    }
}
