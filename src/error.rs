//! An error with everything under it, on one line. The chain is printed here and nowhere else.

use std::error::Error;
use std::fmt;

pub(crate) struct Causes<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the socket cannot be opened")]
    struct Outer(#[source] fmt::Error);

    #[test]
    fn each_cause_is_named_once() {
        let text = Causes(&Outer(fmt::Error)).to_string();
        assert_eq!(text, format!("the socket cannot be opened: {}", fmt::Error));
    }
}
