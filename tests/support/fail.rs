//! How the lab gives up: at once, loudly, with what it was doing.
//!
//! A lab that limps on after a failed step blames the daemon for it later.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Turns a failed step into a panic that names it.
pub(crate) trait OrFail<T> {
    fn or_fail(self, doing: &str) -> T;
}

impl<T, E: Display> OrFail<T> for Result<T, E> {
    #[track_caller]
    fn or_fail(self, doing: &str) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("lab: {doing}: {error}"),
        }
    }
}

impl<T> OrFail<T> for Option<T> {
    #[track_caller]
    fn or_fail(self, doing: &str) -> T {
        match self {
            Some(value) => value,
            None => panic!("lab: {doing}: there is none"),
        }
    }
}

/// What stands behind the mutex, even if a thread of the lab died while it held it: the first panic is the one that
/// tells something.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
