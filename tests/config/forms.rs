//! The forms in which configurations of earlier releases are in use: each is loaded as it is, and means what it meant.

use super::field::FORMS;
use super::{Run, has_row};

#[test]
fn every_form_is_loaded_as_it_is() {
    for form in FORMS {
        let (shown, _) = Run::new().file(form.file).env(form.variables).shown();
        for row in form.rows {
            assert!(shown.lines().any(|line| line == *row), "{}: no row {row:?} in\n{shown}", form.name);
        }
    }
}

#[test]
fn a_variable_of_consul_that_has_no_effect_is_a_warning() {
    let file = "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: service/pg/leader\ntrigger-value: pg1\ndcs-type: consul\n";
    let variables = [("CONSUL_HTTP_SSL_VERIFY", "false"), ("CONSUL_TLS_SERVER_NAME", "consul.example.org")];
    let (_, notices) = Run::new().file(file).env(&variables).shown();
    assert!(notices.contains("CONSUL_HTTP_SSL_VERIFY: certificates are always verified here"), "{notices}");
    assert!(notices.contains("CONSUL_TLS_SERVER_NAME: it has no effect here"), "{notices}");
    let (shown, notices) = Run::new().file(file.replace("consul", "etcd")).env(&variables).shown();
    has_row(&shown, "dcs-type etcd vip-manager.yml:5");
    assert!(!notices.contains("CONSUL_"), "{notices}");
}
