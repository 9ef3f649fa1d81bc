//! The environment: every variable that begins with `VIP_` is meant for this program, so an unknown one is a mistake.

use std::ffi::{OsStr, OsString};

use super::keys;
use super::place::Place;
use super::problem::Findings;
use super::setting::{Item, Setting, name_modern};

/// The settings among these variables.
pub(super) fn read(variables: &[(OsString, OsString)], findings: &mut Findings) -> Vec<Setting> {
    let ours = variables.iter().filter(|(name, _)| belongs(name));
    ours.filter_map(|(name, value)| setting(&name.to_string_lossy(), value, findings)).collect()
}

/// Whether a variable of this name is meant for this program.
pub(super) fn belongs(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"VIP_")
}

fn setting(name: &str, value: &OsStr, findings: &mut Findings) -> Option<Setting> {
    let place = Place::Variable(name.to_owned());
    let Some(found) = keys::find_variable(name) else {
        findings.problem(&place, unknown(name));
        return None;
    };
    let Some(text) = value.to_str() else {
        findings.problem(&place, "the value is not UTF-8 text; expected UTF-8");
        return None;
    };
    name_modern(found, &place, name, findings);
    let item = Item { text: text.to_owned(), place: place.clone() };
    Some(Setting::new(found.key, name, place, vec![item]))
}

fn unknown(name: &str) -> String {
    let rest = name.strip_prefix("VIP_").unwrap_or(name);
    if rest == "VIPS" {
        return "a list of virtual IPs cannot stand in a variable; expected it in the file, as vips".to_owned();
    }
    match keys::nearest(rest) {
        Some(near) if near != "vips" => format!("unknown variable; did you mean {}?", keys::variable(near)),
        Some(_) | None => {
            "unknown variable; expected VIP_ and a name that \"vip-manager --help\" lists, in upper case".to_owned()
        }
    }
}
