//! The endpoints of the store: from what people write to scheme, host and port.
//!
//! User-info in a URL is refused, and no message repeats it: passwords in endpoints were printed for years.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::validator::{Reported, Validator};
use crate::config::diagnostic::{Place, brief};
use crate::config::keys::Key;
use crate::config::model::Endpoint;

impl Validator<'_> {
    /// `tls`: whether an endpoint without a scheme means https.
    pub(super) fn endpoints(&mut self, tls: bool) -> Result<Vec<Endpoint>, Reported> {
        let Some(setting) = self.given.top.find(Key::DcsEndpoints) else {
            return Ok(vec![Endpoint { tls, host: "127.0.0.1".to_owned(), port: PORT }]);
        };
        let quotable = !setting.is_secret();
        let mut endpoints: Vec<(Endpoint, &Place)> = Vec::new();
        let mut sound = Ok(());
        for item in &setting.items {
            match endpoint(&item.text, tls) {
                Err(why) if quotable => {
                    sound = Err(self.problem(&item.place, format!("endpoint \"{}\" {why}", brief(&item.text))));
                }
                Err(_) => sound = Err(self.problem(&item.place, USER_INFO)),
                Ok(endpoint) => match endpoints.iter().find(|(known, _)| *known == endpoint) {
                    None => endpoints.push((endpoint, &item.place)),
                    Some((_, first)) => {
                        let text =
                            format!("endpoint \"{endpoint}\" is listed twice, first at {first}; it is used once");
                        self.findings.notice(&item.place, text);
                    }
                },
            }
        }
        sound.map(|()| endpoints.into_iter().map(|(endpoint, _)| endpoint).collect())
    }
}

fn endpoint(text: &str, tls: bool) -> Result<Endpoint, String> {
    let (tls, rest) = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        Some((scheme, _)) => return Err(format!("has the scheme \"{}\"; expected http or https", brief(scheme))),
        None => (tls, text),
    };
    if rest.contains('@') {
        return Err(USER_INFO.to_owned());
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err("has a path or a query; expected only a host and a port, such as http://10.0.0.1:2379".to_owned());
    }
    let (host, port) = split_port(rest)?;
    let port = match port {
        None => PORT,
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err(format!("has the port \"{}\"; expected 1 to 65535", brief(port))),
            Ok(port) => port,
        },
    };
    Ok(Endpoint { tls, host: host.to_lowercase(), port })
}

/// Host and port of an authority, the host checked and without brackets.
fn split_port(authority: &str) -> Result<(String, Option<&str>), String> {
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
    check_host(host)?;
    Ok((host.to_owned(), port))
}

fn check_host(host: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if host.is_empty() {
        Err("has no host; expected one, such as http://10.0.0.1:2379".to_owned())
    } else if !host.chars().all(legal) || (numeric && host.parse::<Ipv4Addr>().is_err()) {
        Err(format!("has the invalid host \"{}\"; expected a name or an address", brief(host)))
    } else {
        Ok(())
    }
}

const PORT: u16 = 2379;
const USER_INFO: &str = "an endpoint contains a user or a password; set etcd-user and etcd-password instead";

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(endpoint(text, tls).unwrap().to_string(), shown);
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
            assert!(endpoint(text, false).is_err(), "{text}");
        }
    }
}
