//! The flags: one for each key of the table, and a hidden one for each historic name.
//!
//! A historic name is a flag of its own rather than an alias, so that every message and `show-config` can repeat what
//! was typed.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, ArgMatches, parser::ValueSource, value_parser};

use super::diagnostic::{Findings, Place};
use super::keys::{self, Found, Key, Spec, TABLE, Takes};
use super::setting::{Item, Setting, name_modern};
use crate::text;

/// The flags that were given, each under the name that was typed.
#[derive(Clone, Default)]
pub struct Flags(Vec<(&'static str, OsString)>);

impl Flags {
    /// The flags among what clap matched.
    pub fn of(matches: &ArgMatches) -> Self {
        let names = flat().flat_map(keys::flag_names);
        Self(names.flat_map(|name| values(matches, name)).collect())
    }

    pub(super) fn settings(&self, findings: &mut Findings) -> Vec<Setting> {
        self.0.iter().filter_map(|(name, value)| setting(name, value, findings)).collect()
    }
}

impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Every flag, for the command line's definition.
pub fn flags() -> impl Iterator<Item = Arg> {
    flat().flat_map(|spec| {
        let (modern, historic) = keys::flag_names(spec).split_at(1);
        let modern = modern.iter().map(move |name| flag(spec, name).help(help(spec)));
        modern.chain(historic.iter().map(move |name| flag(spec, name).hide(true)))
    })
}

/// Gives the single-dash long flags of the 0.x releases their second dash (`-iface eth0`, `-iface=eth0`), and puts the
/// command first: for clap a flag before the command would be lost to the same flag behind it.
pub fn arrange(args: impl IntoIterator<Item = OsString>, commands: &[&str]) -> Vec<OsString> {
    let mut is_value = true; // The first is the program's name.
    let mut command_seen = false;
    let mut arranged = Vec::new();
    for arg in args {
        let arg = if is_value { arg } else { double_dash(arg) };
        let is_command = !is_value && !command_seen && commands.iter().any(|command| arg == *command);
        command_seen |= is_command;
        is_value = !is_value && arg.to_str().is_some_and(takes_next);
        arranged.insert(if is_command { 1 } else { arranged.len() }, arg);
    }
    arranged
}

fn double_dash(arg: OsString) -> OsString {
    match arg.to_str() {
        Some(text) if text.len() > 2 && text.starts_with('-') && !text.starts_with("--") => format!("-{text}").into(),
        Some(_) | None => arg,
    }
}

fn takes_next(arg: &str) -> bool {
    let spec =
        arg.strip_prefix("--").and_then(|name| flat().find(|spec| keys::flag_names(spec).iter().any(|n| n == name)));
    spec.is_some_and(|spec| spec.takes != Takes::Switch)
}

fn flat() -> impl Iterator<Item = &'static Spec> {
    TABLE.iter().filter(|spec| spec.key.is_flat())
}

fn flag(spec: &'static Spec, name: &'static str) -> Arg {
    let arg = Arg::new(name)
        .long(name)
        .value_name(spec.takes.placeholder())
        .value_parser(value_parser!(OsString))
        .action(ArgAction::Append)
        .global(true);
    if spec.takes == Takes::Switch {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else if spec.takes == Takes::Netmask {
        arg.allow_negative_numbers(true)
    } else {
        // A password may begin with a dash.
        arg.allow_hyphen_values(spec.secret)
    }
}

fn help(spec: &Spec) -> String {
    if spec.default.is_empty() { spec.help.to_owned() } else { format!("{} [{}]", spec.help, default(spec)) }
}

fn default(spec: &Spec) -> String {
    if spec.default == "required" { spec.default.to_owned() } else { format!("default: {}", spec.default) }
}

fn values(matches: &ArgMatches, name: &'static str) -> Vec<(&'static str, OsString)> {
    let given = matches.value_source(name) == Some(ValueSource::CommandLine);
    let values = given.then(|| matches.get_many::<OsString>(name)).into_iter().flatten().flatten();
    values.map(|value| (name, value.clone())).collect()
}

fn setting(name: &str, value: &OsString, findings: &mut Findings) -> Option<Setting> {
    let written = format!("--{name}");
    let place = Place::Flag(written.clone());
    let found = keys::find(name).unwrap_or(Found { key: Key::Config, historic: false });
    let Some(text) = value.to_str() else {
        findings.problem(&place, "the value is not valid UTF-8");
        return None;
    };
    name_modern(found, &place, &written, findings);
    let item = Item { text: text.to_owned(), place: place.clone() };
    Some(Setting::new(found.key, name, place, vec![item]))
}

/// The settings of the variables that begin with `VIP_`.
pub(super) fn variables(variables: &[(OsString, OsString)], findings: &mut Findings) -> Vec<Setting> {
    variables.iter().filter_map(|(name, value)| variable(&name.to_string_lossy(), value, findings)).collect()
}

/// The variables of Consul's own clients that the predecessor obeyed. They are weaker than everything else.
pub(super) fn foreign_variables(variables: &[(OsString, OsString)]) -> Vec<Setting> {
    let text = |name: &str| variables.iter().find(|(known, _)| known == name)?.1.to_str().map(str::to_owned);
    let setting = |(name, key): &(&str, Key)| {
        let place = Place::Variable((*name).to_owned());
        let item = Item { text: text(name)?, place: place.clone() };
        Some(Setting::new(*key, key.name(), place, vec![item])).filter(|setting| !setting.items.is_empty())
    };
    FOREIGN.iter().filter_map(setting).collect()
}

/// Those of them that have no effect here.
pub(super) fn foreign_warnings(variables: &[(OsString, OsString)]) -> Vec<(Place, String)> {
    let set = |name: &str| variables.iter().find(|(known, _)| known == name)?.1.to_str().map(str::to_lowercase);
    let verify = set("CONSUL_HTTP_SSL_VERIFY").filter(|text| matches!(text.as_str(), "0" | "false" | "f"));
    let server = set("CONSUL_TLS_SERVER_NAME").filter(|text| !text.is_empty());
    let certificates = "certificates are always verified here; set dcs-ca-file to the authority of the store";
    let name = "it has no effect here; name the endpoints as their certificates do";
    [
        verify.map(|_| (Place::Variable("CONSUL_HTTP_SSL_VERIFY".to_owned()), certificates.to_owned())),
        server.map(|_| (Place::Variable("CONSUL_TLS_SERVER_NAME".to_owned()), name.to_owned())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const FOREIGN: [(&str, Key); 5] = [
    ("CONSUL_CACERT", Key::DcsCaFile),
    ("CONSUL_CLIENT_CERT", Key::DcsCertFile),
    ("CONSUL_CLIENT_KEY", Key::DcsKeyFile),
    ("CONSUL_HTTP_TOKEN", Key::DcsToken),
    ("CONSUL_HTTP_TOKEN_FILE", Key::DcsTokenFile),
];

fn variable(name: &str, value: &OsStr, findings: &mut Findings) -> Option<Setting> {
    let place = Place::Variable(name.to_owned());
    let Some(found) = keys::find_variable(name) else {
        if !name.starts_with(OWN) {
            findings.warning(&place, unknown(name));
        }
        return None;
    };
    let Some(text) = value.to_str() else {
        findings.problem(&place, "the value is not valid UTF-8");
        return None;
    };
    name_modern(found, &place, name, findings);
    let item = Item { text: text.to_owned(), place: place.clone() };
    Some(Setting::new(found.key, name, place, vec![item]))
}

/// An unknown variable need not be meant for this program: Kubernetes sets `VIP_..._SERVICE_HOST` for a service that is
/// called so.
fn unknown(name: &str) -> String {
    let rest = name.strip_prefix("VIP_").unwrap_or(name);
    if rest == "VIPS" {
        return "ignored: a list of virtual IPs cannot be given in a variable; expected vips in the file".to_owned();
    }
    let meant: Vec<_> =
        keys::meant(rest).into_iter().filter(|name| *name != Key::Vips.name()).map(keys::variable).collect();
    if meant.is_empty() {
        let expected = "expected VIP_ and a name that \"vip-manager --help\" lists, in upper case";
        return format!("unknown variable, ignored; {expected}");
    }
    format!("unknown variable, ignored; did you mean {}?", text::list(&meant, "or"))
}

/// What a hook finds in its environment. A hook that calls this program passes it on.
const OWN: &str = "VIP_MANAGER_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_dashes_are_doubled_and_values_left_alone() {
        for (typed, meant) in [
            ("vip -iface eth0 -ip=10.0.0.5", "vip --iface eth0 --ip=10.0.0.5"),
            ("vip -h", "vip -h"),
            ("vip --mask -1 --etcd-password -iface", "vip --mask -1 --etcd-password -iface"),
            ("vip -verbose show --on-stop show", "vip show --verbose --on-stop show"),
            ("vip --host show", "vip --host show"),
            ("vip --ip a show show", "vip show --ip a show"),
            ("show", "show"),
            ("", ""),
        ] {
            let arranged = arrange(typed.split(' ').map(OsString::from), &["show"]);
            assert_eq!(arranged.join(&OsString::from(" ")), *meant, "{typed}");
        }
        assert!(arrange([], &["show"]).is_empty());
    }
}
