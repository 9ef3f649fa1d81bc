//! Wraps text at eighty columns, with colour on request.
//!
//! Keys' values and endpoints' error messages come from outside. They cannot reach the terminal as commands: those come
//! from a [`Style`] only.

use std::fmt::Write as _;

use crate::terminal::{Colour, Style};
use crate::text::one_line;

/// A text under construction.
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

    /// An empty line between two blocks.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Indented words.
    pub(super) fn words(&mut self, indent: &str, text: &str) {
        self.fill(indent, indent, &[(Style::Plain, text)]);
    }

    /// Indented words with styles; continuation lines are indented further.
    pub(super) fn styled(&mut self, indent: &str, pieces: &[(Style, &str)]) {
        self.fill(indent, &format!("{indent}    "), pieces);
    }

    /// A name and its value; continuation lines are aligned with the value.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        self.fill(&format!("  {name:<NAME$}"), &" ".repeat(NAME + 2), &[(Style::Plain, value)]);
    }

    /// Wraps words. A word that is longer than a line is split.
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
                line.push_str(&style.paint(&word, self.colour));
                (used, empty) = (used + width, false);
            }
        }
        self.line(line.trim_end());
    }

    fn line(&mut self, line: &str) {
        let _infallible = writeln!(self.text, "{line}");
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
    fn a_word_longer_than_a_line_is_split_without_loss() {
        let long = "x".repeat(190);
        let mut layout = Layout::new(Colour::No);
        layout.field("key", &format!("{long} (absent)"));
        let text = layout.finish();
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert_eq!(text.matches('x').count(), 190, "{text}");
        assert!(text.starts_with("  key        xxx") && text.ends_with("x (absent)\n"), "{text}");
    }

    #[test]
    fn colour_takes_no_columns_and_foreign_commands_stay_text() {
        let pieces = [(Style::BoldGreen, "held"), (Style::Plain, "\u{1b}[31mred\nnext")];
        let mut layout = Layout::new(Colour::Yes);
        layout.styled("", &pieces);
        assert_eq!(layout.finish(), "\u{1b}[1;32mheld\u{1b}[0m \\u{1b}[31mred\\nnext\n");
        let mut layout = Layout::new(Colour::Yes);
        layout.styled("", &[(Style::Green, &"w ".repeat(40)), (Style::Plain, "end")]);
        assert_eq!(layout.finish().lines().count(), 2, "forty letters and their spaces fit eighty columns");
    }
}
