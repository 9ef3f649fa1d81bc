//! The command line. Its flags come from the table of keys; this adds the subcommands.
//!
//! A flag that does not exist is a mistake of the command line (64). A flag whose value is wrong is a mistake of the
//! configuration (78), reported with all others: that is why clap hands every value on as it came.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use crate::config::keys::{self, Key};
use crate::config::{self, Flags};

/// Exit status for a command line that cannot be understood, as in sysexits.h.
pub const USAGE: u8 = 64;
/// Exit status for a configuration with mistakes, as in sysexits.h.
pub const CONFIG: u8 = 78;

/// What is to be done, and with which flags.
#[derive(Clone, Debug)]
pub struct Request {
    pub action: Action,
    pub flags: Flags,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Be the daemon.
    Run,
    /// Print every value of the configuration with where it came from, or nothing but its mistakes.
    ShowConfig { quiet: bool },
    /// Tell everything that can be known before it matters.
    Check { json: bool },
    /// Take this host's virtual IPs from it, without a daemon.
    Release,
    /// Ask the running daemon how it is.
    Status(StatusAsked),
}

/// What of the status is wanted, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusAsked {
    pub json: bool,
    /// Again each second, until interrupted.
    pub watch: bool,
    /// The last transitions instead.
    pub events: bool,
}

/// Understands the command line, program name first. The error is clap's: it may also be the help text or the version.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, clap::Error> {
    let arranged = config::arrange(args, &[CHECK, SHOW_CONFIG, RELEASE, STATUS]);
    let matches = command().try_get_matches_from(arranged).map_err(name_nearest)?;
    let (action, matches) = match matches.subcommand() {
        Some((CHECK, inner)) => (Action::Check { json: inner.get_flag(JSON) }, inner),
        Some((SHOW_CONFIG, inner)) => (Action::ShowConfig { quiet: inner.get_flag(QUIET) }, inner),
        Some((RELEASE, inner)) => (Action::Release, inner),
        Some((STATUS, inner)) => {
            let [json, watch, events] = [JSON, WATCH, EVENTS].map(|flag| inner.get_flag(flag));
            (Action::Status(StatusAsked { json, watch, events }), inner)
        }
        Some(_) | None => (Action::Run, &matches),
    };
    Ok(Request { action, flags: Flags::of(matches) })
}

/// Has the error name the nearest modern flag. Clap alone would also offer the historic ones, which are hidden.
fn name_nearest(mut error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    if let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) {
        let near = keys::nearest(arg.trim_start_matches('-')).filter(|near| *near != Key::Vips.name());
        let near = near.map_or(ContextValue::None, |near| ContextValue::String(format!("--{near}")));
        error.insert(ContextKind::SuggestedArg, near);
    }
    error
}

/// The definition of the command line.
pub fn command() -> Command {
    Command::new("vip-manager")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .long_about(
            "Keeps one stable IP address on the leader of a PostgreSQL cluster.\n\nWithout a command it runs as the \
             daemon: it watches the leader key in etcd, adds the virtual IP to the interface while the key names \
             this host, and removes it otherwise.",
        )
        .after_help(
            "Every option is also a key of the file and a variable: --trigger-key, trigger-key:, VIP_TRIGGER_KEY. \
             Options override variables, variables override the file.\nDurations are milliseconds or, for example, \
             250ms, 10s, 1m.\n\nExit status: 0 stopped as requested, 64 command line, 77 privileges missing, 78 \
             configuration.",
        )
        .disable_help_subcommand(true)
        .args(config::flags())
        .subcommand(
            Command::new(CHECK)
                .about(
                    "Report what can keep the VIP away in configuration, host, network, etcd and key, each with \
                        its cure",
                )
                .arg(flag(JSON, "Print one JSON object")),
        )
        .subcommand(
            Command::new(SHOW_CONFIG)
                .about("Print every value of the configuration with where it came from")
                .arg(flag(QUIET, "Print only mistakes; the exit status is 78 if there are any")),
        )
        .subcommand(Command::new(RELEASE).about("Remove the virtual IPs from this host; needs no running daemon"))
        .subcommand(status())
}

fn status() -> Command {
    Command::new(STATUS)
        .about("Ask the running daemon who holds each virtual IP and why; --events lists the last transitions")
        .after_help(
            "Without a daemon it says so and shows what the kernel and etcd report.\n\nExit status: 0 the daemon \
             answered, 1 it did not, 64 command line, 78 configuration.",
        )
        .arg(flag(JSON, "Print one JSON object"))
        .arg(flag(WATCH, "Refresh each second until interrupted"))
        .arg(flag(EVENTS, "The last 256 transitions, with cause and timing"))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

const CHECK: &str = "check";
const JSON: &str = "json";
const SHOW_CONFIG: &str = "show-config";
const QUIET: &str = "quiet";
const RELEASE: &str = "release";
const STATUS: &str = "status";
const WATCH: &str = "watch";
const EVENTS: &str = "events";
