//! What lies below an error: the chain of its causes, on one line.

use std::error::Error;
use std::io;

/// An error with all its sources, each only once.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    text
}

/// The cause at the bottom; nothing where the error has no source.
pub(crate) fn root(error: &(dyn Error + 'static)) -> Option<String> {
    causes(error).skip(1).last().map(ToString::to_string)
}

/// The error and what lies below it. An I/O error hides what it was made of from `source`, hence the detour.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause: &&'a (dyn Error + 'static)| {
        let inside = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inside {
            Some(inside) => Some(inside as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_says_each_thing_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot connect")]
        struct Outer(#[source] io::Error);
        assert_eq!(chain(&Outer(io::Error::other("refused"))), "cannot connect: refused");
        assert_eq!(chain(&Outer(io::Error::other("cannot connect"))), "cannot connect");
    }
}
