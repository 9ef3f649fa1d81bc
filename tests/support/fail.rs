//! How the lab fails: immediately, with a message that names the step.
//!
//! If the lab continued after a failed step, the daemon would be blamed for it later.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Turns a failed step into a panic that names the step.
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

/// Locks the mutex, even if a thread of the lab panicked while holding it. The first panic is the informative one.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
