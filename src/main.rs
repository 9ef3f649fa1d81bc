//! The `vip-manager` command: understands the command line, loads the configuration, hands over.

use std::env;
use std::io;
use std::process::ExitCode;

use vip_manager::cli::{self, Action};
use vip_manager::clock;
use vip_manager::command::{self, check};
use vip_manager::config::{self, Loaded, Sources};
use vip_manager::daemon;
use vip_manager::terminal;

fn main() -> ExitCode {
    let request = match cli::parse(env::args_os()) {
        Ok(request) => request,
        Err(answer) if answer.use_stderr() => {
            terminal::write(io::stderr(), answer.render());
            return ExitCode::from(cli::USAGE);
        }
        Err(answer) => {
            terminal::write(io::stdout(), answer.render());
            return ExitCode::SUCCESS;
        }
    };
    let host_name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let sources = Sources::new(request.flags, env::vars_os(), host_name);
    // A VIP can be removed, and a daemon be asked, while no name server answers.
    let offline = matches!(request.action, Action::Release | Action::Status(_));
    let sources = if offline { sources.offline() } else { sources };
    if let Action::Check { json } = request.action {
        return check::run(&sources, json, clock::SYSTEM);
    }
    match config::load(&sources) {
        Ok(loaded) => carry_out(request.action, loaded, sources),
        Err(problems) => {
            if !(request.action == Action::Release && was_told()) {
                terminal::write(io::stderr(), format_args!("{problems}\n"));
            }
            let waits = request.action == Action::Run;
            match waits.then(|| daemon::wait_for_configuration(&sources)).flatten() {
                Some(loaded) => daemon::run(loaded, sources),
                None => ExitCode::from(cli::CONFIG),
            }
        }
    }
}

fn carry_out(action: Action, loaded: Loaded, sources: Sources) -> ExitCode {
    match action {
        Action::Run => daemon::run(loaded, sources),
        Action::Check { json } => check::run(&sources, json, clock::SYSTEM),
        Action::Release => command::release(&loaded.config),
        Action::Status(asked) => command::show_status(&loaded, asked),
        Action::ShowConfig { quiet: true } => ExitCode::SUCCESS,
        Action::ShowConfig { quiet: false } => command::show_config(loaded),
    }
}

/// Whether systemd asks after a daemon (its `ExecStopPost=`) that has ended with these very mistakes.
fn was_told() -> bool {
    env::var("EXIT_STATUS").is_ok_and(|status| status == cli::CONFIG.to_string())
}
