#!/bin/bash
# Shows that the simulator finds known bugs: each patch of sim/known-bugs is applied to a copy of the shipped code, or of
# the model that replaces it, and must be found within the budget.
#
# usage: sim/known-bugs.sh [NAME…]      CPU_SECONDS=120, the budget for each
#        sim/known-bugs.sh --fit         only that each patch still fits, which takes a second
set -euo pipefail
cd "$(dirname "$0")/.."

fits() { patch --dry-run --force --strip=1 --fuzz=0 <"$1" >/dev/null || { echo "$1 does not fit the source any more" >&2; return 1; }; }

if [ "${1:-}" = --fit ]; then
    misfits=0
    for patch in sim/known-bugs/*.patch; do fits "$patch" || misfits=$((misfits + 1)); done
    exit $((misfits > 0))
fi
work=$PWD/target/known-bugs
budget=${CPU_SECONDS:-120}
dependencies=$(grep -E '^(serde|serde_json|thiserror) = ' Cargo.toml)
# Each bug costs a build, and most are found at once: a fast build matters more here than a fast run.
export CARGO_PROFILE_SIM_LTO=off CARGO_PROFILE_SIM_CODEGEN_UNITS=16 CARGO_PROFILE_SIM_DEBUG=none

fresh() {
    mkdir -p "$work/src" "$work/sim"
    # Only the pure files under test: they build in seconds.
    rm -rf "$work/src" "$work/sim/src"
    mkdir -p "$work/src"
    cp -r src/keeper src/driver src/wire src/backoff.rs src/endpoint.rs src/pace.rs src/time.rs src/vip.rs "$work/src/"
    mkdir "$work/src/source" "$work/src/config"
    cp src/source/claim.rs src/source/need.rs src/source/proof.rs src/source/rounds.rs "$work/src/source/"
    mkdir "$work/src/source/kubernetes" "$work/src/source/patroni"
    cp src/source/patroni/answer.rs "$work/src/source/patroni/"
    cp src/source/kubernetes/record.rs "$work/src/source/kubernetes/"
    echo 'pub mod claim; pub mod need; pub mod proof; pub mod rounds; pub mod kubernetes { pub mod record; }
        pub mod patroni { pub mod answer; }' \
        >"$work/src/source/mod.rs"
    cp -r src/config/model.rs src/config/stores "$work/src/config/"
    printf 'mod model; mod stores;\npub use model::{ClaimConfig, Hooks, SourceIndex, VipConfig};\n' >"$work/src/config/mod.rs"
    cp -r sim/src sim/Cargo.toml "$work/sim/"
    echo 'mod backoff; pub mod config; pub mod driver; mod endpoint; pub mod keeper; pub mod pace; pub mod source;
        pub mod time; pub mod vip; pub mod wire;' >"$work/src/lib.rs"
    cp Cargo.lock "$work/Cargo.lock"
    {
        printf '[package]\nname = "vip-manager"\nversion = "6.0.0"\nedition = "2024"\n\n[workspace]\nmembers = ["sim"]\n\n'
        printf '[workspace.lints.rust]\nwarnings = "allow"\n\n[dependencies]\n%s\n\n' "$dependencies"
        sed -n '/^\[profile.sim\]/,/^$/p' Cargo.toml
    } >"$work/Cargo.toml"
}

build() {
    (cd "$work" && cargo build --quiet --profile sim -p vip-manager-sim --target-dir "$work/target" 2>"$work/build.log") ||
        { cat "$work/build.log" >&2; exit 1; }
}

missed=()
count=0
for patch in sim/known-bugs/*.patch; do
    name=$(basename "$patch" .patch)
    [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
    fresh
    fits "$patch"
    (cd "$work" && patch --quiet --strip=1 --fuzz=0) <"$patch"
    build
    expected=$(sed -n 's/^# breaks: //p' "$patch")
    out=$work/$name.txt
    found=""
    # Only the promises that this bug breaks: another broken promise would not show that these are checked.
    if ! "$work/target/sim/vip-manager-sim" --judges "${expected// /,}" --until-broken --cpu-seconds "$budget" >"$out" 2>"$work/$name.err"; then
        found=$(sed -n 's/^seed [0-9]*: pg[0-9]* \([A-Z][0-9]\|restless\|the keeper\).*/\1/p' "$out" | head -1)
    fi
    count=$((count + 1))
    after=$(sed -n 's/^seeds: \([0-9]*\) histories, .* \([0-9.]* CPU-minutes\) .*/\1 histories/p' "$out")
    if [ -n "$found" ] && [[ " $expected " == *" $found "* ]]; then
        printf '  found   %-32s as %s after %s\n' "$name" "$found" "$after"
    else
        printf '  MISSED  %-32s (expected %s, found %s) %s\n' "$name" "$expected" "${found:-nothing}" "$after"
        missed+=("$name")
    fi
done
echo "$((count - ${#missed[@]})) of $count deliberate bugs found, each within $budget CPU-seconds"
[ ${#missed[@]} -eq 0 ] && [ "$count" -gt 0 ]
