//! The endpoints of the store: from what people write to scheme, host and port.
//!
//! User-info in a URL is refused, and no message repeats it: passwords in endpoints were printed for years.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::scope::Scope;
use super::validator::{Reported, Validator};
use crate::config::diagnostic::{Place, brief};
use crate::config::keys::Key;
use crate::config::setting::Item;
use crate::config::stores::{Endpoint, EndpointForm, StoreType};

/// The endpoints, and the root of all keys, if they name one.
pub(super) type Endpoints = (Vec<Endpoint>, Option<String>);

impl Validator<'_> {
    /// `tls`: whether an endpoint without a scheme means TLS.
    pub(super) fn endpoints(&mut self, scope: &Scope<'_>, kind: &StoreType, tls: bool) -> Result<Endpoints, Reported> {
        let Some(setting) = scope.find(Key::DcsEndpoints) else {
            let host = kind.host.map(|host| Endpoint { tls, host: host.to_owned(), port: kind.port });
            return Ok((host.into_iter().collect(), None));
        };
        let quotable = !setting.is_secret();
        let mut endpoints: Vec<(Endpoint, &Place)> = Vec::new();
        let mut root: Option<(String, &Item)> = None;
        let mut sound = Ok(());
        for item in &setting.items {
            match endpoint(&item.text, tls, kind) {
                Err(why) if quotable => {
                    sound = Err(self.problem(&item.place, format!("endpoint \"{}\" {why}", brief(&item.text))));
                }
                Err(_) => sound = Err(self.problem(&item.place, USER_INFO)),
                Ok((endpoint, own_root)) => {
                    match (own_root, &root) {
                        (Some(own), Some((first, item_of_first))) if own != *first => {
                            let other = brief(&item_of_first.text);
                            let text = format!(
                                "endpoint \"{}\" has another path than \"{other}\"; expected the same one",
                                brief(&item.text)
                            );
                            sound = Err(self.problem(&item.place, text));
                        }
                        (Some(own), None) => root = Some((own, item)),
                        (Some(_) | None, Some(_)) | (None, None) => {}
                    }
                    self.add(&mut endpoints, endpoint, &item.place);
                }
            }
        }
        let endpoints = endpoints.into_iter().map(|(endpoint, _)| endpoint).collect();
        sound.map(|()| (endpoints, root.map(|(root, _)| root)))
    }

    fn add<'i>(&mut self, endpoints: &mut Vec<(Endpoint, &'i Place)>, endpoint: Endpoint, place: &'i Place) {
        match endpoints.iter().find(|(known, _)| *known == endpoint) {
            None => endpoints.push((endpoint, place)),
            Some((_, first)) => {
                let text = format!("endpoint \"{endpoint}\" is listed twice, first at {first}; it is used once");
                self.findings.notice(place, text);
            }
        }
    }
}

fn endpoint(text: &str, tls: bool, kind: &StoreType) -> Result<(Endpoint, Option<String>), String> {
    let example = kind.example();
    let (tls, rest) = match (text.split_once("://"), kind.endpoints) {
        (Some((scheme, rest)), EndpointForm::Url) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        (Some((scheme, rest)), EndpointForm::Url) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        (Some((scheme, _)), EndpointForm::Url) => {
            return Err(format!("has the scheme \"{}\"; expected http or https", brief(scheme)));
        }
        (Some(_), EndpointForm::HostPort) => return Err(format!("has a scheme; expected such as {example}")),
        (None, EndpointForm::Url | EndpointForm::HostPort) => (tls, text),
    };
    if rest.contains('@') {
        return Err(USER_INFO.to_owned());
    }
    let (rest, root) = match (rest.split_once('/'), kind.endpoints) {
        (None, _) => (rest, None),
        (Some((rest, "")), _) => (rest, None),
        (Some((rest, path)), EndpointForm::HostPort) => (rest, Some(root(path)?)),
        (Some(_), EndpointForm::Url) => {
            return Err(format!("has a path or a query; expected only a host and a port, such as {example}"));
        }
    };
    if rest.contains(['?', '#']) {
        return Err(format!("has a path or a query; expected only a host and a port, such as {example}"));
    }
    let (host, port) = split_port(rest, &example)?;
    let port = match port {
        None => kind.port,
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err(format!("has the port \"{}\"; expected 1 to 65535", brief(port))),
            Ok(port) => port,
        },
    };
    Ok((Endpoint { tls, host: host.to_lowercase(), port }, root))
}

/// The root of all keys, from what follows the first slash.
fn root(path: &str) -> Result<String, String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains(['?', '#']) {
        return Err("has a path that cannot be a root; expected such as zk1:2181/databases".to_owned());
    }
    Ok(format!("/{path}"))
}

/// Host and port of an authority, the host checked and without brackets.
fn split_port<'t>(authority: &'t str, example: &str) -> Result<(String, Option<&'t str>), String> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("has no closing bracket; expected [ADDRESS]:PORT")?;
        let address: Ipv6Addr = host.parse().map_err(|_| "has no IPv6 address in its brackets; expected one")?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((address.to_string(), Some(port))),
            None if after.is_empty() => Ok((address.to_string(), None)),
            None => Err("has text after the brackets; expected [ADDRESS]:PORT".to_owned()),
        };
    }
    if authority.matches(':').count() > 1 {
        return Err("looks like IPv6 without brackets; expected [ADDRESS]:PORT".to_owned());
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    check_host(host, example)?;
    Ok((host.to_owned(), port))
}

fn check_host(host: &str, example: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if host.is_empty() {
        Err(format!("has no host; expected one, such as {example}"))
    } else if !host.chars().all(legal) || (numeric && host.parse::<Ipv4Addr>().is_err()) {
        Err(format!("has the invalid host \"{}\"; expected a name or an address", brief(host)))
    } else {
        Ok(())
    }
}

const USER_INFO: &str = "an endpoint contains a user or a password; set dcs-user and dcs-password instead";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::stores::ETCD;

    /// As ZooKeeper has them.
    const HOST_PORT: StoreType = StoreType { port: 2181, endpoints: EndpointForm::HostPort, ..ETCD };

    #[test]
    fn an_endpoint_without_a_scheme_may_have_a_root() {
        for (text, shown, root) in [
            ("zk1", "http://zk1:2181", None),
            ("zk1:2182/", "http://zk1:2182", None),
            ("zk1:2182/a/b", "http://zk1:2182", Some("/a/b")),
            ("[fd00::1]/a/", "http://[fd00::1]:2181", Some("/a")),
        ] {
            let (endpoint, found) = endpoint(text, false, &HOST_PORT).unwrap();
            assert_eq!((endpoint.to_string().as_str(), found.as_deref()), (shown, root));
        }
        for text in ["http://zk1", "zk1//a", "zk1/a/../b", "zk1/a?b", "u@zk1", "/a"] {
            assert!(endpoint(text, false, &HOST_PORT).is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_needs_neither_scheme_nor_port() {
        for (text, tls, shown) in [
            ("10.0.0.1", false, "http://10.0.0.1:2379"),
            ("10.0.0.1", true, "https://10.0.0.1:2379"),
            ("http://etcd-1.example.org:2380/", true, "http://etcd-1.example.org:2380"),
            ("HTTPS://Etcd_1", false, "https://etcd_1:2379"),
            ("[fd00::1]", false, "http://[fd00::1]:2379"),
            ("https://[FD00:0::1]:4001", false, "https://[fd00::1]:4001"),
        ] {
            assert_eq!(endpoint(text, tls, &ETCD).unwrap().0.to_string(), shown);
        }
    }

    #[test]
    fn what_cannot_be_an_endpoint_is_refused() {
        for text in [
            "ftp://a",
            "http://",
            "http://:2379",
            "a:0",
            "a:65536",
            "a:x",
            "a:",
            "fd00::1",
            "[fd00::1",
            "[a]:1",
            "[::1]1",
            "a/b",
            "a?b",
            "a b",
            "10.0.0.256",
            "10.0.0",
            "u:p@a",
            "http://u@a",
            "ä.example",
        ] {
            assert!(endpoint(text, false, &ETCD).is_err(), "{text}");
        }
    }
}
