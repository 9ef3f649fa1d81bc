//! The forms in which configurations of earlier releases are in use. `tests/config/forms.rs` loads each, and `tests/forms`
//! brings each up against its store. A new store adds its forms to [`FORMS`].

/// A form: its name, the file, the variables, and rows that `show-config` prints of it.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) variables: &'static [(&'static str, &'static str)],
    pub(crate) rows: &'static [&'static str],
}

pub(crate) const FORMS: &[Form] = &[
    Form {
        name: "etcd, all keys of the sample of 1.0, quoted",
        file: "interval: 1000\ntrigger-key: \"/service/pgcluster/leader\"\ntrigger-value: \"pgcluster_member1\"\n\
               ip: 192.168.0.123\nnetmask: 24\ninterface: enp0s3\nhosting-type: basic\ndcs-type: etcd\ndcs-endpoints:\n  \
               - http://127.0.0.1:2379\n  - https://192.168.0.42:2379\netcd-user: \"patroni\"\netcd-password: \"Julian's \
               secret password\"\netcd-ca-file: \"/path/to/etcd/trusted/ca/file\"\netcd-cert-file: \
               \"/path/to/etcd/client/cert/file\"\netcd-key-file: \"/path/to/etcd/client/key/file\"\n\
               consul-token: \"Julian's token\"\nretry-num: 2\nretry-after: 250\nverbose: false\n",
        variables: &[],
        rows: &[
            "192.168.0.123/24 on enp0s3",
            "dcs-endpoints http://127.0.0.1:2379,https://192.168.0.42:2379 vip-manager.yml:9",
            "trigger-value pgcluster_member1 vip-manager.yml:3",
        ],
    },
    Form {
        name: "etcd with TLS on all members",
        file: "ip: 10.10.10.18\nmask: 24\ninterface: eth0\ntrigger-key: \"/service/amfcluster/leader\"\n\
               trigger-value: \"pg1\"\ndcs-type: etcd\ndcs-endpoints:\n  - https://10.10.10.20:2379\n  - \
               https://10.10.10.21:2379\netcd-ca-file: /certs/ca.crt\netcd-cert-file: /certs/client.crt\n\
               etcd-key-file: /certs/client.key\n",
        variables: &[],
        rows: &["10.10.10.18/24 on eth0", "dcs-ca-file /certs/ca.crt vip-manager.yml:10 (etcd-ca-file)"],
    },
    Form {
        name: "etcd, as Pigsty writes it",
        file: "interval: 1000\ntrigger-key: \"/pg/pg-test/leader\"\ntrigger-value: \"pg-test-1\"\nip: 10.10.10.3\n\
               netmask: 24\ninterface: eth1\nhosting-type: basic\ndcs-type: etcd\ndcs-endpoints:\n  - \
               https://10.10.10.10:2379\netcd-user: \"pg-test\"\netcd-password: \"pg-test\"\netcd-ca-file: /etc/pki/ca.crt\n\
               retry-num: 2\nretry-after: 250\nverbose: false\n",
        variables: &[],
        rows: &["trigger-key /pg/pg-test/leader vip-manager.yml:2", "dcs-user pg-test vip-manager.yml:11 (etcd-user)"],
    },
    Form {
        name: "etcd, only variables, Citus",
        file: "",
        variables: &[
            ("VIP_IP", "172.30.254.254"),
            ("VIP_NETMASK", "16"),
            ("VIP_INTERFACE", "eth0"),
            ("VIP_TRIGGER_KEY", "/service/citus/0/leader"),
            ("VIP_TRIGGER_VALUE", "coord1"),
            ("VIP_MANAGER_TYPE", "basic"),
            ("VIP_DCS_TYPE", "etcd"),
            ("VIP_DCS_ENDPOINTS", "http://etcd1:2379,http://etcd2:2379, http://etcd3:2379"),
        ],
        rows: &[
            "172.30.254.254/16 on eth0",
            "dcs-endpoints http://etcd1:2379,http://etcd2:2379,http://etcd3:2379 VIP_DCS_ENDPOINTS",
        ],
    },
    Form {
        name: "etcd, endpoints absent, login empty",
        file: "trigger-key: /maunleashdb/18-main/leader\ntrigger-value: m01\nip: 172.23.124.74\ninterface: ens160\n\
               dcs-type: etcd\netcd-user: \"\"\netcd-password: \"\"\n",
        variables: &[],
        rows: &["dcs-endpoints http://127.0.0.1:2379 default", "dcs-user (none) default"],
    },
    Form {
        name: "etcd3 by its other name",
        file: "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: /service/pg/leader\ntrigger-value: pg1\ndcs-type: etcd3\n\
               dcs-endpoints: 'http://10.0.0.1:2379'\n",
        variables: &[],
        rows: &["dcs-type etcd vip-manager.yml:5"],
    },
    Form {
        name: "consul, key without a slash, its own lock",
        file: "dcs-type: consul\ndcs-endpoints:\n  - \"http://127.0.0.1:8500\"\ntrigger-key: \"network/internal/vip/lock\"\n\
               trigger-value: pg1\nip: 192.168.227.200\nnetmask: 24\ninterface: bond0\ninterval: 1000\n",
        variables: &[],
        rows: &[
            "trigger-key network/internal/vip/lock vip-manager.yml:4",
            "dcs-endpoints http://127.0.0.1:8500 vip-manager.yml:2",
        ],
    },
    Form {
        name: "consul, key with a slash, endpoints a plain text, a token",
        file: "ip: 10.0.0.5\nnetmask: 24\ninterface: eth0\ntrigger-key: \"/service/pg/leader\"\ntrigger-value: pg1\n\
               dcs-type: consul\ndcs-endpoints: http://10.0.0.1:8500\nconsul-token: \"token\"\nmanager-type: basic\n\
               retry-num: 3\nretry-after: 250\n",
        variables: &[],
        rows: &[
            "trigger-key service/pg/leader vip-manager.yml:4",
            "dcs-endpoints http://10.0.0.1:8500 vip-manager.yml:7",
            "dcs-token (set, not shown) vip-manager.yml:8 (consul-token)",
        ],
    },
    Form {
        name: "consul, only variables, endpoints absent",
        file: "",
        variables: &[
            ("VIP_IP", "10.0.0.5"),
            ("VIP_NETMASK", "24"),
            ("VIP_INTERFACE", "eth0"),
            ("VIP_TRIGGER_KEY", "/service/pg/leader"),
            ("VIP_TRIGGER_VALUE", "pg1"),
            ("VIP_DCS_TYPE", "consul"),
            ("VIP_CONSUL_TOKEN", "token"),
        ],
        rows: &["dcs-endpoints http://127.0.0.1:8500 default", "dcs-token (set, not shown) VIP_CONSUL_TOKEN"],
    },
    Form {
        name: "consul, TLS and token in the variables of Consul's own clients",
        file: "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: service/pg/leader\ntrigger-value: pg1\ndcs-type: consul\n\
               dcs-endpoints: https://10.0.0.1:8501\n",
        variables: &[
            ("CONSUL_CACERT", "/ca.pem"),
            ("CONSUL_CLIENT_CERT", "/client.pem"),
            ("CONSUL_CLIENT_KEY", "/client.key"),
            ("CONSUL_HTTP_TOKEN", "token"),
        ],
        rows: &[
            "dcs-ca-file /ca.pem CONSUL_CACERT",
            "dcs-cert-file /client.pem CONSUL_CLIENT_CERT",
            "dcs-key-file /client.key CONSUL_CLIENT_KEY",
            "dcs-token (set, not shown) CONSUL_HTTP_TOKEN",
        ],
    },
    Form {
        name: "consul, what is set wins over the variables of Consul's own clients",
        file: "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: service/pg/leader\ntrigger-value: pg1\ndcs-type: consul\n\
               dcs-endpoints: https://10.0.0.1:8501\nconsul-token-file: /token\netcd-ca-file: /own.pem\n",
        variables: &[("CONSUL_CACERT", "/ca.pem"), ("CONSUL_HTTP_TOKEN", "token")],
        rows: &[
            "dcs-ca-file /own.pem vip-manager.yml:8 (etcd-ca-file)",
            "dcs-token (none) default",
            "dcs-token-file /token vip-manager.yml:7 (consul-token-file)",
        ],
    },
    Form {
        name: "patroni, a number as the value, endpoints absent",
        file: "ip: 10.0.0.5\nnetmask: 24\ninterface: eth0\ntrigger-key: \"/leader\"\ntrigger-value: 200\n\
               dcs-type: patroni\nmanager-type: basic\ninterval: 1000\nretry-num: 3\nretry-after: 250\nverbose: false\n",
        variables: &[],
        rows: &[
            "trigger-key /leader vip-manager.yml:4",
            "trigger-value 200 vip-manager.yml:5",
            "dcs-endpoints http://127.0.0.1:8008 default",
        ],
    },
    Form {
        name: "patroni, endpoints a plain text that ends with a slash",
        file: "ip: 10.0.0.5\ninterface: eth0\ndcs-type: patroni\ndcs-endpoints: http://127.0.0.1:8008/\n",
        variables: &[],
        rows: &[
            "dcs-endpoints http://127.0.0.1:8008 vip-manager.yml:4",
            "trigger-key /leader default",
            "trigger-value 200 default",
        ],
    },
    Form {
        name: "patroni, TLS in the keys of etcd",
        file: "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: /primary\ntrigger-value: \"200\"\ndcs-type: patroni\n\
               dcs-endpoints:\n  - https://127.0.0.1:8008\netcd-ca-file: /ca.crt\netcd-cert-file: /c.crt\n\
               etcd-key-file: /c.key\n",
        variables: &[],
        rows: &[
            "dcs-endpoints https://127.0.0.1:8008 vip-manager.yml:6",
            "dcs-ca-file /ca.crt vip-manager.yml:8 (etcd-ca-file)",
            "trigger-key /primary vip-manager.yml:3",
        ],
    },
    Form {
        name: "patroni, only variables",
        file: "",
        variables: &[("VIP_IP", "10.0.0.5"), ("VIP_INTERFACE", "eth0"), ("VIP_DCS_TYPE", "patroni")],
        rows: &["dcs-type patroni VIP_DCS_TYPE", "trigger-key /leader default"],
    },
    Form {
        name: "zookeeper, without a port, with a root",
        file: "ip: 10.0.0.5\ninterface: eth0\ntrigger-key: /service/pg/leader\ntrigger-value: pg1\n\
               dcs-type: zookeeper\ndcs-endpoints: [zk1, 'zk2:2182/databases']\n",
        variables: &[],
        rows: &["dcs-endpoints zk1:2181/databases,zk2:2182/databases vip-manager.yml:6"],
    },
];
