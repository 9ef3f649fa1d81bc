//! How many cases a property of the keeper is tried with.

use proptest::test_runner::Config;

/// So many, unless whoever runs the tests asks for another number with `PROPTEST_CASES`: a day of them, or the few that
/// are enough where each test is run a thousand times.
pub(super) fn cases(usual: u32) -> Config {
    let asked = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { usual };
    Config { cases, failure_persistence: None, ..asked }
}
