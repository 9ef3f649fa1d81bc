//! The report: an HTML page with one picture per case, and a Markdown table.

use std::fmt::Write as _;

use crate::case::Case;
use crate::picture::{escaped, svg};
use crate::record::Record;

/// The outcome of a case.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) case: Case,
    /// None if the case failed before its end.
    pub(crate) record: Option<Record>,
    /// What is wrong. Empty if the case passed.
    pub(crate) failures: String,
}

const STYLE: &str = ":root{color-scheme:light dark;--style:light-dark(#1c2024,#e6e8ea);--paper:light-dark(#fff,#16181b);\
--soft:light-dark(#60676e,#9aa2aa);--line:light-dark(#dfe3e6,#33383d);--held:light-dark(#1a7f4b,#3fb97a);\
--key:light-dark(#3b62c4,#7d9df0);--fault:light-dark(#c2410c,#f08a4b);--bad:light-dark(#b91c1c,#f87171)}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--style);background:var(--paper);max-width:1180px;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;width:100%;font-size:13px}td,th{text-align:left;padding:3px 8px;border-bottom:1px solid var(--line);vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.w,td.good{white-space:nowrap}a{color:inherit}h2{margin:2em 0 0;font-size:17px}p{margin:.2em 0;color:var(--soft)}\
.good{color:var(--held)}.bad{color:var(--bad);font-weight:600}svg{width:100%;height:auto;margin-top:.4em}\
.shade{fill:var(--fault);opacity:.08}.fault{fill:var(--fault);opacity:.55}.key{fill:var(--key);opacity:.5}.held{fill:var(--held)}\
.answered{fill:var(--held);opacity:.25}.silence{fill:var(--bad)}.announced{stroke:var(--style);stroke-width:1}\
svg text{font:11px system-ui,sans-serif;fill:var(--style)}svg .axis,svg .label{fill:var(--soft)}";

/// The whole page.
pub(crate) fn html(outcomes: &[Outcome]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>vip-manager: faults</title>\n<style>{STYLE}</style>\n\
         <h1>Faults on the real binary</h1>\n<p>{}</p>\n<table><tr><th>case<th>what happens<th>daemon<th>overlap<th>no holder<th>\
         longest silence<th>pings lost<th>connection<th>released<th>allowed<th>verdict</tr>\n",
        escaped(&sum(outcomes))
    );
    for outcome in outcomes {
        let [overlap, gap, silence, lost, connection, ahead] = figures(outcome);
        let (class, verdict) =
            if outcome.failures.is_empty() { ("good", "pass") } else { ("bad", outcome.failures.as_str()) };
        let _ = writeln!(
            page,
            "<tr><td class=\"w\"><a href=\"#{0}\">{0}</a><td>{1}<td>{4}<td class=\"n\">{overlap}<td class=\"n\">{gap}<td class=\"n\">{silence}\
             <td class=\"n\">{lost}<td class=\"w\">{connection}<td class=\"n\">{ahead}<td>{2}<td class=\"{class}\">{3}</tr>",
            outcome.case.name,
            prose(outcome.case.user),
            outcome.case.allowed(),
            escaped(verdict),
            daemon(&outcome.case)
        );
    }
    page += "</table>\n<p>Bars of a host: its kernel shows the address. Ticks: it announces it. Red: the client has no answer. \
             “Released”: how long before the key's term ended the host released the address (negative: after it).</p>\n";
    for outcome in outcomes {
        let _ = writeln!(page, "<h2 id=\"{}\">{0}</h2>\n<p>{}</p>", outcome.case.name, prose(outcome.case.user));
        if !outcome.failures.is_empty() {
            let _ = writeln!(page, "<p class=\"bad\">{}</p>", escaped(&outcome.failures));
        }
        page += &outcome.record.as_ref().map_or(String::new(), svg);
    }
    page + "</html>\n"
}

/// The tables of docs/faults.md. Nothing in a cell is longer than a line.
pub(crate) fn markdown(outcomes: &[Outcome]) -> String {
    let mut page = format!("{INTRODUCTION}{}\n", sum(outcomes));
    for outcome in outcomes.iter().filter(|outcome| !outcome.failures.is_empty()) {
        let _ = writeln!(page, "\n- `{}` fails: {}", outcome.case.name, outcome.failures.replace(['|', '\n'], " "));
    }
    page += "\n## Verdicts\n\n| case | what happens | daemon | allowed | verdict |\n|---|---|---|---|---|\n";
    for outcome in outcomes {
        let case = &outcome.case;
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            case.name,
            case.user,
            daemon(case),
            case.allowed(),
            verdict(outcome)
        );
    }
    page += "\n## Measurements\n\n| case | overlap | no holder | longest silence | pings lost | connection | released |\n\
             |---|---:|---:|---:|---:|---|---:|\n";
    for outcome in outcomes {
        let _ = writeln!(page, "| {} | {} |", outcome.case.name, figures(outcome).join(" | "));
    }
    page
}

const INTRODUCTION: &str = "# Faults on the real binary

Written by `make faults`. Diagrams of each case are in `target/faults/report.html`.

The cluster has three etcd members and three hosts with a daemon each. A stand-in for Patroni keeps a lease of 8 s;
`hold-timeout` is 4 s, `interval` 500 ms. The observers are the notices of each host's kernel, the client's pings every
20 ms, its connection, and a watch of the key. In half of the cases (*unit*) systemd runs the daemons with the shipped
unit, in the others (*alone*) nobody restarts them but the case.

- *overlap*: how long two hosts had the address at once
- *no holder*: how long no host had it
- *longest silence*: the longest time in which the client got no answer
- *released*: how long before the key's term ended the host released the address (negative: after it)

";

/// How the daemons run.
fn daemon(case: &Case) -> &'static str {
    if case.unit { "unit" } else { "alone" }
}

fn verdict(outcome: &Outcome) -> &'static str {
    if outcome.failures.is_empty() { "pass" } else { "**FAIL**" }
}

/// How many cases passed.
pub(crate) fn sum(outcomes: &[Outcome]) -> String {
    let passed = outcomes.iter().filter(|outcome| outcome.failures.is_empty()).count();
    format!("{passed} of {} cases pass.", outcomes.len())
}

/// Text with parts between backticks, as HTML.
fn prose(text: &str) -> String {
    let part =
        |(place, part): (usize, &str)| if place % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() };
    escaped(text).split('`').enumerate().map(part).collect()
}

fn figures(outcome: &Outcome) -> [String; 6] {
    let Some(record) = &outcome.record else { return Default::default() };
    let ahead = record.ahead().map_or("–".to_owned(), |ahead| format!("{ahead:.2} s"));
    [
        format!("{:.0} ms", record.overlap() * 1_000.0),
        format!("{:.2} s", record.gap()),
        format!("{:.2} s", record.silence()),
        format!("{} of {}", record.lost, record.sent),
        record.connection.clone(),
        ahead,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(failures: &str) -> Outcome {
        let case = Case::unnoticed("case", "`it` broke & fell", |_| {});
        Outcome { case, record: Some(Record::default()), failures: failures.to_owned() }
    }

    #[test]
    fn the_page_links_each_case_to_its_picture() {
        let page = html(&[outcome("")]);
        assert!(page.contains("href=\"#case\"") && page.contains("id=\"case\""));
        assert!(page.contains("<code>it</code> broke &amp; fell") && !page.contains("<script"));
        assert!(page.contains("1 of 1 cases"));
    }

    #[test]
    fn a_failure_text_cannot_break_the_table() {
        let table = markdown(&[outcome("one | two\nthree")]);
        assert!(table.contains("fails: one   two three") && table.contains("0 of 1 cases"), "{table}");
    }
}
