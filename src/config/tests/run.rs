//! One run, from what is typed, exported and written down to what `show-config` prints or what the user is told.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cli;
use crate::config::{Flags, Loaded, Problems, Sources, load};

pub(super) const SOUND: &str = "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: /service/pg/leader\ntrigger-value: db1\n";

/// A run with nothing but what is given. Its file is called `vip-manager.yml` in all that it says.
#[derive(Default)]
pub(super) struct Run {
    file: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
    args: Vec<OsString>,
}

impl Run {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// With this text as the file.
    pub(super) fn file(mut self, text: impl AsRef<[u8]>) -> Self {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("vip-manager-run-{}-{}.yml", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        self.args.extend(["--config".into(), path.clone().into()]);
        self.file = Some(path);
        self
    }

    pub(super) fn env(mut self, variables: &[(&str, &str)]) -> Self {
        self.variables.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    pub(super) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(OsString::from));
        self
    }

    pub(super) fn load(&self) -> Result<Loaded, Problems> {
        let args = std::iter::once("vip-manager".into()).chain(self.args.iter().cloned());
        let flags: Flags = cli::parse(args).unwrap_or_else(|error| panic!("{error}")).flags;
        let sources = Sources::new(flags, self.variables.clone(), None);
        load(&Sources { default_file: PathBuf::from("/nonexistent/vip-manager.yml"), ..sources })
    }

    /// What the user is told of a configuration that is refused.
    #[track_caller]
    pub(super) fn told(&self) -> String {
        let Err(problems) = self.load() else { panic!("it is accepted") };
        self.named(&problems.to_string())
    }

    /// The output of `show-config` for a configuration that must be sound, blanks squeezed; then the notices.
    #[track_caller]
    pub(super) fn shown(&self) -> (String, String) {
        let loaded = self.load().unwrap_or_else(|problems| panic!("{problems}"));
        let settings = loaded.settings.to_string();
        let squeezed = settings.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let mut notices = String::new();
        for notice in &loaded.notices {
            writeln!(notices, "{notice}").unwrap();
        }
        (self.named(&squeezed.collect::<Vec<_>>().join("\n")), self.named(&notices))
    }

    fn named(&self, text: &str) -> String {
        match &self.file {
            Some(path) => text.replace(&*path.to_string_lossy(), "vip-manager.yml"),
            None => text.to_owned(),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(self.file.take().map(std::fs::remove_file));
    }
}

/// This configuration is refused, with exactly these lines.
#[track_caller]
pub(super) fn refuses(file: &str, variables: &[(&str, &str)], args: &[&str], expected: &[&str]) {
    let told = Run::new().file(file).env(variables).args(args).told();
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[track_caller]
pub(super) fn has_row(shown: &str, row: &str) {
    assert!(shown.lines().any(|line| line == row), "no row {row:?} in\n{shown}");
}
