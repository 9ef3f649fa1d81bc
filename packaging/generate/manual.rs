//! vip-manager(1): the command line as it is parsed, and the daemon as its user meets it.

use clap::{Arg, Command};
use vip_manager::cli;

use super::roff::Page;

pub(crate) fn page() -> String {
    let mut command = cli::command();
    command.build();
    let page = Page::new("vip-manager", 1)
        .section("NAME")
        .text(&format!("vip-manager - {}", lower_first(&about(&command))))
        .section("SYNOPSIS")
        .text("*vip-manager* [_COMMAND_] [_OPTION_]...")
        .section("DESCRIPTION");
    let page = paragraphs(&command).into_iter().skip(1).fold(page, |page, text| page.text(&text));
    let page = page.text(
        "The address never outlives the lease of the leader key: each read of the key renews a lifetime in the kernel, \
         so the address is removed even if the daemon is killed, hangs, or is cut off from etcd.",
    );
    let page = command
        .get_subcommands()
        .fold(page.section("COMMANDS"), |page, sub| page.term(&format!("*{}*", sub.get_name()), &about(sub)));
    let page = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .fold(page.section("OPTIONS").text(SPELLING), |page, argument| page.term(&usage(argument), &help(argument)));
    closing(page).done()
}

const SPELLING: &str = "Options, keys and variables have the same names and take the same values; *vip-manager.yml*(5) \
                        describes both in detail. Options may precede or follow the command.";

fn closing(page: Page) -> Page {
    page.section("ENVIRONMENT")
        .term("*VIP_IP*, *VIP_TRIGGER_KEY*, ...", "Every option as a variable: in capitals, with _ for -.")
        .section("FILES")
        .term("*/etc/default/vip-manager.yml*", "The configuration of *vip-manager.service*.")
        .term("*/etc/default/vip-manager*", "Variables for *vip-manager.service*, where it exists.")
        .term(
            "*/etc/vip-manager/NAME.yml*, */etc/patroni/NAME.vip*",
            "The configuration of *vip-manager@NAME.service*, and its variables; each may be missing.",
        )
        .term("*/run/vip-manager/NAME.sock*", "What *status* asks, NAME being that of the configuration's file.")
        .term("*/run/vip-manager/addresses/*", "Which addresses were added, by which process, for the next start.")
        .section("STATUS")
        .text(
            "*vip-manager* *status* asks the running daemon who holds each address and why, *--events* what happened last, \
             *--json* the same for programs, *--watch* again each second. Without a daemon it shows what the kernel and etcd \
             say. It takes root or the group vip-manager. *NO_COLOR* turns colour off.",
        )
        .section("SIGNALS")
        .term(
            "*SIGTERM*, *SIGINT*",
            "Release the address and exit. Where systemd restarts the unit, and where *on-stop* is keep, the address stays \
             for the rest of its lifetime in the kernel and the next start takes it over.",
        )
        .term("*SIGHUP*", "Reload the configuration; if it is invalid, the old one stays in effect.")
        .section("EXIT STATUS")
        .term("*0*", "Stopped as requested.")
        .term("*1*", "A failure that may be temporary; for *status*: no daemon answered.")
        .term("*64*", "The command line is invalid.")
        .term("*77*", "A privilege is missing; CAP_NET_ADMIN and CAP_NET_RAW are needed, and no other.")
        .term("*78*", "The configuration is invalid; each mistake is reported with its place. systemd tries again until it is correct.")
        .section("SYSTEMD")
        .text(
            "*systemctl* *stop* releases the address, *systemctl* *restart* and an upgrade keep it and the connections \
             through it. *systemctl* *reload* fails if the configuration has mistakes. The daemon runs as the user vip-manager. Where that user cannot read a private key for TLS, a \
             drop-in gives it the group that can (*systemctl* *edit* *vip-manager*):",
        )
        .literal("[Service]\nSupplementaryGroups=ssl-cert")
        .text("or, since systemd 247, hands it a copy, which *etcd-key-file* then names as client.key:")
        .literal("[Service]\nLoadCredential=client.key:/etc/etcd/client.key")
        .section("EXAMPLES")
        .text("Try a configuration, and see where each value came from:")
        .literal("vip-manager show-config --config /etc/default/vip-manager.yml")
        .text("Report everything that can keep the VIP away, each with its cure (*--json* for programs; exit status 1 if there are errors):")
        .literal("vip-manager check --config /etc/default/vip-manager.yml")
        .text("Start it now and at every boot:")
        .literal("systemctl enable --now vip-manager")
        .section("SEE ALSO")
        .text("*vip-manager.yml*(5), *patronictl*(1), *systemctl*(1)")
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// How the line begins that `apropos` shows.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn paragraphs(command: &Command) -> Vec<String> {
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    long.split("\n\n").map(str::to_owned).collect()
}

fn usage(argument: &Arg) -> String {
    let long = argument.get_long().map(|long| format!("*--{long}*"));
    let names: Vec<_> = argument.get_short().map(|short| format!("*-{short}*")).into_iter().chain(long).collect();
    let value = argument.get_value_names().filter(|_| argument.get_action().takes_values());
    let values: Vec<_> = value.unwrap_or_default().iter().map(|name| format!("_{name}_")).collect();
    format!("{} {}", names.join(", "), values.join(" "))
}

fn help(argument: &Arg) -> String {
    argument.get_help().map(ToString::to_string).unwrap_or_default()
}
