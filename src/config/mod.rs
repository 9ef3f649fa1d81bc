//! What the user asked for: flags over environment over file over defaults, validated as a whole.
//!
//! Only [`load`] and [`examine`] do I/O: they read the file. `args` and `file` turn flags, variables and the file into
//! settings that know their place; `setting` forms one layer of precedence from each; `validate` turns the layers into
//! a [`Config`] whose types hold only valid values. All mistakes are collected and reported at once. `keys` is the one
//! table of keys that everything else follows.
//!
//! ```
//! use vip_manager::config::{Flags, Sources, load};
//!
//! let file = std::env::temp_dir().join(format!("vip-manager-example-{}.yml", std::process::id()));
//! std::fs::write(&file, "ip: 10.0.0\ninterface: eth0\ntriger-key: /service/pg/leader\n")?;
//! let variables = [("VIP_CONFIG".into(), file.clone().into())];
//! let problems = load(&Sources::new(Flags::default(), variables, Some("db1".to_owned()))).unwrap_err();
//! let text = problems.to_string();
//! assert!(text.contains(":1: ip \"10.0.0\" is not an address; expected IPv4 or IPv6"));
//! assert!(text.contains(":3: unknown key \"triger-key\"; did you mean \"trigger-key\"?"));
//! assert!(text.contains("trigger-key is missing"));
//! # std::fs::remove_file(&file)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod args;
mod diagnostic;
mod file;
pub mod keys;
pub mod model;
mod patroni;
mod setting;
mod show;
pub mod stores;
mod validate;
mod values;
pub(crate) mod yaml;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

pub use args::{Flags, arrange, flags};
pub use diagnostic::{Diagnostic, Place, Problems, Severity};
pub use model::{
    ClaimConfig, Config, Endpoint, Hook, Hooks, Identity, LogFormat, LogLevel, Login, OnStop, OptionNames, Password,
    Secret, SourceConfig, SourceIndex, StatusConfig, StatusSocket, StoreConfig, StoreType, VipConfig,
};
pub use show::Settings;

use diagnostic::Findings;
use file::DEFAULT_FILE;
use keys::Key;
use patroni::Surroundings;
use setting::Layer;
use validate::Given;

/// What a configuration is made of, captured once, so that it can be loaded again when the file has changed.
#[derive(Clone)]
pub struct Sources {
    flags: Flags,
    /// Only those that begin with `VIP_`.
    variables: Vec<(OsString, OsString)>,
    /// Only those that begin with `CONSUL_`.
    foreign: Vec<(OsString, OsString)>,
    /// What `patroni-config` needs of the environment.
    surroundings: Surroundings,
    /// What `trigger-value` is where nothing is given; nothing where it is not known.
    host_name: Option<String>,
    /// The file that is read where none is named and this one exists.
    default_file: PathBuf,
}

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The validated configuration.
    pub config: Config,
    /// What works and is worth a word in the log.
    pub notices: Vec<Diagnostic>,
    /// Every value with where it came from, for `show-config`.
    pub settings: Settings,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

impl Sources {
    /// Takes the flags, the whole environment and the name of this host.
    pub fn new(
        flags: Flags,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        host_name: Option<String>,
    ) -> Self {
        let mut environment: Vec<_> = environment.into_iter().collect();
        environment.sort();
        let of = |prefix: &str| environment.iter().filter(|(name, _)| begins(name, prefix)).cloned().collect();
        let (variables, foreign) = (of("VIP_"), of("CONSUL_"));
        let credentials = environment.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY");
        let credentials = credentials.map(|(_, path)| PathBuf::from(path));
        let surroundings = Surroundings { variables: of("PATRONI_"), credentials, offline: false };
        let host_name = host_name.filter(|name| !name.is_empty());
        Self { flags, variables, foreign, surroundings, host_name, default_file: PathBuf::from(DEFAULT_FILE) }
    }

    /// For who does not ask the store: no name server is asked where it is.
    #[must_use]
    pub fn offline(self) -> Self {
        Self { surroundings: Surroundings { offline: true, ..self.surroundings }, ..self }
    }
}

fn begins(name: &OsStr, prefix: &str) -> bool {
    name.as_encoded_bytes().starts_with(prefix.as_bytes())
}

impl std::fmt::Debug for Sources {
    /// Variables may hold secrets, so only their names are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let variables: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sources")
            .field("flags", &self.flags)
            .field("variables", &variables)
            .field("host_name", &self.host_name)
            .field("default_file", &self.default_file)
            .finish_non_exhaustive()
    }
}

/// Reads and checks everything. Fails with every mistake that there is.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let Read { checked, findings, file } = read(sources);
    let ((config, origins), notices) = findings.close(checked)?;
    let settings = Settings::of(&config, &origins, file.as_deref());
    Ok(Loaded { config, notices, settings, file })
}

/// A configuration as far as it goes: for those who look at it and do not act by it.
#[derive(Debug)]
pub struct Examined {
    /// What can be made of it in spite of its mistakes.
    pub config: Option<Config>,
    /// Every mistake.
    pub problems: Vec<Diagnostic>,
    /// What works and deserves a warning.
    pub notices: Vec<Diagnostic>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// Reads and checks everything, and goes on where there are mistakes.
pub fn examine(sources: &Sources) -> Examined {
    let Read { checked, findings, file } = read(sources);
    let (problems, notices) = findings.sorted();
    Examined { config: checked.map(|(config, _origins)| config), problems, notices, file }
}

struct Read {
    checked: Option<(Config, validate::Origins)>,
    findings: Findings,
    file: Option<PathBuf>,
}

fn read(sources: &Sources) -> Read {
    let mut findings = Findings::default();
    let flags = Layer::gather(sources.flags.settings(&mut findings), &mut findings);
    let variables = Layer::gather(args::variables(&sources.variables, &mut findings), &mut findings);
    let named = flags.over(variables);
    let path = match named.find(Key::Config) {
        Some(setting) => named_file(setting.text()),
        None => Some(sources.default_file.clone()).filter(|path| path.exists()),
    };
    let file = path.as_ref().map(|path| (Arc::from(path.display().to_string()), file::read(path, &mut findings)));
    let mut given = Given::new(named, file, sources.host_name.clone(), &mut findings);
    given.foreign = Layer::gather(args::foreign_variables(&sources.foreign), &mut findings);
    given.foreign_warnings = args::foreign_warnings(&sources.foreign);
    given.follow_patroni(&sources.surroundings, &mut findings);
    let checked = validate::validate(&given, &mut findings);
    Read { checked, findings, file: path }
}

/// With `-` before it a file may be missing, as systemd's `EnvironmentFile=` has it. One that cannot be looked at is
/// not missing.
fn named_file(text: &str) -> Option<PathBuf> {
    match text.strip_prefix('-').filter(|path| path.starts_with('/')) {
        Some(path) => Some(PathBuf::from(path)).filter(|path| !matches!(path.try_exists(), Ok(false))),
        None => Some(PathBuf::from(text)),
    }
}

#[cfg(test)]
mod tests;
