//! A report for programs: one object with a list of findings.

use serde::Serialize;

use super::{Finding, Report};
use crate::text;

/// The report as JSON, on one line.
pub fn json(report: &Report) -> String {
    text::json(&ReportView { ok: report.is_good(), findings: &report.findings }) + "\n"
}

#[derive(Serialize)]
struct ReportView<'a> {
    ok: bool,
    findings: &'a [Finding],
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
