//! A report for programs: one object with a list of findings.

use std::fmt::Write;

use super::{Finding, Level, Report};

/// The report as JSON, on one line.
pub fn json(report: &Report) -> String {
    let findings: Vec<String> = report.findings.iter().map(finding).collect();
    format!("{{\"ok\":{},\"findings\":[{}]}}\n", report.is_good(), findings.join(","))
}

fn finding(finding: &Finding) -> String {
    let level = match finding.level {
        Level::Good => "ok",
        Level::Caution => "warning",
        Level::Bad => "error",
    };
    let cure = finding.cure.as_deref().map_or_else(|| "null".to_owned(), quoted);
    format!(
        "{{\"id\":{},\"level\":\"{level}\",\"subject\":{},\"finding\":{},\"cure\":{cure}}}",
        quoted(finding.id),
        quoted(&finding.subject),
        quoted(&finding.text),
    )
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _infallible = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_do_not_end_a_text() {
        let report = Report { findings: vec![Finding::bad("id", "a \"b\"", "c\\d", "e")] };
        assert_eq!(
            json(&report),
            "{\"ok\":false,\"findings\":[{\"id\":\"id\",\"level\":\"error\",\"subject\":\"a \\\"b\\\"\",\
             \"finding\":\"c\\\\d\",\"cure\":\"e\"}]}\n"
        );
    }
}
