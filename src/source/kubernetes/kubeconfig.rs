//! A kubeconfig: where the API server is, whom to trust, and how to be let in.
//!
//! What would need another program (`exec`, `auth-provider`) or weakens what is proved (`insecure-skip-tls-verify`) is
//! refused with the cure. Pure: the caller reads the file, and decodes what stands in it in base64.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::config::model::Secret;
use crate::config::yaml::{self, Content, Node};
use crate::endpoint::Endpoint;

/// Why a kubeconfig is of no use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Useless {
    /// The line, from 1; 0 if it is about the whole.
    pub line: usize,
    /// What is wrong, and the cure.
    pub why: String,
}

/// What one context of a kubeconfig says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    pub server: Endpoint,
    /// What goes before the path of every request; empty for most.
    pub path: String,
    /// The authorities to trust; the system's if there are none.
    pub ca: Option<Material>,
    /// Certificate and key of this client.
    pub identity: Option<(Material, Material)>,
    pub login: Login,
}

/// A certificate or a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Material {
    File(PathBuf),
    /// In base64.
    Inline(Secret),
}

/// How requests log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Login {
    None,
    Token(Secret),
    TokenFile(PathBuf),
    User { name: String, password: Secret },
}

impl fmt::Display for Useless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 { write!(f, "line {}: {}", self.line, self.why) } else { f.write_str(&self.why) }
    }
}

/// Reads a kubeconfig. Paths in it are relative to `directory`. Without a context it is the current one.
pub fn read(text: &str, directory: &Path, context: Option<&str>) -> Result<Access, Useless> {
    let root = yaml::parse(text.trim_start_matches('\u{feff}'))
        .map_err(|error| Useless { line: error.position().0, why: error.to_string() })?
        .ok_or_else(|| whole("it is empty; expected a kubeconfig"))?;
    let root = Map::of(&root, "file")?;
    let context = match context {
        Some(context) => context.to_owned(),
        None => root
            .text("current-context")?
            .ok_or_else(|| whole("it has no current-context; set kubernetes-context"))?
            .to_owned(),
    };
    let chosen = root.named("contexts", "context", &context)?;
    let cluster = root.named("clusters", "cluster", chosen.needed("cluster")?)?;
    let user = match chosen.text("user")? {
        Some(user) => Some(root.named("users", "user", user)?),
        None => None,
    };
    refuse_unsupported(cluster, user)?;
    let (server, path) = server(cluster)?;
    let material = |map: Map<'_>, key: &str| material(map, key, directory);
    let identity = match user {
        Some(user) => match (material(user, "client-certificate")?, material(user, "client-key")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(user.lacks("client-key")),
            (None, Some(_)) => return Err(user.lacks("client-certificate")),
        },
        None => None,
    };
    let login = user.map_or(Ok(Login::None), |user| login(user, directory))?;
    Ok(Access { server, path, ca: material(cluster, "certificate-authority")?, identity, login })
}

fn refuse_unsupported(cluster: Map<'_>, user: Option<Map<'_>>) -> Result<(), Useless> {
    let of_cluster = UNSUPPORTED_OF_CLUSTERS.iter().map(|row| (cluster, row));
    let of_user = UNSUPPORTED_OF_USERS.iter().filter_map(|row| Some((user?, row)));
    for (map, (key, cure)) in of_cluster.chain(of_user) {
        if let Some(node) = map.find(key) {
            return Err(Useless { line: node.line, why: format!("{key} is not supported; {cure}") });
        }
    }
    match cluster.scalar("insecure-skip-tls-verify")? {
        Some((line, text)) if text != "false" => {
            let why = "insecure-skip-tls-verify is not supported, since whoever answers could move the address; set \
                       certificate-authority";
            Err(Useless { line, why: why.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

fn server(cluster: Map<'_>) -> Result<(Endpoint, String), Useless> {
    let (line, url) = cluster.scalar("server")?.ok_or_else(|| cluster.lacks("server"))?;
    parse_server(url).ok_or_else(|| Useless {
        line,
        why: "server is not a URL of an API server; expected such as https://10.0.0.1:6443".to_owned(),
    })
}

/// Scheme, host, port and path of a URL.
pub fn parse_server(url: &str) -> Option<(Endpoint, String)> {
    let (tls, rest) = match url.trim().split_once("://")? {
        (scheme, rest) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        (scheme, rest) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        _ => return None,
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let path = path.trim_end_matches('/');
    if path.chars().any(|c| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            match after {
                "" => (host, None),
                after => (host, Some(after.strip_prefix(':')?)),
            }
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let bracketed = authority.starts_with('[');
    if host.is_empty() || !(bracketed || host.chars().all(legal)) {
        return None;
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|&port| port > 0)?,
        None if tls => 443,
        None => 80,
    };
    Some((Endpoint { tls, host: host.to_lowercase(), port }, path.to_owned()))
}

/// A file, or the data itself, which wins over the file, as with other clients.
fn material(map: Map<'_>, key: &str, directory: &Path) -> Result<Option<Material>, Useless> {
    if let Some(data) = map.text(&format!("{key}-data"))? {
        return Ok(Some(Material::Inline(Secret::new(data.to_owned()))));
    }
    Ok(map.text(key)?.map(|path| Material::File(directory.join(path))))
}

/// A file of a token wins over a token, as with other clients.
fn login(user: Map<'_>, directory: &Path) -> Result<Login, Useless> {
    if let Some(path) = user.text("tokenFile")? {
        return Ok(Login::TokenFile(directory.join(path)));
    }
    if let Some(token) = user.text("token")? {
        return Ok(Login::Token(Secret::new(token.to_owned())));
    }
    match (user.text("username")?, user.text("password")?) {
        (Some(name), Some(password)) => {
            Ok(Login::User { name: name.to_owned(), password: Secret::new(password.to_owned()) })
        }
        (None, None) => Ok(Login::None),
        (Some(_), None) => Err(user.lacks("password")),
        (None, Some(_)) => Err(user.lacks("username")),
    }
}

const UNSUPPORTED_OF_CLUSTERS: [(&str, &str); 2] = [
    ("proxy-url", "expected a server that is reached directly"),
    ("tls-server-name", "expected a server whose name is in its certificate"),
];
const UNSUPPORTED_OF_USERS: [(&str, &str); 3] = [
    ("exec", "expected a token, a tokenFile or a client-certificate"),
    ("auth-provider", "expected a token, a tokenFile or a client-certificate"),
    ("as", "expected a user that has the rights itself"),
];

fn whole(why: &str) -> Useless {
    Useless { line: 0, why: why.to_owned() }
}

/// A mapping, and what to call it.
#[derive(Clone, Copy)]
struct Map<'a> {
    node: &'a Node,
    pairs: &'a [yaml::Pair],
    what: &'a str,
}

impl<'a> Map<'a> {
    fn of(node: &'a Node, what: &'a str) -> Result<Self, Useless> {
        match &node.content {
            Content::Mapping(pairs) => Ok(Self { node, pairs, what }),
            Content::Null | Content::Scalar(_) | Content::List(_) => {
                Err(Useless { line: node.line, why: format!("the {what} is not a mapping; expected a kubeconfig") })
            }
        }
    }

    fn find(self, key: &str) -> Option<&'a Node> {
        let is_key = |node: &Rc<Node>| matches!(&node.content, Content::Scalar(text) if text == key);
        let found = self.pairs.iter().find(|(name, _)| is_key(name)).map(|(_, value)| &**value);
        found.filter(|node| node.content != Content::Null)
    }

    fn scalar(self, key: &str) -> Result<Option<(usize, &'a str)>, Useless> {
        match self.find(key) {
            None => Ok(None),
            Some(Node { line, content: Content::Scalar(text) }) => {
                Ok(Some((*line, text.as_str())).filter(|(_, text)| !text.is_empty()))
            }
            Some(node) => Err(Useless { line: node.line, why: format!("{key} is not a text; expected a kubeconfig") }),
        }
    }

    fn text(self, key: &str) -> Result<Option<&'a str>, Useless> {
        Ok(self.scalar(key)?.map(|(_, text)| text))
    }

    fn needed(self, key: &str) -> Result<&'a str, Useless> {
        self.text(key)?.ok_or_else(|| self.lacks(key))
    }

    fn lacks(self, key: &str) -> Useless {
        Useless { line: self.node.line, why: format!("{key} is missing in this {}", self.what) }
    }

    /// The element of this name in a list of names and contents.
    fn named(self, list: &str, what: &'a str, name: &str) -> Result<Map<'a>, Useless> {
        let node = self.find(list).ok_or_else(|| self.lacks(list))?;
        let Content::List(elements) = &node.content else {
            return Err(Useless { line: node.line, why: format!("{list} is not a list; expected a kubeconfig") });
        };
        let mut names = Vec::new();
        for element in elements {
            let element = Map::of(element, what)?;
            let found = element.text("name")?.unwrap_or_default();
            if found == name {
                let inside = element.find(what).ok_or_else(|| element.lacks(what))?;
                return Map::of(inside, what);
            }
            names.push(found);
        }
        let known = if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) };
        Err(Useless { line: node.line, why: format!("{list} has no {what} of the name {name}{known}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
apiVersion: v1
kind: Config
current-context: admin@lab
contexts:
- context: {cluster: lab, user: admin, namespace: pg}
  name: admin@lab
- context:
    cluster: other
    user: robot
  name: robot@other
clusters:
- name: lab
  cluster:
    certificate-authority-data: Y2E=
    server: https://10.0.0.1:6443
- name: other
  cluster:
    certificate-authority: pki/ca.crt
    server: https://[FD00::1]/k8s/clusters/c-1/
users:
- name: admin
  user:
    client-certificate-data: Y2VydA==
    client-key-data: a2V5
- name: robot
  user:
    tokenFile: /run/token
    token: old
";

    fn parse(text: &str, context: Option<&str>) -> Result<Access, Useless> {
        read(text, Path::new("/etc/kubernetes"), context)
    }

    fn inline(text: &str) -> Material {
        Material::Inline(Secret::new(text.to_owned()))
    }

    #[test]
    fn the_current_context_and_another_one_are_read() {
        let access = parse(FILE, None).unwrap();
        assert_eq!((access.server.to_string().as_str(), &*access.path), ("https://10.0.0.1:6443", ""));
        assert_eq!(access.ca, Some(inline("Y2E=")));
        assert_eq!(access.identity, Some((inline("Y2VydA=="), inline("a2V5"))));
        assert_eq!(access.login, Login::None);
        assert!(!format!("{access:?}").contains("a2V5"), "keys are secrets");

        let access = parse(FILE, Some("robot@other")).unwrap();
        assert_eq!((access.server.to_string().as_str(), &*access.path), ("https://[fd00::1]:443", "/k8s/clusters/c-1"));
        assert_eq!(access.ca, Some(Material::File("/etc/kubernetes/pki/ca.crt".into())));
        assert_eq!(access.login, Login::TokenFile("/run/token".into()));
    }

    #[test]
    fn what_is_not_supported_is_refused_with_its_line_and_a_cure() {
        let with = |from: &str, to: &str| parse(&FILE.replace(from, to), None).unwrap_err().to_string();
        let ca = "certificate-authority-data: Y2E=";
        let key = "client-key-data: a2V5";
        for (from, to, says) in [
            (ca, "insecure-skip-tls-verify: true", "line 14: insecure-skip-tls-verify is not supported"),
            (ca, "proxy-url: http://proxy", "line 14: proxy-url is not supported"),
            (ca, "tls-server-name: x", "line 14: tls-server-name is not supported"),
            (key, "exec: {command: aws}", "line 24: exec is not supported; expected a token"),
            (key, "auth-provider: {name: gcp}", "line 24: auth-provider is not supported"),
            (key, "as: root", "line 24: as is not supported"),
            (key, "x: y", "line 23: client-key is missing in this user"),
            (key, "username: [a]", "line 23: client-key is missing in this user"),
            ("https://10.0.0.1:6443", "10.0.0.1", "line 15: server is not a URL"),
            ("    server: https://10.0.0.1:6443", "", "line 14: server is missing in this cluster"),
            ("- name: lab", "- name: x", "line 12: clusters has no cluster of the name lab; there is x, other"),
            (
                "current-context: admin@lab",
                "current-context: \"\"",
                "it has no current-context; set kubernetes-context",
            ),
            ("users:", "user:", "line 1: users is missing in this file"),
        ] {
            let error = with(from, to);
            assert!(error.starts_with(says), "{error}");
        }
        assert_eq!(parse("", None).unwrap_err().to_string(), "it is empty; expected a kubeconfig");
        assert!(parse("- a", None).unwrap_err().to_string().contains("is not a mapping"));
        assert!(parse("a: [", None).unwrap_err().line > 0);
        let none = parse(FILE, Some("x")).unwrap_err().to_string();
        assert_eq!(none, "line 5: contexts has no context of the name x; there is admin@lab, robot@other");
    }

    #[test]
    fn a_user_logs_in_by_token_or_password() {
        let with =
            |login: &str| parse(&FILE.replace("tokenFile: /run/token\n    token: old", login), Some("robot@other"));
        assert_eq!(with("token: abc").unwrap().login, Login::Token(Secret::new("abc".into())));
        let login = with("username: a\n    password: \"0123\"").unwrap().login;
        assert_eq!(login, Login::User { name: "a".into(), password: Secret::new("0123".into()) });
        assert_eq!(with("x: y").unwrap().login, Login::None);
        assert!(with("username: a").is_err() && with("password: a").is_err());
    }

    #[test]
    fn the_url_of_a_server_is_split() {
        let shown = |url| parse_server(url).map(|(server, path)| format!("{server}{path}"));
        assert_eq!(shown("https://api.example"), Some("https://api.example:443".into()));
        assert_eq!(shown("http://127.0.0.1:8001/"), Some("http://127.0.0.1:8001".into()));
        assert_eq!(shown("HTTPS://[::1]:6443/a/b"), Some("https://[::1]:6443/a/b".into()));
        for wrong in [
            "",
            "api",
            "ftp://a",
            "https://",
            "https://:1",
            "https://a:0",
            "https://[::1",
            "https://[a]",
            "https://u@a",
            "https://a/b?c",
            "https://a b",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }
}
