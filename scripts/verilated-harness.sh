#!/bin/sh
# Runs cargo where the second harness (crates/verilated-harness) can be built: verilated-harness.sh
# COMMAND ARGUMENT..., as `make test-verilated` does. Where there is no Verilator that it can serve,
# it says so and ends well.
#
# The crate `verilated` is from the days of Verilator 4 and decides by itself which Verilator it
# compiles against: the `verilator_bin` on PATH. So PATH is arranged here, and CXXFLAGS brings the
# names that it misses; no other C++ is compiled in the builds that come through here.
set -eu

cd "$(dirname "$0")/.."
# Tried: 5.006 and 5.048. Newer ones may have changed again under a crate that nobody changes.
oldest=5006
newest=5048

for dir in "$(dirname "$(command -v verilator_bin || echo /nowhere)")" "$PWD/.tools/py/bin"; do
    [ -x "$dir/verilator_bin" ] || continue
    version=$("$dir/verilator_bin" --version 2>/dev/null | sed -n 's/^Verilator \([0-9]\)\.\([0-9][0-9][0-9]\).*/\1\2/p')
    if [ -n "$version" ] && [ "$version" -ge $oldest ] && [ "$version" -le $newest ]; then
        echo "verilated-harness: $dir/verilator_bin"
        # The version is among the flags so that another Verilator is another build.
        CXXFLAGS="${CXXFLAGS:-} -include $PWD/crates/verilated-harness/compat/verilated_names.h -DVERILATED_HARNESS=$version"
        PATH=$dir:$PATH
        export CXXFLAGS PATH
        unset VERILATOR_ROOT
        exec "${CARGO:-cargo}" "$@"
    fi
done
echo "verilated-harness: skipped: no Verilator on PATH or in .tools/py that it can serve, which is 5.006 to 5.048" \
    "(its verilator_bin must be in the folder that PATH names)."
