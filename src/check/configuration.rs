//! The configuration, with every mistake that the loader found.

use super::Finding;
use crate::config::{Diagnostic, Severity};

/// Judges what the loader found. `file` is the one that was read.
pub fn judge(file: Option<&str>, problems: &[Diagnostic], notices: &[Diagnostic]) -> Vec<Finding> {
    let wrong = problems.iter().map(|problem| {
        let told = problem.to_string();
        let (text, cure) = split(&told);
        Finding::error("configuration", "configuration", text, cure)
    });
    let worth = notices.iter().map(|notice| {
        let told = notice.to_string();
        let (text, cure) =
            if notice.severity == Severity::Warning { split(&told) } else { (told.as_str(), "no action needed") };
        Finding::warning("configuration-notice", "configuration", text, cure)
    });
    let from = file.unwrap_or("flags and environment variables");
    let good = problems.is_empty().then(|| Finding::pass("configuration", "configuration", format!("{from} is valid")));
    good.into_iter().chain(wrong).chain(worth).collect()
}

/// The loader ends a message with what it expected, or with the name that was meant.
fn split(told: &str) -> (&str, &str) {
    let at = ["; did you mean ", "; expected "].iter().filter_map(|word| told.find(word)).min();
    at.map_or((told, "see vip-manager.yml(5)"), |at| (&told[..at], &told[at + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_value_is_the_cure() {
        assert_eq!(
            split("a.yml:7: unknown key \"x\"; did you mean \"y\"?"),
            ("a.yml:7: unknown key \"x\"", "did you mean \"y\"?")
        );
        assert_eq!(split("nothing more"), ("nothing more", "see vip-manager.yml(5)"));
    }
}
