//! As much of the language of man pages as the two pages need.
//!
//! Text is written with `*bold*` and `_italic_` around whole words, which is how the sentences of both pages stay
//! readable in their source.

use std::fmt::Write;

/// A page in the making.
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn new(name: &str, section: u8) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self(format!(".TH {} {section} \"\" \"vip-manager {version}\"\n.nh\n.ad l\n", escaped(&name.to_uppercase())))
    }

    pub(crate) fn section(mut self, title: &str) -> Self {
        let _infallible = writeln!(self.0, ".SH {title}");
        self
    }

    /// A paragraph. The first of a section needs no space above it.
    pub(crate) fn text(mut self, text: &str) -> Self {
        let first = self.0.lines().last().is_some_and(|line| line.starts_with(".SH"));
        let _infallible = writeln!(self.0, "{}{}", if first { "" } else { ".PP\n" }, lines(text));
        self
    }

    /// A term, and what it means.
    pub(crate) fn term(mut self, term: &str, meaning: &str) -> Self {
        let _infallible = writeln!(self.0, ".TP\n{}\n{}", line(term), lines(meaning));
        self
    }

    /// One more line under the last term.
    pub(crate) fn also(mut self, text: &str) -> Self {
        let _infallible = writeln!(self.0, ".br\n{}", lines(text));
        self
    }

    /// Lines as they are.
    pub(crate) fn literal(mut self, lines: &str) -> Self {
        let lines: Vec<_> = lines.lines().map(escaped).collect();
        let _infallible = writeln!(self.0, ".PP\n.RS 4\n.nf\n{}\n.fi\n.RE", lines.join("\n"));
        self
    }

    pub(crate) fn done(self) -> String {
        self.0
    }
}

/// Text with its marks carried out, in lines that are not too long.
fn lines(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace().map(word) {
        let length = word.chars().count();
        if width > 0 {
            lines.push(if width + length < WIDTH { ' ' } else { '\n' });
            width = if lines.ends_with('\n') { 0 } else { width + 1 };
        }
        lines.push_str(&word);
        width += length;
    }
    lines
}

/// The same in one line, as a term has to be.
fn line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(word).collect();
    words.join(" ")
}

fn word(word: &str) -> String {
    for (mark, font) in [('*', 'B'), ('_', 'I')] {
        if let Some((before, rest)) = word.split_once(mark)
            && let Some((inside, after)) = rest.rsplit_once(mark)
            && before.chars().all(|c| !c.is_alphanumeric())
            && after.chars().all(|c| !c.is_alphanumeric() || after.starts_with('('))
        {
            return format!("{}\\f{font}{}\\fR{}", escaped(before), escaped(inside), escaped(after));
        }
    }
    escaped(word)
}

/// Text in which nothing means anything to the formatter.
fn escaped(text: &str) -> String {
    let plain = text.replace('\\', "\\e").replace('-', "\\-");
    if plain.starts_with(['.', '\'']) { format!("\\&{plain}") } else { plain }
}

/// What fits on a line of the source.
const WIDTH: usize = 79;
