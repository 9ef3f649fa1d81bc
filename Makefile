# Everything a newcomer needs: `make demo` and `make test`. Both install what they lack.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Debian keeps ip and nft where a user's PATH does not look.
export PATH := $(PATH):/usr/sbin:/sbin:$(HOME)/.cargo/bin

# Programs and files that must be there, each with the package that brings it.
TOOLS := arping:iputils-arping cc:build-essential dbus-daemon:dbus etcd:etcd-server etcdctl:etcd-client ip:iproute2 \
	nft:nftables openssl:openssl patch:patch ping:iputils-ping protoc:protobuf-compiler ss:iproute2 sysctl:procps \
	systemd-analyze:systemd tcpdump:tcpdump
FILES := /usr/include/google/protobuf/descriptor.proto:libprotobuf-dev

# Only what needs the privilege gets it: cargo builds as the user and starts the programs of the lab through sudo.
ifneq ($(shell id -u),0)
SUDO := sudo
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
AS_ROOT := CARGO_TARGET_$(HOST)_RUNNER="sudo -E env PATH=$(PATH)"
endif

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: deps privilege ## Watch a VIP follow its leader through a switchover, a crash and a cut (2 minutes)
	@cargo build --quiet --bins --examples
	@$(AS_ROOT) cargo run --quiet --example demo

# ZooKeeper: the library's package starts no service.
.PHONY: test
test: TOOLS += curl:curl java:default-jre-headless
test: FILES += /usr/share/java/zookeeper.jar:libzookeeper-java
test: deps privilege nextest ## Run all tests; ARGS go to the test runner
	@$(AS_ROOT) tests/consul/run-tests $(ARGS)

.PHONY: bench
bench: TOOLS += java:default-jre-headless
bench: FILES += /usr/share/java/zookeeper.jar:libzookeeper-java
bench: deps privilege ## Measure leader changes and the footprint into docs/benchmarks.md; ARGS=--stores, ARGS=--quick
	@tests/consul/fetch || true
	@cargo build --quiet --release
	@# cargo puts a binary of its own for benches in the same place; what is measured is what is shipped.
	@cp target/release/vip-manager target/vip-manager-to-measure
	@LAB_VIP_MANAGER=$(CURDIR)/target/vip-manager-to-measure $(AS_ROOT) cargo bench --bench leader_change -- $(ARGS)

.PHONY: faults
faults: deps privilege ## Break everything once, watch, and draw it: target/faults/report.html; CASES=name,… for some
	@cargo build --quiet --bins --example faults
	@$(AS_ROOT) cargo run --quiet --example faults -- $(CASES)

.PHONY: faults-failover
faults-failover: TOOLS += java:default-jre-headless
faults-failover: FILES += /usr/share/java/zookeeper.jar:libzookeeper-java
faults-failover: deps privilege ## Let the holder fail twenty times on every store; ARGS=consul,cut,5 for some of it
	@tests/consul/fetch || true
	@cargo build --quiet --bins --example faults
	@$(AS_ROOT) cargo run --quiet --example faults -- --failover $(ARGS)

.PHONY: faults-stores
faults-stores: TOOLS += java:default-jre-headless
faults-stores: FILES += /usr/share/java/zookeeper.jar:libzookeeper-java
faults-stores: deps privilege ## Faults of process, network and servers on every store; ARGS=zookeeper,path-lost for some
	@tests/consul/fetch || true
	@cargo build --quiet --bins --example faults
	@$(AS_ROOT) cargo run --quiet --example faults -- --stores $(ARGS)

.PHONY: soak
MINUTES ?= 30
soak: deps privilege ## Random faults for MINUTES=30, and nothing may grow; SEED=… draws the same ones again
	@cargo build --quiet --bins --example soak
	@$(AS_ROOT) cargo run --quiet --example soak -- $(MINUTES) $(SEED)

.PHONY: sim
sim: ## Try to break the promise in virtual time; SEEDS=1..5000 a range, SEEDS=42 tells one history, ARGS=--help the rest
	@cargo run --quiet -p vip-manager-sim --profile sim -- $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

.PHONY: sim-known-bugs
sim-known-bugs: ## Show that the simulator finds each deliberate bug of sim/known-bugs; ARGS=NAME… for some of them
	@sim/known-bugs.sh $(ARGS)

.PHONY: fuzz
SECONDS ?= 60
fuzz: deps ## Feed every reader of foreign bytes with what it does not expect; SECONDS=60 for each, TARGET=… for one
	@fuzz/run.sh $(SECONDS) $(TARGET)

.PHONY: mutants
mutants: ## Change each line of the deciding rooms and see the tests notice: an hour or two; ARGS='-F src/wire/' for some
	@cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked
	@# One target directory for all: what does not change is built once. Few cases: chance may not do a unit test's work.
	@CARGO_TARGET_DIR=$(CURDIR)/target/mutants CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 PROPTEST_CASES=8 \
		nice cargo mutants --output target $(ARGS)

.PHONY: build
build: deps ## Build the release binary
	cargo build --release

.PHONY: package
package: TOOLS += dpkg-deb:dpkg objdump:binutils python3:python3-venv rpmbuild:rpm
package: deps ## Build .deb, .rpm and .tar.gz into target/packages; ARCH=aarch64 for the other machine
	@packaging/package

.PHONY: package-test
package-test: TOOLS += cpio:cpio debootstrap:debootstrap dpkg-deb:dpkg fish:fish java:default-jre-headless \
	lintian:lintian mandoc:mandoc rpm:rpm rpm2cpio:rpm2cpio rpmlint:rpmlint zsh:zsh
package-test: FILES += /usr/share/java/zookeeper.jar:libzookeeper-java
package-test: deps privilege nextest ## Install the packages into a booted Debian and upgrade, kill and remove them there
	@packaging/check
	@tests/consul/fetch || true
	@$(SUDO) tests/package/debian $(CURDIR)/target/package-test/debian
	@REVISION=2 BINARY=target/$(shell uname -m)-unknown-linux-gnu/release/vip-manager packaging/package target/package-test/newer
	@$(AS_ROOT) cargo nextest run --test package $(ARGS)

.PHONY: monitoring-test
monitoring-test: TOOLS += chromium:chromium promtool:prometheus python3:python3-minimal
monitoring-test: FILES += /usr/lib/python3/dist-packages/prometheus_client/__init__.py:python3-prometheus-client
monitoring-test: deps privilege nextest ## Look at the page in a browser, and have others parse metrics, rules and dashboard
	@promtool check rules packaging/monitoring/alerts.yml
	@promtool test rules packaging/monitoring/alerts-test.yml
	@$(AS_ROOT) cargo nextest run --test monitoring $(ARGS)

.PHONY: kubernetes-test
kubernetes-test: TOOLS += dpkg-source:dpkg-dev rsync:rsync
kubernetes-test: FILES += /usr/lib/go-1.19/bin/go:golang-1.19-go \
	/usr/share/gocode/src/github.com/modern-go/reflect2:golang-github-modern-go-reflect2-dev
kubernetes-test: deps privilege nextest ## Follow Patroni's records in a real kube-apiserver, which is built once
	@tools/kube-apiserver target/kubernetes
	@KUBE_APISERVER=$(CURDIR)/target/kubernetes/kube-apiserver $(AS_ROOT) cargo nextest run --test kubernetes $(ARGS)

.PHONY: cluster-test
# PATRONI is a program, or a version that comes from PyPI.
cluster-test: OTHER_PATRONI = $(if $(PATRONI),$(if $(findstring /,$(PATRONI)),,$(CURDIR)/target/patroni-$(PATRONI)/bin/patroni))
cluster-test: TOOLS += dpkg-source:dpkg-dev java:default-jre-headless patroni:patroni patronictl:patroni \
	psql:postgresql-client python3:python3-venv rsync:rsync setpriv:util-linux
cluster-test: FILES += /usr/lib/python3/dist-packages/psycopg2/__init__.py:python3-psycopg2 \
	/usr/lib/python3/dist-packages/consul/__init__.py:python3-consul \
	/usr/lib/python3/dist-packages/etcd/__init__.py:python3-etcd \
	/usr/lib/python3/dist-packages/kazoo/__init__.py:python3-kazoo \
	/usr/share/doc/postgresql:postgresql /usr/share/java/zookeeper.jar:libzookeeper-java \
	/usr/lib/go-1.19/bin/go:golang-1.19-go \
	/usr/share/gocode/src/github.com/modern-go/reflect2:golang-github-modern-go-reflect2-dev
cluster-test: no-main-cluster deps privilege nextest ## Run real clusters on every store behind the VIP; PATRONI=4.1 for that one
	@tests/consul/fetch || true
	@tools/kube-apiserver target/kubernetes
	@$(if $(OTHER_PATRONI),tests/cluster/patroni $(PATRONI))
	@$(if $(PATRONI),PATRONI=$(or $(OTHER_PATRONI),$(PATRONI))) \
		KUBE_APISERVER=$(CURDIR)/target/kubernetes/kube-apiserver $(AS_ROOT) cargo nextest run --test cluster $(ARGS)

# The package of PostgreSQL would start a cluster of its own.
.PHONY: no-main-cluster
no-main-cluster: privilege
	@[ -e /usr/share/doc/postgresql ] || { $(SUDO) mkdir -p /etc/postgresql-common/createcluster.d && \
		echo 'create_main_cluster = false' | $(SUDO) tee /etc/postgresql-common/createcluster.d/vip-manager.conf >/dev/null; }

.PHONY: lint
lint: TOOLS += python3:python3
lint: deps ## Formatting, clippy, the purity of the pure rooms, imports, sizes, documentation
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo clippy --test cluster --test package --test monitoring --quiet -- -D warnings
	cargo check --lib --no-default-features --quiet
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet
	tools/arrows --self-test
	tools/arrows
	tools/lines
	tools/seventh-store

.PHONY: deps
deps: ## Install the Debian packages that are missing
	@command -v cargo >/dev/null || { echo "Rust is missing; https://rustup.rs brings it" >&2; exit 1; }
	@missing=""; \
	for need in $(TOOLS); do command -v "$${need%%:*}" >/dev/null || missing="$$missing $${need##*:}"; done; \
	for need in $(FILES); do [ -e "$${need%%:*}" ] || missing="$$missing $${need##*:}"; done; \
	[ -n "$$missing" ] || exit 0; \
	command -v apt-get >/dev/null || { echo "please install what these Debian packages bring:$$missing" >&2; exit 1; }; \
	echo "Installing$$missing"; \
	$(SUDO) apt-get update -q; \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing

.PHONY: privilege
privilege:
	@[ "$$(id -u)" = 0 ] || command -v sudo >/dev/null || \
		{ echo "the lab makes network namespaces: run this as root, or install sudo" >&2; exit 1; }

.PHONY: nextest
nextest:
	@cargo nextest --version >/dev/null 2>&1 || cargo install cargo-nextest --locked
