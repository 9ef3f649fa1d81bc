//! YAML as a tree in which every node knows its line and every scalar keeps its literal text.
//!
//! It is built from the parser's events rather than through serde: a deserializer stops at its first mistake and turns
//! `001` and `1e3` into numbers before anybody could ask whether a text was meant. See `docs/decisions/yaml-parser.md`.

use std::collections::BTreeMap;
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

/// One node of the document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) content: Content,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    Null,
    Scalar(String),
    List(Vec<Rc<Node>>),
    Mapping(Vec<Pair>),
}

/// A key and its value.
pub(crate) type Pair = (Rc<Node>, Rc<Node>);

/// Why a text is no YAML that could be a configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum YamlError {
    #[error("YAML does not allow a tab for indentation; use spaces")]
    Tab { line: usize, column: usize },
    #[error(
        "invalid YAML: {why}; expected lines such as \"key: value\", with a space after the colon, and quotes \
         around a value that contains \": \""
    )]
    Syntax { line: usize, column: usize, why: String },
    #[error("a second YAML document starts here; expected only one")]
    SecondDocument { line: usize },
    // What follows the sign may be a password that wants quotes, so it is not repeated.
    #[error("a value begins with \"{sign}\", which is special in YAML; put the value in quotes")]
    Sign { line: usize, sign: char },
    #[error("aliases expand to more than {LARGEST_TREE} nodes; is this a vip-manager configuration?")]
    TooMany { line: usize },
    #[error("the document ends in the middle of a value")]
    Cut { line: usize },
}

impl YamlError {
    /// Line and column, both counted from 1; a column of 0 where the line says enough.
    pub(crate) fn position(&self) -> (usize, usize) {
        match self {
            Self::Tab { line, column } | Self::Syntax { line, column, .. } => (*line, *column),
            Self::SecondDocument { line } | Self::Sign { line, .. } | Self::TooMany { line } | Self::Cut { line } => {
                (*line, 0)
            }
        }
    }
}

/// The document of a text; nothing where it holds only blanks and comments.
pub(crate) fn parse(text: &str) -> Result<Option<Rc<Node>>, YamlError> {
    let mut options = Options::default();
    options.block_nesting_limit = DEEPEST;
    options.flow_nesting_limit = DEEPEST;
    let mut reader = Reader {
        text,
        parser: Parser::new_from_str_with_options(text, options),
        anchors: BTreeMap::new(),
        nodes: 0,
        line: 1,
    };
    reader.document()
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, (Rc<Node>, usize)>,
    /// How many nodes a walk over the tree would meet, aliases followed.
    nodes: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Rc<Node>>, YamlError> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(YamlError::SecondDocument { line: span.start.line() });
                }
                event if event.is_node() => root = Some(self.node(event, span)?),
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok((event, span))
            }
            Some(Err(error)) => Err(syntax(&error, self.text)),
            None => Err(YamlError::Cut { line: self.line }),
        }
    }

    /// The node that begins with this event. Its depth is bounded by the parser's own limits.
    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Rc<Node>, YamlError> {
        let line = span.start.line();
        let before = self.nodes;
        self.nodes += 1;
        refuse_tag(event.tag(), line)?;
        let anchor = event.anchor_id();
        let content = match event {
            Event::Scalar(text, style, ..) => scalar(text.into_owned(), style),
            Event::SequenceStart(..) => Content::List(self.list()?),
            Event::MappingStart(..) => Content::Mapping(self.mapping()?),
            Event::Alias(id) => return self.alias(id, line),
            _ => return Err(YamlError::Cut { line }),
        };
        let node = Rc::new(Node { line, content });
        if let Some(anchor) = anchor {
            if node.content == Content::Null {
                return Err(YamlError::Sign { line, sign: '&' });
            }
            self.anchors.insert(anchor, (Rc::clone(&node), self.nodes - before));
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Vec<Rc<Node>>, YamlError> {
        let mut elements = Vec::new();
        while let Some(element) = self.child()? {
            elements.push(element);
        }
        Ok(elements)
    }

    fn mapping(&mut self) -> Result<Vec<Pair>, YamlError> {
        let mut pairs = Vec::new();
        while let Some(key) = self.child()? {
            let value = self.child()?.ok_or(YamlError::Cut { line: key.line })?;
            pairs.push((key, value));
        }
        Ok(pairs)
    }

    /// The next node of a list or mapping; nothing at its end.
    fn child(&mut self) -> Result<Option<Rc<Node>>, YamlError> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::SequenceEnd | Event::MappingEnd => return Ok(None),
                event if event.is_node() => return self.node(event, span).map(Some),
                _ => {}
            }
        }
    }

    fn alias(&mut self, id: usize, line: usize) -> Result<Rc<Node>, YamlError> {
        let (node, size) = self.anchors.get(&id).ok_or(YamlError::Cut { line })?;
        self.nodes += size;
        if self.nodes > LARGEST_TREE {
            return Err(YamlError::TooMany { line });
        }
        Ok(Rc::clone(node))
    }
}

fn scalar(text: String, style: ScalarStyle) -> Content {
    let unquoted = matches!(style, ScalarStyle::Plain);
    if unquoted && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        Content::Null
    } else {
        Content::Scalar(text)
    }
}

/// The tags of YAML's own schema say nothing that the table of keys does not know better; others would be ignored
/// in silence.
fn refuse_tag(tag: Option<&Tag>, line: usize) -> Result<(), YamlError> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => Err(YamlError::Sign { line, sign: '!' }),
        Some(_) | None => Ok(()),
    }
}

fn syntax(error: &ScanError, text: &str) -> YamlError {
    let (line, column) = (error.marker().line(), error.marker().col() + 1);
    match error.kind() {
        ErrorKind::TabInIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInPlainScalar => tab(text, line, column),
        ErrorKind::UnknownAnchor => YamlError::Sign { line, sign: '*' },
        ErrorKind::UnexpectedCharacter { character } => YamlError::Sign { line, sign: *character },
        kind => YamlError::Syntax { line, column, why: kind.to_string() },
    }
}

/// The parser may point to the beginning of the value that the tab ends up in: look for the tab itself.
fn tab(text: &str, line: usize, column: usize) -> YamlError {
    let indented = |text: &str| text.trim_start_matches(' ').starts_with('\t').then(|| text.find('\t')).flatten();
    let mut lines = text.lines().enumerate().skip(line.saturating_sub(1));
    let found = lines.find_map(|(row, text)| indented(text).map(|column| (row + 1, column + 1)));
    let (line, column) = found.unwrap_or((line, column));
    YamlError::Tab { line, column }
}

/// A configuration is four levels deep.
const DEEPEST: usize = 16;
const LARGEST_TREE: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// A document that counts six nodes and two more for each alias: the alias, and what it refers to.
    fn aliases(count: usize) -> Result<Option<Rc<Node>>, YamlError> {
        parse(&format!("a: &a x\nb: [x{}]\n", ",*a".repeat(count)))
    }

    #[test]
    fn what_aliases_stand_for_is_counted() {
        assert!(aliases((LARGEST_TREE - 6) / 2).is_ok());
        assert_eq!(aliases((LARGEST_TREE - 6) / 2 + 1), Err(YamlError::TooMany { line: 2 }));
    }

    #[test]
    fn only_the_tags_of_yaml_itself_are_passed_over() {
        assert_eq!(parse("a: !!str x"), parse("a: x"));
        assert_eq!(parse("a: !x y"), Err(YamlError::Sign { line: 1, sign: '!' }));
    }
}
