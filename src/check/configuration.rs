//! The configuration, with every mistake that the loader found.

use super::Finding;
use crate::config::{Notice, Problem};

/// What the loader has to say. `file` is the one that was read.
pub fn judge(file: Option<&str>, problems: &[Problem], notices: &[Notice]) -> Vec<Finding> {
    let cure = |text: &str| {
        let expected = ["did you mean ", "expected "].iter().find_map(|word| text.find(word).map(|at| &text[at..]));
        expected.unwrap_or("see vip-manager.yml(5)").to_owned()
    };
    let wrong = problems
        .iter()
        .map(|problem| Finding::bad("configuration", "configuration", problem.to_string(), cure(&problem.text)));
    let worth = notices.iter().map(|notice| {
        Finding::caution(
            "configuration-notice",
            "configuration",
            notice.to_string(),
            "nothing has to be done; it works as it is",
        )
    });
    let from = file.unwrap_or("flags and variables alone");
    let good = problems.is_empty().then(|| Finding::good("configuration", "configuration", format!("{from} is sound")));
    good.into_iter().chain(wrong).chain(worth).collect()
}
