//! The configuration, with every mistake that the loader found.

use super::Finding;
use crate::config::Diagnostic;

/// What the loader has to say. `file` is the one that was read.
pub fn judge(file: Option<&str>, problems: &[Diagnostic], notices: &[Diagnostic]) -> Vec<Finding> {
    let wrong = problems.iter().map(|problem| {
        let told = problem.to_string();
        let (text, cure) = parted(&told);
        Finding::error("configuration", "configuration", text, cure)
    });
    let worth = notices.iter().map(|notice| {
        Finding::warning(
            "configuration-notice",
            "configuration",
            notice.to_string(),
            "nothing has to be done; it works as it is",
        )
    });
    let from = file.unwrap_or("flags and variables alone");
    let good = problems.is_empty().then(|| Finding::pass("configuration", "configuration", format!("{from} is sound")));
    good.into_iter().chain(wrong).chain(worth).collect()
}

/// The loader ends a sentence with what it expected, or with the name that was meant.
fn parted(told: &str) -> (&str, &str) {
    let at = ["; did you mean ", "; expected "].iter().filter_map(|word| told.find(word)).min();
    at.map_or((told, "see vip-manager.yml(5)"), |at| (&told[..at], &told[at + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_expected_is_the_cure() {
        assert_eq!(
            parted("a.yml:7: unknown key \"x\"; did you mean \"y\"?"),
            ("a.yml:7: unknown key \"x\"", "did you mean \"y\"?")
        );
        assert_eq!(parted("nothing more"), ("nothing more", "see vip-manager.yml(5)"));
    }
}
