#!/bin/bash
# Fuzzes each target for so many seconds, or with 0 plays the stored inputs once; targets may be named, else it is all of
# them. What is found stays in fuzz/target, so that the stored inputs stay few. A crash ends it.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:?how many seconds for each target?}
shift

command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
mapfile -t targets < <(cargo fuzz list)
[ $# -eq 0 ] || targets=("$@")
# Neither our code nor the crates that read bytes here have any unsafe code: an address sanitizer would have little to
# watch, and without it no nightly toolchain is needed.
# Optimizing takes longer than playing the stored inputs once.
profile=release
[ "$seconds" != 0 ] || profile=debug
cargo fuzz build --sanitizer none $([ $profile = release ] || echo --dev)
programs=target/$(rustc -vV | sed -n 's/^host: //p')/$profile

for target in "${targets[@]}"; do
    limit=-runs=0
    [ "$seconds" = 0 ] || limit=-max_total_time=$seconds
    log=target/$target.log
    mkdir -p "target/found/$target" "artifacts/$target"
    options=("$limit" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 "-artifact_prefix=artifacts/$target/")
    [[ $target != config_* && $target != patroni_file ]] || options+=(-dict=yaml.dict)
    found=()
    [ "$seconds" = 0 ] || found=("target/found/$target")
    if ! "$programs/$target" "${options[@]}" "${found[@]}" "corpus/$target" >"$log" 2>&1; then
        tail -n 40 "$log"
        input=$(sed -n 's/.*Test unit written to //p' "$log")
        echo "$target fell over ${input:+fuzz/$input; to repeat it: cd fuzz && cargo fuzz run --sanitizer none $target $input}"
        exit 1
    fi
    awk -v target="$target" '
        /cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        /number_of_executed_units/ { runs = $2 }
        END { printf "%-16s %12d executions %6d edges, nothing found\n", target, runs, edges }' "$log"
done
