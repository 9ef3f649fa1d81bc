//! The header that logs a request in. A secret in a file is read anew now and then, and after each refusal: tokens rotate.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::sync::Mutex;

use crate::config::model::{Password, Secret};
use crate::source::secrets::{SecretError, Secrets};
use crate::time::Moment;

/// A file is read again when its secret is this old.
const FRESH: Duration = Duration::from_secs(10);

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("{option} holds bytes that no HTTP header may have; is it the right file?")]
    Odd { option: &'static str },
}

/// How requests log in.
#[derive(Debug)]
pub(crate) struct Auth {
    scheme: Option<Scheme>,
    secret: Mutex<Cached>,
    clock: fn() -> Moment,
}

#[derive(Debug)]
struct Scheme {
    kind: Kind,
    secret: Password,
    /// The option that names the file of the secret.
    option: &'static str,
}

#[derive(Debug)]
enum Kind {
    /// The secret itself, in this header.
    Header(HeaderName),
    Bearer,
    Basic {
        user: String,
    },
}

#[derive(Debug, Default)]
struct Cached {
    reader: Option<Secrets>,
    last: Option<(Secret, Moment)>,
}

impl Auth {
    pub(crate) fn none(clock: fn() -> Moment) -> Self {
        Self { scheme: None, secret: Mutex::default(), clock }
    }

    /// The secret in a header of its own. `option` names the file, where there is one.
    pub(crate) fn header(name: HeaderName, secret: Password, option: &'static str, clock: fn() -> Moment) -> Self {
        Self::new(Kind::Header(name), secret, option, clock)
    }

    pub(crate) fn bearer(secret: Password, option: &'static str, clock: fn() -> Moment) -> Self {
        Self::new(Kind::Bearer, secret, option, clock)
    }

    pub(crate) fn basic(user: String, password: Password, option: &'static str, clock: fn() -> Moment) -> Self {
        Self::new(Kind::Basic { user }, password, option, clock)
    }

    fn new(kind: Kind, secret: Password, option: &'static str, clock: fn() -> Moment) -> Self {
        Self { scheme: Some(Scheme { kind, secret, option }), secret: Mutex::default(), clock }
    }

    /// Whether there is anything to log in with.
    pub(crate) const fn is_some(&self) -> bool {
        self.scheme.is_some()
    }

    /// The header for a request. Reading a file may take `limit`; while its file system hangs, the last secret serves.
    pub(super) async fn current(&self, limit: Duration) -> Result<Option<(HeaderName, HeaderValue)>, AuthError> {
        let Some(Scheme { kind, secret, option }) = &self.scheme else { return Ok(None) };
        let secret = match secret {
            Password::Given(secret) => secret.reveal().to_owned(),
            Password::File(_) => self.read_file(secret, option, limit).await?,
        };
        let (name, value) = match kind {
            Kind::Header(name) => (name.clone(), secret),
            Kind::Bearer => (AUTHORIZATION, format!("Bearer {secret}")),
            Kind::Basic { user } => (AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")))),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_odd| AuthError::Odd { option })?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }

    /// The server refused it: the file may hold another one by now.
    pub(super) async fn forget(&self) {
        let mut cached = self.secret.lock().await;
        if let Some((_secret, read_at)) = &mut cached.last {
            *read_at = Moment::default();
        }
    }

    async fn read_file(&self, secret: &Password, option: &'static str, limit: Duration) -> Result<String, AuthError> {
        let mut cached = self.secret.lock().await;
        let now = (self.clock)();
        if let Some((secret, read_at)) = &cached.last
            && now.since(*read_at) < FRESH
        {
            return Ok(secret.reveal().to_owned());
        }
        let reader = cached.reader.get_or_insert_with(|| Secrets::new(option));
        let text = reader.read(secret, limit).await?;
        cached.last = Some((Secret::new(text.clone()), now));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    static NOW: AtomicU64 = AtomicU64::new(1_000);
    const LIMIT: Duration = Duration::from_secs(30);

    fn clock() -> Moment {
        Moment::from_boot(Duration::from_secs(NOW.load(Ordering::Relaxed)))
    }

    async fn value(auth: &Auth) -> String {
        let (name, value) = auth.current(LIMIT).await.unwrap().unwrap();
        assert!(value.is_sensitive());
        format!("{name}: {}", value.to_str().unwrap())
    }

    #[tokio::test]
    async fn each_scheme_has_its_header() {
        let secret = || Password::Given(Secret::new("s3cret".into()));
        let token = Auth::header(HeaderName::from_static("x-token"), secret(), "token-file", clock);
        assert_eq!(value(&token).await, "x-token: s3cret");
        assert_eq!(value(&Auth::bearer(secret(), "token-file", clock)).await, "authorization: Bearer s3cret");
        let basic = Auth::basic("root".into(), secret(), "password-file", clock);
        assert_eq!(value(&basic).await, "authorization: Basic cm9vdDpzM2NyZXQ=");
        assert!(Auth::none(clock).current(LIMIT).await.unwrap().is_none());
        let odd = Auth::bearer(Password::Given(Secret::new("a\nb".into())), "token-file", clock);
        assert!(odd.current(LIMIT).await.is_err());
        assert!(!format!("{token:?}").contains("s3cret"), "secrets are never shown");
    }

    #[tokio::test]
    async fn a_file_is_read_anew_after_a_while_or_a_refusal() {
        let path = std::env::temp_dir().join(format!("vip-manager-token-{}", std::process::id()));
        fs::write(&path, "one\n").unwrap();
        let auth = Auth::bearer(Password::File(path.clone()), "token-file", clock);
        assert_eq!(value(&auth).await, "authorization: Bearer one");
        fs::write(&path, "two\n").unwrap();
        assert_eq!(value(&auth).await, "authorization: Bearer one");
        NOW.fetch_add(FRESH.as_secs(), Ordering::Relaxed);
        assert_eq!(value(&auth).await, "authorization: Bearer two");
        fs::write(&path, "three").unwrap();
        auth.forget().await;
        assert_eq!(value(&auth).await, "authorization: Bearer three");
        fs::remove_file(&path).unwrap();
        auth.forget().await;
        let error = auth.current(LIMIT).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot read token-file "), "{error}");
    }
}
