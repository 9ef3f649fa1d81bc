//! The rows of the table of keys.

use super::spec::{Key, PER_VIP, PLAIN, Spec, Takes};

/// Every key, in the order in which people read about them.
pub static TABLE: [Spec; 48] = [
    Spec {
        key: Key::Config,
        name: "config",
        aliases: &["configfile"],
        takes: Takes::File,
        default: "/etc/default/vip-manager.yml where it exists",
        help: "The configuration file; a - before an absolute path makes it optional. Not valid in the file itself",
        ..PLAIN
    },
    Spec {
        key: Key::Ip,
        name: "ip",
        takes: Takes::Addresses,
        default: "required",
        help: "One or more virtual IP addresses, IPv4 or IPv6, each with an optional prefix length: 10.0.0.5/24",
        ..PER_VIP
    },
    Spec {
        key: Key::Netmask,
        name: "netmask",
        aliases: &["mask"],
        takes: Takes::Netmask,
        default: "32, or 128 for IPv6",
        help: "The prefix length, 1 to 32, or 1 to 128 for IPv6; -1 for the default. With both families, values up \
               to 32 apply to IPv4 only, larger ones to IPv6 only",
        ..PER_VIP
    },
    Spec {
        key: Key::Interface,
        name: "interface",
        aliases: &["iface"],
        takes: Takes::Interface,
        default: "required",
        help: "The network interface to add the address to",
        ..PER_VIP
    },
    Spec {
        key: Key::TriggerKey,
        name: "trigger-key",
        aliases: &["key"],
        default: "from patroni-config, or required; /leader with patroni",
        help: "The leader key, as Patroni writes it: /service/pg_cluster/leader; with patroni the path to ask for: \
               /leader or /primary",
        ..PER_VIP
    },
    Spec {
        key: Key::TriggerValue,
        name: "trigger-value",
        aliases: &["host", "nodename", "node_name"],
        default: "from patroni-config, or the host name; 200 with patroni",
        help: "The value of the key that means this host: its member name in Patroni; with patroni also 200, any \
               answer of this host's own Patroni",
        ..PER_VIP
    },
    Spec {
        key: Key::PatroniConfig,
        name: "patroni-config",
        takes: Takes::File,
        help: "Patroni's own configuration: a file, its directory, or a credential of the unit by its name. It gives the \
               store, its endpoints, TLS and login, the trigger-key and the trigger-value, unless they are set here",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsType,
        name: "dcs-type",
        aliases: &["type", "endpoint_type"],
        takes: Takes::Choice,
        default: "etcd",
        help: "The store of the leader key: etcd or etcd3, which mean the same, etcd2, consul, kubernetes, zookeeper, \
               exhibitor, which tells ZooKeeper's servers, or patroni, the REST API of this host's Patroni",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsEndpoints,
        name: "dcs-endpoints",
        aliases: &["endpoint", "endpoints"],
        takes: Takes::Endpoints,
        default: "127.0.0.1:2379, 127.0.0.1:8008 with patroni",
        help: "The endpoints of the store, as a list or separated by commas. Without a scheme: http, or https if a \
               file for TLS is set",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsUser,
        name: "dcs-user",
        also: &["etcd-user"],
        aliases: &["etcd_user"],
        help: "The user of the store to authenticate as",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsPassword,
        name: "dcs-password",
        also: &["etcd-password", "dcs-secret"],
        aliases: &["etcd_password"],
        help: "The password of that user. Every user of the host can read it on the command line: prefer the file \
               or a variable",
        secret: true,
        ..PER_VIP
    },
    Spec {
        key: Key::DcsPasswordFile,
        name: "dcs-password-file",
        also: &["etcd-password-file"],
        takes: Takes::File,
        help: "A file that contains the password, read again at each login; replaces dcs-password",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsToken,
        name: "dcs-token",
        also: &["consul-token"],
        aliases: &["consul_token"],
        help: "The token to authenticate with, for stores that have tokens; not used with etcd",
        secret: true,
        ..PER_VIP
    },
    Spec {
        key: Key::DcsTokenFile,
        name: "dcs-token-file",
        also: &["consul-token-file"],
        takes: Takes::File,
        help: "A file that contains the token, read again when it changes; replaces dcs-token",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsDatacenter,
        name: "consul-datacenter",
        default: "the agent's",
        help: "The datacenter of Consul that holds the leader key",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsNamespace,
        name: "consul-namespace",
        help: "The namespace of Consul Enterprise that holds the leader key",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsPartition,
        name: "consul-partition",
        help: "The admin partition of Consul Enterprise that holds the leader key",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsCaFile,
        name: "dcs-ca-file",
        also: &["etcd-ca-file"],
        aliases: &["etcd_ca_file"],
        takes: Takes::File,
        default: "the system's roots",
        help: "The certificate authorities to trust, in PEM",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsCertFile,
        name: "dcs-cert-file",
        also: &["etcd-cert-file"],
        aliases: &["etcd_cert_file"],
        takes: Takes::File,
        help: "The client certificate, in PEM; needs dcs-key-file",
        ..PER_VIP
    },
    Spec {
        key: Key::DcsKeyFile,
        name: "dcs-key-file",
        also: &["etcd-key-file"],
        aliases: &["etcd_key_file"],
        takes: Takes::File,
        help: "The private key of the client certificate, in PEM; needs dcs-cert-file",
        ..PER_VIP
    },
    Spec {
        key: Key::Kubeconfig,
        name: "kubernetes-config",
        takes: Takes::File,
        default: "the pod's service account, or KUBECONFIG",
        help: "With dcs-type: kubernetes, the kubeconfig that says where the API server is and how to log in; replaces \
               dcs-endpoints and the keys for login and TLS",
        ..PER_VIP
    },
    Spec {
        key: Key::KubeContext,
        name: "kubernetes-context",
        default: "the current context",
        help: "The context of the kubeconfig",
        ..PER_VIP
    },
    Spec {
        key: Key::Interval,
        name: "interval",
        takes: Takes::Duration,
        default: "1s, and up to 10s while everything is quiet",
        help: "The longest time between two reads of the leader key, 50ms to 60s",
        ..PLAIN
    },
    Spec {
        key: Key::HoldTimeout,
        name: "hold-timeout",
        takes: Takes::Duration,
        default: "10s, or three intervals if that is longer",
        help: "How long the address may stay without a confirming read, 2s to 1h, at least three intervals",
        ..PER_VIP
    },
    Spec {
        key: Key::LeaseMargin,
        name: "lease-margin",
        takes: Takes::Duration,
        default: "3s",
        help: "How long before the end of the leader key's lease the address is removed, 1s to 60s",
        ..PER_VIP
    },
    Spec {
        key: Key::Claim,
        name: "claim",
        takes: Takes::Choice,
        default: "auto, off with etcd",
        help: "Whether the address is also claimed in the store, so that no two hosts hold it whatever becomes of the \
               leader key: require, auto (where the store lets this host), or off",
        ..PER_VIP
    },
    Spec {
        key: Key::ClaimTtl,
        name: "claim-ttl",
        takes: Takes::Duration,
        default: "10s",
        help: "How long the store keeps a claim that nobody renews, 5s to 150s: another host waits for this long",
        ..PER_VIP
    },
    Spec {
        key: Key::ClaimKey,
        name: "claim-key",
        default: "vip/ADDRESS beside the leader key",
        help: "The key of the claim in the store",
        ..PER_VIP
    },
    Spec {
        key: Key::ManagerType,
        name: "manager-type",
        aliases: &["hosting-type", "hostingtype", "hosting_type", "manager-mode"],
        takes: Takes::Choice,
        default: "basic",
        help: "How the address is managed: only basic, on an interface of this host",
        ..PLAIN
    },
    Spec {
        key: Key::OnStop,
        name: "on-stop",
        takes: Takes::Choice,
        default: "release",
        help: "What happens to a held address when the daemon stops: release it, or keep it for its kernel lifetime \
               so that the next start adopts it. A restart by systemd always keeps it",
        ..PLAIN
    },
    Spec {
        key: Key::AnnounceCount,
        name: "announce-count",
        takes: Takes::Count,
        default: "6",
        help: "Announcements per series, 1 to 1000",
        ..PER_VIP
    },
    Spec {
        key: Key::AnnounceInterval,
        name: "announce-interval",
        takes: Takes::Duration,
        default: "growing: after 100ms, 500ms, 1.1s, 2.2s and 4.4s",
        help: "The time between two announcements of a series, 10ms to 60s",
        ..PER_VIP
    },
    Spec {
        key: Key::AnnounceRefresh,
        name: "announce-refresh",
        takes: Takes::Duration,
        default: "60s",
        help: "The time between two later announcements, 1s to 24h; 0 disables them",
        ..PER_VIP
    },
    Spec {
        key: Key::RetryNum,
        name: "retry-num",
        aliases: &["retry_num"],
        takes: Takes::Count,
        help: "Deprecated form of announce-count; used if that is not set",
        ..PER_VIP
    },
    Spec {
        key: Key::RetryAfter,
        name: "retry-after",
        aliases: &["retry_after"],
        takes: Takes::Duration,
        help: "Deprecated form of announce-interval; used if that is not set",
        ..PER_VIP
    },
    Spec {
        key: Key::ResetConnections,
        name: "reset-connections",
        takes: Takes::Switch,
        default: "true",
        help: "Whether TCP connections to the address are reset before it is removed, so that clients reconnect at \
               once",
        ..PER_VIP
    },
    Spec {
        key: Key::RefuseAfterRelease,
        name: "refuse-after-release",
        takes: Takes::Duration,
        default: "10s",
        help: "How long new TCP connections to the address are refused after its release, unless another host \
               announces it before, up to 60s; 0 disables it",
        ..PER_VIP
    },
    Spec {
        key: Key::OnAcquire,
        name: "on-acquire",
        takes: Takes::Program,
        help: "A program to run after the address is acquired: an absolute path or, in the file, a list with \
               arguments; no shell",
        ..PER_VIP
    },
    Spec {
        key: Key::OnRelease,
        name: "on-release",
        takes: Takes::Program,
        help: "A program to run after the address is released; nothing waits for it",
        ..PER_VIP
    },
    Spec {
        key: Key::OnConflict,
        name: "on-conflict",
        takes: Takes::Program,
        help: "A program to run when another host starts to claim the address",
        ..PER_VIP
    },
    Spec {
        key: Key::HookTimeout,
        name: "hook-timeout",
        takes: Takes::Duration,
        default: "10s",
        help: "How long such a program may run, 100ms to 10m, before it is killed",
        ..PER_VIP
    },
    Spec {
        key: Key::LogLevel,
        name: "log-level",
        takes: Takes::Choice,
        default: "info",
        help: "The log level: error, warn, info, debug or trace",
        ..PLAIN
    },
    Spec {
        key: Key::LogFormat,
        name: "log-format",
        takes: Takes::Choice,
        default: "auto",
        help: "The log format: auto (for journald, a terminal or plain text) or json",
        ..PLAIN
    },
    Spec {
        key: Key::LogFile,
        name: "log-file",
        takes: Takes::File,
        help: "Accepted for compatibility; the log goes to standard error, which systemd passes to the journal",
        ..PLAIN
    },
    Spec {
        key: Key::Verbose,
        name: "verbose",
        takes: Takes::Switch,
        default: "false",
        help: "Deprecated form of log-level: debug",
        ..PLAIN
    },
    Spec {
        key: Key::StatusSocket,
        name: "status-socket",
        takes: Takes::File,
        default: "/run/vip-manager/NAME.sock, named after the file; none without a unit",
        help: "The Unix socket for vip-manager status: an absolute path, or none",
        ..PLAIN
    },
    Spec {
        key: Key::StatusListen,
        name: "status-listen",
        takes: Takes::Listen,
        default: "none",
        help: "The address that serves the status page and metrics over HTTP, such as 127.0.0.1:9899. Anyone who \
               can connect can read them",
        ..PLAIN
    },
    Spec {
        key: Key::Vips,
        name: "vips",
        takes: Takes::Entries,
        help: "Several virtual IPs: a list of mappings that override the top-level keys. Only in the file",
        ..PLAIN
    },
];
