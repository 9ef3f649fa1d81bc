//! The files, each with its name.

use clap::Command;
use clap_complete::Shell;
use vip_manager::cli;

use super::{manual, reference};

/// Everything that is generated.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    vec![
        ("vip-manager.1", manual::page()),
        ("vip-manager.yml.5", reference::page()),
        ("vip-manager.bash", completion(Shell::Bash)),
        ("_vip-manager", completion(Shell::Zsh)),
        ("vip-manager.fish", completion(Shell::Fish)),
    ]
}

fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut modern(), "vip-manager", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The command line without what is accepted for the sake of old files only: bash would offer that, too.
fn modern() -> Command {
    let all = cli::command();
    let seen = all.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
    Command::new("vip-manager")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(seen)
        .subcommands(all.get_subcommands().cloned())
}
