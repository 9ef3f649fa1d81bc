//! A Kubernetes API server on a host of the lab, and what Patroni does with it.
//!
//! With `KUBE_APISERVER` set to a program it is that one, on an etcd of its own. Otherwise it is a fake in this process,
//! whose answers were recorded from the real one: both are asked the same by the same tests, and one test compares them.

mod client;
mod fake;
pub(crate) mod patroni;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

pub(crate) use self::client::Client;
use self::fake::Fake;
use super::clock::wait_until;
use super::command::run;
use super::daemon::ConfigFile;
use super::fail::OrFail;
use super::host::{Host, INTERFACE, VIP};
use super::lab::Lab;
use super::process::Process;
use super::tls::Tls;

/// The API server's port.
pub(crate) const PORT: u16 = 6443;
pub(crate) const NAMESPACE: &str = "pg";
/// The trigger-key of most tests.
pub(crate) const KEY: &str = "pg/configmaps/main-leader";
/// The name of the Lease that claims the VIP where no claim-key is set.
pub(crate) const CLAIM: &str = "main-vip-10-66-0-100";
/// The service account of the daemons.
pub(crate) const ACCOUNT: &str = "vip";
/// In the directory of the lab.
pub(crate) const ADMIN_KUBECONFIG: &str = "admin-kubeconfig";
const ADMIN: &str = "admin-token";
/// How long the real one may take to start on a busy machine.
const START: Duration = Duration::from_secs(120);

/// An API server.
#[derive(Debug)]
pub(crate) struct Kubernetes {
    pub(crate) host: Host,
    pub(crate) tls: Tls,
    admin: Client,
    server: Server,
}

#[derive(Debug)]
enum Server {
    Real { program: PathBuf, api: Option<Process>, _etcd: Process },
    Fake(Fake),
}

/// Whether the real one is used.
pub(crate) fn is_real() -> bool {
    std::env::var_os("KUBE_APISERVER").is_some()
}

impl Kubernetes {
    /// Starts one, with a namespace and a service account that may follow the object of [`KEY`] and claim the VIP.
    pub(crate) fn start(lab: &Lab) -> Self {
        let kubernetes = Self::start_bare(lab);
        kubernetes.allow(&["get", "list", "watch"]);
        kubernetes.allow_claims();
        kubernetes
    }

    /// The same without any rights.
    pub(crate) fn start_bare(lab: &Lab) -> Self {
        let host = lab.host("kube");
        let tls = Tls::new(lab);
        tls.server(&host);
        let admin = Client::new(&lab.host("kubeadmin"), &host, &tls.ca_file(), ADMIN);
        let server = match std::env::var_os("KUBE_APISERVER") {
            Some(program) => Server::start_real(PathBuf::from(program), &host),
            None => Server::Fake(Fake::start(&host, ADMIN)),
        };
        let kubernetes = Self { host, tls, admin, server };
        kubernetes.wait_ready();
        kubernetes.create("/api/v1/namespaces", json!({"metadata": {"name": NAMESPACE}}));
        let accounts = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
        kubernetes.create(&accounts, json!({"metadata": {"name": ACCOUNT}}));
        kubernetes
    }

    /// SIGKILL. Every connection ends.
    pub(crate) fn kill(&mut self) {
        match &mut self.server {
            Server::Real { api, .. } => *api = None,
            Server::Fake(fake) => fake.stop(),
        }
    }

    /// SIGSTOP, or what comes to the same. Connections stay open, but nothing is answered.
    pub(crate) fn freeze(&self) {
        match &self.server {
            Server::Real { api, .. } => {
                api.as_ref().or_fail("freezing an API server that runs").signal(Signal::SIGSTOP);
            }
            Server::Fake(fake) => fake.freeze(true),
        }
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        match &self.server {
            Server::Real { api, .. } => {
                api.as_ref().or_fail("thawing an API server that runs").signal(Signal::SIGCONT);
            }
            Server::Fake(fake) => fake.freeze(false),
        }
    }

    /// Starts it again with the data that it had.
    pub(crate) fn restart(&mut self) {
        match &mut self.server {
            Server::Real { program, api, .. } => *api = Some(start_api(program, &self.host)),
            Server::Fake(fake) => fake.resume(),
        }
        self.wait_ready();
    }

    /// Forgets what every object was before now, as etcd does when it is compacted.
    pub(crate) fn forget_history(&mut self) {
        if let Server::Fake(fake) = &self.server {
            fake.forget_history();
            return;
        }
        self.kill();
        let shown = self.host.run("etcdctl", &["endpoint", "status", "--write-out=json"]);
        let status: Value = serde_json::from_str(&shown).or_fail("reading etcd's status");
        let revision = status[0]["Status"]["header"]["revision"].as_i64().or_fail("reading etcd's revision");
        self.host.run("etcdctl", &["compact", &revision.to_string()]);
        self.restart();
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("https://{}:{PORT}", self.host.v4())
    }

    /// Asks as an administrator. A server that does not answer is an `Err`.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        self.admin.ask(method, path, body)
    }

    /// Asks with this token.
    pub(crate) fn ask_as(&self, token: &str, path: &str) -> Result<(u16, Value), String> {
        self.admin.with_token(token).ask("GET", path, None)
    }

    /// Does something with this token.
    pub(crate) fn act_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), String> {
        self.admin.with_token(token).ask(method, path, body)
    }

    /// Asks with this token for this form of the answer.
    pub(crate) fn ask_for(&self, token: &str, form: &str, path: &str) -> Result<(u16, Value), String> {
        self.admin.with_token(token).accepting(form).ask("GET", path, None)
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "the objects are written where they are created")]
    pub(crate) fn create(&self, path: &str, object: Value) -> Value {
        let (status, said) = self.ask("POST", path, Some(&object)).or_fail("creating an object");
        assert_eq!(status, 201, "{path}: {said}");
        said
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) {
        let (status, said) = self.ask("DELETE", path, None).or_fail("deleting an object");
        assert_eq!(status, 200, "{path}: {said}");
    }

    /// Changes annotations of an object, creating it where it is missing.
    #[track_caller]
    pub(crate) fn annotate(&self, key: &str, annotations: &Value) {
        self.admin.annotate(key, annotations).or_fail("annotating an object");
    }

    /// A client for a stand-in of Patroni on this host.
    pub(crate) fn client_on(&self, host: &Host) -> Client {
        Client::new(host, &self.host, &self.tls.ca_file(), ADMIN)
    }

    /// Lets the service account do everything in its namespace that a daemon may want, whatever the objects' names.
    pub(crate) fn allow_everything(&self) {
        let verbs = ["get", "list", "watch", "create", "update", "patch", "delete"];
        let rules = json!([
            {"apiGroups": [""], "resources": ["configmaps", "endpoints"], "verbs": verbs},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs},
        ]);
        self.grant("vip", &rules);
    }

    /// Lets the service account do this with the object of [`KEY`] and nothing else.
    pub(crate) fn allow(&self, verbs: &[&str]) {
        let rules = json!([{"apiGroups": [""], "resources": ["configmaps", "endpoints"],
            "resourceNames": ["main-leader", "main"], "verbs": verbs}]);
        self.grant("vip", &rules);
    }

    /// Lets the service account claim the VIP, with the rules of `examples/kubernetes-rbac.yml`.
    pub(crate) fn allow_claims(&self) {
        self.allow_with_claims(&["create"], &["get", "update", "watch"]);
    }

    /// Lets the service account do only this with all Leases, and this with the Lease that claims the VIP.
    pub(crate) fn allow_with_claims(&self, all: &[&str], own: &[&str]) {
        let (group, leases) = (["coordination.k8s.io"], ["leases"]);
        let rules = json!([{"apiGroups": group, "resources": leases, "verbs": all},
            {"apiGroups": group, "resources": leases, "resourceNames": [CLAIM], "verbs": own}]);
        self.grant("vip-claim", &rules);
    }

    fn grant(&self, name: &str, rules: &Value) {
        self.create(&rbac("roles", ""), json!({"metadata": {"name": name}, "rules": rules}));
        let subjects = json!([{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]);
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name});
        let binding = json!({"metadata": {"name": name}, "subjects": subjects, "roleRef": role});
        self.create(&rbac("rolebindings", ""), binding);
    }

    /// The Lease that claims the VIP.
    pub(crate) fn claim(&self) -> Option<Value> {
        let (status, said) = self.ask("GET", &claim_path(), None).or_fail("reading the claim");
        (status == 200).then_some(said)
    }

    /// Writes who holds the Lease that claims the VIP, whoever has it.
    #[track_caller]
    pub(crate) fn set_claim(&self, holder: Option<&str>, seconds: u32) {
        let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": seconds});
        let all = claim_path().replace(&format!("/{CLAIM}"), "");
        if self.claim().is_none() {
            self.create(&all, json!({"metadata": {"name": CLAIM}, "spec": spec}));
        } else {
            let change = json!({"spec": spec});
            let (status, said) = self.ask("PATCH", &claim_path(), Some(&change)).or_fail("changing the claim");
            assert_eq!(status, 200, "{said}");
        }
    }

    /// Takes the right to claim away.
    pub(crate) fn forbid_claims(&self) {
        self.delete(&rbac("rolebindings", "/vip-claim"));
        self.delete(&rbac("roles", "/vip-claim"));
    }

    /// Takes the rights away.
    pub(crate) fn forbid(&self) {
        self.delete(&rbac("rolebindings", "/vip"));
        self.delete(&rbac("roles", "/vip"));
    }

    /// A token of the service account, which is good until the secret of this name is deleted.
    pub(crate) fn token(&self, secret: &str) -> String {
        let secrets = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
        self.create(&secrets, json!({"metadata": {"name": secret}}));
        let bound = json!({"apiVersion": "v1", "kind": "Secret", "name": secret});
        let spec = json!({"spec": {"audiences": ["https://lab"], "expirationSeconds": 3600, "boundObjectRef": bound}});
        let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token");
        let said = self.create(&path, spec);
        said["status"]["token"].as_str().or_fail("reading a token").to_owned()
    }

    /// Ends the tokens that are bound to this secret. The real server notices within ten seconds.
    pub(crate) fn revoke(&self, secret: &str) {
        self.delete(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/{secret}"));
    }

    /// A kubeconfig with a file of a token.
    pub(crate) fn kubeconfig(&self, token_file: &Path) -> PathBuf {
        let file = self.host.directory().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
             contexts: [{{name: lab, context: {{cluster: lab, user: vip}}}}]\n\
             clusters: [{{name: lab, cluster: {{server: '{}', certificate-authority: '{}'}}}}]\n\
             users: [{{name: vip, user: {{tokenFile: '{}'}}}}]\n",
            self.endpoint(),
            self.tls.ca_file().display(),
            token_file.display()
        );
        fs::write(&file, text).or_fail("writing a kubeconfig");
        file
    }

    /// A kubeconfig of an administrator in [`ADMIN_KUBECONFIG`].
    pub(crate) fn admin_kubeconfig(&self) {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
             contexts: [{{name: lab, context: {{cluster: lab, user: admin}}}}]\n\
             clusters: [{{name: lab, cluster: {{server: '{}', certificate-authority: '{}'}}}}]\n\
             users: [{{name: admin, user: {{token: '{ADMIN}'}}}}]\n",
            self.endpoint(),
            self.tls.ca_file().display()
        );
        fs::write(self.host.directory().join(ADMIN_KUBECONFIG), text).or_fail("writing a kubeconfig");
    }

    /// A kubeconfig with a good token.
    pub(crate) fn access(&self) -> PathBuf {
        let file = self.host.directory().join("token");
        if !file.exists() {
            fs::write(&file, self.token("first")).or_fail("writing a token");
        }
        self.kubeconfig(&file)
    }

    /// The minimal configuration of a daemon on `host`.
    pub(crate) fn config(&self, host: &Host) -> ConfigFile {
        ConfigFile::bare()
            .with("ip", VIP)
            .with("interface", INTERFACE)
            .with("trigger-key", KEY)
            .with("trigger-value", host.name())
            .with("dcs-type", "kubernetes")
            .with("kubernetes-config", self.access().display())
    }

    fn wait_ready(&self) {
        wait_until("a Kubernetes API server", START, || {
            let path = "/api/v1/namespaces?limit=1";
            self.ask("GET", path, None).ok().filter(|(status, _)| *status == 200).map(drop)
        });
    }
}

pub(crate) fn claim_path() -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{CLAIM}")
}

fn rbac(kind: &str, name: &str) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/{kind}{name}")
}

impl Server {
    fn start_real(program: PathBuf, host: &Host) -> Self {
        let directory = host.directory();
        let file = |name: &str| directory.join(name);
        fs::write(file("tokens.csv"), format!("{ADMIN},admin,admin,system:masters\n")).or_fail("writing tokens");
        run("openssl", &["genrsa", "-out", &file("accounts.key").to_string_lossy(), "2048"]);
        let mut etcd = host.command("etcd");
        etcd.arg("--data-dir").arg(file("kube-etcd"));
        let etcd = Process::start("the API server's etcd", etcd);
        let api = Some(start_api(&program, host));
        Self::Real { program, api, _etcd: etcd }
    }
}

fn start_api(program: &Path, host: &Host) -> Process {
    let directory = host.directory();
    let file = |name: &str| directory.join(name).display().to_string();
    let (certificate, key) =
        (file(&format!("{}-server.pem", host.name())), file(&format!("{}-server.key", host.name())));
    let mut command = host.command(program);
    command.args([
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        format!("--secure-port={PORT}"),
        format!("--advertise-address={}", host.v4()),
        format!("--cert-dir={}", file("kube")),
        format!("--tls-cert-file={certificate}"),
        format!("--tls-private-key-file={key}"),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--service-account-issuer=https://lab".to_owned(),
        format!("--service-account-signing-key-file={}", file("accounts.key")),
        format!("--service-account-key-file={}", file("accounts.key")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ]);
    Process::start("kube-apiserver", command)
}
