//! JSON, as far as it has to be written. Nothing here reads it.

use std::fmt;
use std::time::Duration;

/// A value of JSON.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    /// A span in seconds with microseconds.
    Seconds(Duration),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

impl Json {
    pub fn text(text: impl fmt::Display) -> Self {
        Self::Text(text.to_string())
    }

    /// A count; one beyond all counting stays at the highest number that every reader takes.
    pub fn count(count: u64) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(HIGHEST).min(HIGHEST))
    }

    pub fn or_null<T>(value: Option<T>, show: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Null, show)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Seconds(span) => write!(f, "{}.{:06}", span.as_secs(), span.subsec_micros()),
            Self::Text(text) => quoted(f, text),
            Self::List(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if place == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (place, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if place == 0 { "" } else { "," })?;
                    quoted(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// 2^53 - 1: beyond it a reader that counts in floating point is wrong.
const HIGHEST: i64 = 9_007_199_254_740_991;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_stays_inside_its_quotes() {
        let value = Json::Object(vec![
            ("text", Json::text("a\"b\\c\nd</script>\u{1b}")),
            ("span", Json::Seconds(Duration::from_micros(1_000_042))),
            ("list", Json::List(vec![Json::Null, Json::Bool(true), Json::count(u64::MAX)])),
        ]);
        assert_eq!(
            value.to_string(),
            r#"{"text":"a\"b\\c\u000ad</script>\u001b","span":1.000042,"list":[null,true,9007199254740991]}"#
        );
    }
}
