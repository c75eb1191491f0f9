#!/usr/bin/env sh
# Fuzzes every target, guided by coverage, for FUZZ_SECONDS each (an hour unless told otherwise);
# FUZZ_TARGETS names some of them. Inputs that reach new code are kept in the corpus folder and are
# the start of the next run. Works with stable Rust: the flags below are what cargo-fuzz sets,
# without the sanitizers that need a nightly compiler.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-3600}
target_dir=${CARGO_TARGET_DIR:-target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

# With --target, the flags do not apply to build scripts, which cannot be linked with them.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions \
-Coverflow-checks" \
    cargo build --quiet --release --target "$host" --target-dir "$target_dir" \
    -p atomik-fuzz --features libfuzzer
program=$target_dir/$host/release/atomik-fuzz

failed=
for name in ${FUZZ_TARGETS:-$(sed -n 's/^ *name: "\(.*\)",$/\1/p' crates/atomik-fuzz/src/*.rs)}; do
    corpus=$target_dir/corpus/$name
    echo "fuzz: $name for $seconds s, corpus in $corpus"
    mkdir -p "$corpus"
    ATOMIK_FUZZ_TARGET=$name ATOMIK_FUZZ_SEEDS=$corpus "$program" -max_total_time="$seconds" \
        -rss_limit_mb=2048 -timeout=20 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$target_dir/$name-" "$corpus" ||
        failed="$failed $name"
done
[ -z "$failed" ] || {
    echo "fuzz: failures in$failed: the inputs are in $target_dir; replay one with"
    echo "  ATOMIK_FUZZ_TARGET=NAME $program FILE"
    exit 1
}
