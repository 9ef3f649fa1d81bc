//! A report for programs: one object with a list of findings.

use super::{Finding, Level, Report};
use crate::json::Json;

/// The report as JSON, on one line.
pub fn json(report: &Report) -> String {
    let report = Json::Object(vec![
        ("ok", Json::Bool(report.is_good())),
        ("findings", Json::List(report.findings.iter().map(finding).collect())),
    ]);
    format!("{report}\n")
}

fn finding(finding: &Finding) -> Json {
    let level = match finding.level {
        Level::Good => "ok",
        Level::Caution => "warning",
        Level::Bad => "error",
    };
    Json::Object(vec![
        ("id", Json::text(finding.id)),
        ("level", Json::text(level)),
        ("subject", Json::text(&finding.subject)),
        ("finding", Json::text(&finding.text)),
        ("cure", Json::or_null(finding.cure.as_ref(), Json::text)),
    ])
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
