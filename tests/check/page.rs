//! docs/troubleshooting.md, read as a promise.

use crate::Printed;

const PAGE: &str = include_str!("../../docs/troubleshooting.md");
const TESTS: &str = concat!(
    include_str!("announcements.rs"),
    include_str!("claims.rs"),
    include_str!("clouds.rs"),
    include_str!("consul.rs"),
    include_str!("endpoints.rs"),
    include_str!("etcd2.rs"),
    include_str!("interfaces.rs"),
    include_str!("keys.rs"),
    include_str!("kubernetes.rs"),
    include_str!("machine.rs"),
    include_str!("postgres.rs"),
    include_str!("rest.rs"),
    include_str!("rivals.rs"),
    include_str!("skew.rs"),
    include_str!("zookeeper.rs")
);

struct Row {
    name: String,
    line: String,
    cure: String,
}

/// A row is a heading with its name, and a block with the line and its cure, both wrapped.
fn rows() -> impl Iterator<Item = Row> {
    PAGE.split("\n### `").skip(1).map(|section| {
        let mut parts = section.split("```");
        let name = parts.next().unwrap().split('`').next().unwrap().to_owned();
        let block: Vec<&str> = parts.next().unwrap().split_whitespace().collect();
        let block = block.join(" ");
        let (line, cure) = block.split_once(" → ").unwrap();
        Row { name, line: line.to_owned(), cure: cure.to_owned() }
    })
}

impl Printed {
    /// The row of this name is what was printed: its line, and its cure on the next.
    #[track_caller]
    pub(crate) fn shows(&self, name: &str) {
        let row = rows().find(|row| row.name == name);
        let Some(row) = row else { panic!("docs/troubleshooting.md has no row {name}; printed was\n{}", self.text) };
        let lines: Vec<&str> = self.text.lines().collect();
        let cure = format!("→ {}", row.cure);
        let found = lines.windows(2).any(|pair| fits(pair[0], &row.line) && fits(pair[1].trim(), &cure));
        assert!(found, "row {name} promises\n{}\n    {cure}\nand printed was\n{}", row.line, self.text);
        assert_eq!(self.status, Some(i32::from(self.text.contains("✗ "))), "{}", self.text);
    }
}

/// Whether the line is the promised one, where … stands for anything.
fn fits(line: &str, promised: &str) -> bool {
    let mut parts = promised.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn every_row_of_the_document_has_a_test() {
    let missing: Vec<_> = rows().map(|row| row.name).filter(|name| !TESTS.contains(&format!("\"{name}\""))).collect();
    assert_eq!(missing, Vec::<String>::new());
    assert!(rows().count() >= 20, "{} rows", rows().count());
}

#[test]
fn a_line_fits_its_row_except_for_the_gaps() {
    assert!(fits("abc 12 def 3", "abc … def …"));
    assert!(fits("abc", "abc"));
    assert!(!fits("abc 12 def", "abc … xyz"));
    assert!(!fits("abcd", "abc"));
}
