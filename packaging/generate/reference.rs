//! vip-manager.yml(5): the table of keys, row by row.

use vip_manager::config::keys::{self, Spec, TABLE};

use super::roff::Page;

pub(crate) fn page() -> String {
    let page = Page::new("vip-manager.yml", 5)
        .section("NAME")
        .text("vip-manager.yml - configuration of vip-manager")
        .section("DESCRIPTION")
        .text(
            "A file of YAML: one mapping of the keys below. Options override variables, variables override the file, and the \
             file overrides the defaults. *vip-manager* *show-config* prints every value with where it came from. Keys that are \
             unknown and values that are invalid are errors, and all of them are reported at once.",
        )
        .text("Three lines are a configuration, if Patroni's own file gives the rest:")
        .literal("ip: 10.0.0.5\ninterface: eth0\npatroni-config: /etc/patroni/patroni.yml")
        .text(
            "Most often only the user postgres may read that file. Then *systemctl* *edit* *vip-manager*, add \
             LoadCredential=patroni.yml:/etc/patroni/patroni.yml to [Service], and set *patroni-config:* patroni.yml. Or \
             everything is set here:",
        )
        .literal(
            "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: /service/pg_cluster/leader\n\
             dcs-endpoints: [10.0.0.1, 10.0.0.2, 10.0.0.3]",
        )
        .section("VALUES")
        .term("Durations", "A number of milliseconds, or, for example, 250ms, 10s, 1m, 1h.")
        .term("Switches", "true, yes, on, 1 or false, no, off, 0. As an option a switch needs no value.")
        .term("Lists", "A list of YAML, or separated by commas.")
        .term("Texts", "Taken literally, quoted or not.")
        .term("Empty values", "The same as none.")
        .section("KEYS");
    let page = TABLE.iter().fold(page, row);
    page.section("SEE ALSO").text("*vip-manager*(1)").done()
}

fn row(page: Page, spec: &'static Spec) -> Page {
    let page = page.term(&format!("*{}:* _{}_", spec.name, spec.takes.placeholder()), &format!("{}.", spec.help));
    let page = match spec.default {
        "" => page,
        "required" => page.also("Required."),
        default => page.also(&format!("Default: {default}.")),
    };
    let page = if spec.key.is_flat() {
        page.also(&format!("As an option: *--{}*. As a variable: *{}*.", spec.name, keys::variable(spec.name)))
    } else {
        page
    };
    let page = if spec.per_vip { page.also("An entry of vips may hold it, too.") } else { page };
    let page = if spec.also.is_empty() { page } else { page.also(&format!("Also called {}.", spec.also.join(", "))) };
    if spec.aliases.is_empty() { page } else { page.also(&format!("Older names: {}.", spec.aliases.join(", "))) }
}
