//! Lines on stderr, in the form that whoever reads them wants.
//!
//! journald stamps the time itself and takes the priority from a prefix; a terminal gets colour and the time of day
//! is left to it; anything else gets a full timestamp and plain text; `json` gives one object a line.

mod writer;

use std::fmt;
use std::os::fd::AsFd;

use nix::sys::stat::fstat;
use serde::{Serialize, Serializer};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use self::writer::LogWriter;
use crate::config::{LogFormat, LogLevel};
use crate::terminal::{Colour, Style, Terminal};
use crate::text::{self, one_line};

/// The handle that changes the level of a running daemon.
#[derive(Debug)]
pub(crate) struct Logging {
    level: reload::Handle<LevelFilter, Registry>,
}

impl Logging {
    /// Starts to log. Only the first call of a process has an effect.
    pub(crate) fn start(level: LogLevel, format: LogFormat) -> Self {
        let (filter, handle) = reload::Layer::new(filter(level));
        let writer = LogWriter::default();
        let format = LineFormat { form: Form::find(format), writer: writer.clone() };
        let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).event_format(format);
        let _already_started = Registry::default().with(filter).with(lines).try_init();
        Self { level: handle }
    }

    pub(super) fn set_level(&self, level: LogLevel) {
        let _subscriber_gone = self.level.reload(filter(level));
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Journald,
    Terminal(Colour),
    Plain,
    Json,
}

impl Form {
    fn find(format: LogFormat) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Auto if goes_to_journald(std::env::var("JOURNAL_STREAM").ok().as_deref()) => Self::Journald,
            LogFormat::Auto => Terminal::behind(std::io::stderr())
                .map_or(Self::Plain, |terminal| Self::Terminal(Colour::allowed(terminal.abilities.colour))),
        }
    }
}

/// Whether stderr is the very stream that systemd says it has connected to the journal.
fn goes_to_journald(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else { return false };
    fstat(std::io::stderr().as_fd())
        .is_ok_and(|stat| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// Gives lines their form, and tells in them of those that never left.
struct LineFormat {
    form: Form,
    writer: LogWriter,
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        let mut line = Line::default();
        event.record(&mut line);
        let lost = self.writer.lost();
        if lost > 0 {
            line.fields.push(("lost_lines", lost.to_string()));
        }
        match self.form {
            Form::Journald => writeln!(writer, "<{}>{}", priority(level), line.text()),
            Form::Terminal(colour) => {
                let word = format!("{:<5}", word(level));
                writeln!(writer, "{} {}", style(level).paint(&word, colour), line.text())
            }
            Form::Plain => {
                SystemTime.format_time(&mut writer)?;
                writeln!(writer, " {level:<5} {}", line.text())
            }
            Form::Json => {
                let mut time = String::new();
                SystemTime.format_time(&mut Writer::new(&mut time))?;
                writeln!(writer, "{}", line.json(&time, level))
            }
        }
    }
}

/// syslog's numbers.
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

const fn style(level: Level) -> Style {
    match level {
        Level::ERROR => Style::Red,
        Level::WARN => Style::Yellow,
        Level::INFO => Style::Green,
        Level::DEBUG => Style::Blue,
        Level::TRACE => Style::Faint,
    }
}

/// An event's message and its fields, each on one line whatever they hold.
#[derive(Default)]
struct Line {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Line {
    fn text(&self) -> String {
        let mut text = one_line(&self.message);
        for (name, value) in &self.fields {
            text.push_str(&format!(" {name}={}", one_line(value)));
        }
        text
    }

    fn json(&self, time: &str, level: Level) -> String {
        text::json(&JsonLine { time, level: word(level), message: &self.message, fields: &self.fields })
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: &'a str,
    level: &'static str,
    message: &'a str,
    #[serde(flatten, serialize_with = "members")]
    fields: &'a [(&'static str, String)],
}

fn members<S: Serializer>(fields: &[(&'static str, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(fields.iter().map(|(name, value)| (name, value)))
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push((field.name(), format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.push((field.name(), value.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_is_one_object_of_texts() {
        let line = Line { message: "a \"b\"\nc".to_owned(), fields: vec![("lost_lines", "3".to_owned())] };
        assert_eq!(
            line.json("now", Level::WARN),
            r#"{"time":"now","level":"warn","message":"a \"b\"\nc","lost_lines":"3"}"#
        );
    }

    #[test]
    fn a_stream_that_is_not_stderr_is_not_the_journal() {
        assert!(!goes_to_journald(None));
        assert!(!goes_to_journald(Some("nonsense")));
        assert!(!goes_to_journald(Some("0:0")));
    }
}
