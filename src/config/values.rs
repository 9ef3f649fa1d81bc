//! What a text means: durations, numbers, switches, choices. The errors end a sentence that begins with the key.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::keys;
use super::model::{LogFormat, LogLevel, OnStop, StatusSocket};
use crate::keeper::ClaimMode;
use crate::pace::Pace;
use crate::text;

/// A duration: a bare number is milliseconds, as it ever was.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim_start() {
        "" | "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let milliseconds = number.parse::<u64>().ok().zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
    milliseconds.map(Duration::from_millis).ok_or_else(|| {
        "is not a duration; expected a number of milliseconds or, for example, 250ms, 10s or 1m".to_owned()
    })
}

/// A duration within bounds.
pub(super) fn duration_within(text: &str, bounds: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration = duration(text)?;
    let expected = || format!("expected {} to {}", show_duration(*bounds.start()), show_duration(*bounds.end()));
    if duration < *bounds.start() {
        Err(format!("is too short; {}", expected()))
    } else if duration > *bounds.end() {
        Err(format!("is too long; {}", expected()))
    } else {
        Ok(duration)
    }
}

/// A duration as one would write it.
pub(super) fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "0".to_owned(),
        _ if milliseconds.is_multiple_of(3_600_000) => format!("{}h", milliseconds / 3_600_000),
        _ if milliseconds.is_multiple_of(1000) => format!("{}s", milliseconds / 1000),
        _ => format!("{milliseconds}ms"),
    }
}

/// The times between two reads, as `interval` sets them or does not.
pub(super) fn show_pace(pace: Pace) -> String {
    let full = show_duration(pace.full);
    if pace.longest <= pace.full { full } else { format!("{full}, up to {} while quiet", show_duration(pace.longest)) }
}

/// A whole number within bounds.
pub(super) fn count(text: &str, bounds: &RangeInclusive<u32>) -> Result<u32, String> {
    let expected = format!("expected a whole number from {} to {}", bounds.start(), bounds.end());
    match text.trim().parse::<u32>() {
        Ok(number) if bounds.contains(&number) => Ok(number),
        Ok(_) => Err(format!("is out of range; {expected}")),
        Err(_) => Err(format!("is not a number; {expected}")),
    }
}

/// A switch, as YAML and shells write it.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    let text = text.trim().to_lowercase();
    SWITCH.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let near = keys::nearest_of(&text, SWITCH.iter().map(|(word, _)| (word, *word)));
        format!("is not a boolean; expected true or false{}", meant(near))
    })
}

/// One of several words.
pub(super) fn choice<T: Copy>(text: &str, words: Words<T>) -> Result<T, String> {
    let text = text.trim();
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let near = keys::nearest_of(&text.to_lowercase(), words.iter().map(|(word, _)| (word, *word)));
        format!("is not supported; expected {}{}", alternatives(words), meant(near))
    })
}

/// The word for a value.
pub(super) fn word<T: Copy + PartialEq>(value: T, words: Words<T>) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

fn alternatives<T>(words: Words<T>) -> String {
    let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    text::list(&words, "or")
}

/// The values of dcs-type, as messages list them.
#[cfg(test)]
pub(super) fn types() -> String {
    alternatives(super::stores::TYPES)
}

fn meant(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"))
}

/// Words with what they mean.
pub(super) type Words<T> = &'static [(&'static str, T)];

const SWITCH: Words<bool> = &[
    ("true", true),
    ("false", false),
    ("yes", true),
    ("no", false),
    ("on", true),
    ("off", false),
    ("1", true),
    ("0", false),
];
/// A full path, or `none`.
pub(super) fn status_socket(text: &str) -> Result<StatusSocket, String> {
    match text.trim() {
        "none" => Ok(StatusSocket::Nowhere),
        path if path.len() > LONGEST_SOCKET => Err(format!("is too long; expected at most {LONGEST_SOCKET} bytes")),
        path if path.starts_with('/') => Ok(StatusSocket::At(PathBuf::from(path))),
        _ => Err("is not an absolute path; for example /run/vip-manager/vip-manager.sock, or none".to_owned()),
    }
}

/// An address with its port, or `none`.
pub(super) fn listen(text: &str) -> Result<Option<SocketAddr>, String> {
    let expected = "expected an address and a port, such as 127.0.0.1:9899 or [::1]:9899, or none";
    match text.trim() {
        "none" => Ok(None),
        text => match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => Ok(Some(address)),
            Ok(_) => Err(format!("has no port; {expected}")),
            Err(_) => Err(format!("is not a socket address; {expected}")),
        },
    }
}

/// What the kernel has room for.
const LONGEST_SOCKET: usize = 107;

pub(super) const ON_STOP: Words<OnStop> = &[("release", OnStop::Release), ("keep", OnStop::Keep)];
pub(super) const CLAIM_MODES: Words<ClaimMode> =
    &[("off", ClaimMode::Off), ("auto", ClaimMode::Auto), ("require", ClaimMode::Require)];
pub(super) const LOG_FORMATS: Words<LogFormat> = &[("auto", LogFormat::Auto), ("json", LogFormat::Json)];
pub(super) const LOG_LEVELS: Words<LogLevel> = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::stores::TYPES;

    #[test]
    fn a_bare_number_is_milliseconds_and_units_are_understood() {
        for (text, milliseconds) in [
            ("1000", 1000),
            ("250ms", 250),
            ("10s", 10_000),
            ("1m", 60_000),
            ("1h", 3_600_000),
            (" 10 s ", 10_000),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1", "1.5s", "10 parsecs", "1e3", "18446744073709551615h", "99999999999999999999"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_so_that_it_can_be_read_back() {
        for (milliseconds, shown) in [
            (0, "0"),
            (1, "1ms"),
            (250, "250ms"),
            (1000, "1s"),
            (1500, "1500ms"),
            (90_000, "90s"),
            (3_600_000, "1h"),
            (5_400_000, "5400s"),
        ] {
            let span = Duration::from_millis(milliseconds);
            assert_eq!(show_duration(span), shown);
            assert_eq!(duration(shown), Ok(span));
        }
    }

    #[test]
    fn a_duration_out_of_bounds_is_told_the_bounds() {
        let bounds = Duration::from_secs(1)..=Duration::from_secs(60);
        assert_eq!(duration_within("20", &bounds), Err("is too short; expected 1s to 60s".into()));
        assert_eq!(duration_within("1h", &bounds), Err("is too long; expected 1s to 60s".into()));
        assert_eq!(duration_within("60s", &bounds), Ok(Duration::from_secs(60)));
    }

    #[test]
    fn switches_are_what_yaml_and_shells_write() {
        for text in ["true", "True", "yes", "on", "1"] {
            assert_eq!(switch(text), Ok(true), "{text}");
        }
        for text in ["false", "no", "OFF", "0"] {
            assert_eq!(switch(text), Ok(false), "{text}");
        }
        assert_eq!(switch("ture"), Err("is not a boolean; expected true or false; did you mean \"true\"?".into()));
    }

    #[test]
    fn a_choice_is_told_what_there_is() {
        assert_eq!(choice("etcd3", TYPES).map(drop), Ok(()));
        assert_eq!(choice("redis", TYPES).map(drop), Err(format!("is not supported; expected {}", types())));
        assert_eq!(
            choice("etdc", TYPES).map(drop),
            Err(format!("is not supported; expected {}; did you mean \"etcd\"?", types()))
        );
        assert_eq!(choice("keep", ON_STOP), Ok(OnStop::Keep));
        assert_eq!(word(LogLevel::Trace, LOG_LEVELS), "trace");
    }

    #[test]
    fn a_socket_has_a_full_path_that_the_kernel_has_room_for() {
        let path = |length: usize| format!("/{}", "s".repeat(length - 1));
        assert_eq!(status_socket(" none "), Ok(StatusSocket::Nowhere));
        assert_eq!(status_socket(&path(107)), Ok(StatusSocket::At(path(107).into())));
        assert_eq!(status_socket(&path(108)), Err("is too long; expected at most 107 bytes".into()));
        assert!(status_socket("run/vip.sock").unwrap_err().starts_with("is not an absolute path"));
    }

    #[test]
    fn who_listens_needs_an_address_and_a_port() {
        assert_eq!(listen("none"), Ok(None));
        assert_eq!(listen("[::1]:9899"), Ok("[::1]:9899".parse().ok()));
        assert!(listen("127.0.0.1:0").unwrap_err().starts_with("has no port"));
        assert!(listen("localhost").unwrap_err().starts_with("is not a socket address"));
    }
}
