//! Passwords and tokens, from the configuration or from a file that is read anew each time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::blocking::{Blocking, BlockingError};
use crate::config::model::{Password, Secret};
use crate::transport::credential;

/// Why a secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("cannot read {option} {}{cure}", .path.display())]
    Unreadable { option: &'static str, path: PathBuf, cure: String, source: io::Error },
    #[error("cannot read {option} {}", .path.display())]
    Hangs { option: &'static str, path: PathBuf, source: BlockingError },
}

/// Reads one secret again and again.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// What the user calls the option that names the file.
    option: &'static str,
    reading: Blocking<Result<Secret, SecretError>>,
    last: Option<Secret>,
}

impl Secrets {
    /// With the name of the option that names the file.
    pub(crate) fn new(option: &'static str) -> Self {
        Self { option, reading: Blocking::default(), last: None }
    }

    /// The secret. While the file system hangs it is the one of the last time.
    pub(crate) async fn read(&mut self, secret: &Password, limit: Duration) -> Result<String, SecretError> {
        let path = match secret {
            Password::Given(secret) => return Ok(secret.reveal().to_owned()),
            Password::File(path) => path,
        };
        let (file, option) = (path.clone(), self.option);
        let secret = match (self.reading.run_on_thread(limit, move || read(option, &file)).await, &self.last) {
            (Ok(read), _) => self.last.insert(read?),
            (Err(BlockingError::Hangs(_)), Some(last)) => last,
            (Err(source), _) => return Err(SecretError::Hangs { option, path: path.clone(), source }),
        };
        Ok(secret.reveal().to_owned())
    }
}

fn read(option: &'static str, path: &Path) -> Result<Secret, SecretError> {
    let path = credential::located(path);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(source) => {
            let cure = credential::cure(option, &path, &source);
            Err(SecretError::Unreadable { option, path, cure, source })
        }
    }
}
