//! The flags: one for each key of the table, and a hidden one for each historic name.
//!
//! A historic name is a flag of its own rather than an alias, so that every message and `show-config` can repeat what
//! was typed.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, parser::ValueSource, value_parser};

use super::keys::{self, Found, Key, Spec, TABLE, Takes};
use super::place::Place;
use super::problem::Findings;
use super::setting::{Item, Setting, name_modern};

/// The flags that were given, each under the name that was typed.
#[derive(Clone, Default)]
pub struct Flags(Vec<(&'static str, OsString)>);

impl Flags {
    /// The flags among what clap matched.
    pub fn of(matches: &ArgMatches) -> Self {
        let names = flat().flat_map(keys::flag_names);
        let given = names.filter(|name| matches.value_source(name) == Some(ValueSource::CommandLine));
        Self(given.flat_map(|name| values(matches, name)).collect())
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

/// Gives the single-dash long flags of the 0.x releases their second dash: `-iface eth0`, `-iface=eth0`.
pub fn double_dashes(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut is_value = false;
    let mut doubled = Vec::new();
    for (place, arg) in args.into_iter().enumerate() {
        let text = arg.to_str().unwrap_or_default();
        let long = !is_value && place > 0 && text.len() > 2 && text.starts_with('-') && !text.starts_with("--");
        let arg = if long { OsString::from(format!("-{text}")) } else { arg };
        is_value = !is_value && arg.to_str().is_some_and(takes_next);
        doubled.push(arg);
    }
    doubled
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
    match spec.takes {
        Takes::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Takes::Netmask => arg.allow_negative_numbers(true),
        // A password may begin with a dash.
        _ if spec.secret => arg.allow_hyphen_values(true),
        _ => arg,
    }
}

fn help(spec: &Spec) -> String {
    if spec.default.is_empty() { spec.help.to_owned() } else { format!("{} [{}]", spec.help, default(spec)) }
}

fn default(spec: &Spec) -> String {
    if spec.default == "required" { spec.default.to_owned() } else { format!("default: {}", spec.default) }
}

fn values(matches: &ArgMatches, name: &'static str) -> Vec<(&'static str, OsString)> {
    let values = matches.get_many::<OsString>(name).into_iter().flatten();
    values.map(|value| (name, value.clone())).collect()
}

fn setting(name: &str, value: &OsString, findings: &mut Findings) -> Option<Setting> {
    let written = format!("--{name}");
    let place = Place::Flag(written.clone());
    let found = keys::find(name).unwrap_or(Found { key: Key::Config, historic: false });
    let Some(text) = value.to_str() else {
        findings.problem(&place, "the value is not UTF-8 text; expected UTF-8");
        return None;
    };
    name_modern(found, &place, &written, findings);
    let item = Item { text: text.to_owned(), place: place.clone() };
    Some(Setting::new(found.key, name, place, vec![item]))
}
