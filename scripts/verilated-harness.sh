#!/bin/sh
# Runs cargo in an environment in which the second test bench (crates/verilated-harness) builds, as
# `make test-verilated` does:
#
#   scripts/verilated-harness.sh COMMAND ARGUMENT...
#
# Without a supported Verilator it prints that it skips, and exits with status 0.
#
# The crate `verilated` dates from Verilator 4 and compiles against the `verilator_bin` on PATH. So
# this script sets PATH, and CXXFLAGS to define the names that went away; these builds compile no
# other C++.
set -eu

cd "$(dirname "$0")/.."
tools=${ATOMIK_TOOLS:-${XDG_DATA_HOME:-$HOME/.local/share}/atomik/tools}
# Tested: 5.006 and 5.048. The crate is no longer maintained, so a newer Verilator may break it.
oldest=5006
newest=5048

for dir in "$(dirname "$(command -v verilator_bin || echo /nowhere)")" "$tools/verilator/bin"; do
    [ -x "$dir/verilator_bin" ] || continue
    version=$("$dir/verilator_bin" --version 2>/dev/null |
        sed -n 's/^Verilator \([0-9]\)\.\([0-9][0-9][0-9]\).*/\1\2/p')
    if [ -n "$version" ] && [ "$version" -ge $oldest ] && [ "$version" -le $newest ]; then
        echo "verilated-harness: $dir/verilator_bin"
        # With the version among the flags, another Verilator causes a rebuild.
        names=$PWD/crates/verilated-harness/compat/verilated_names.h
        CXXFLAGS="${CXXFLAGS:-} -include $names -DVERILATED_HARNESS=$version"
        PATH=$dir:$PATH
        export CXXFLAGS PATH
        unset VERILATOR_ROOT
        exec "${CARGO:-cargo}" "$@"
    fi
done
echo "verilated-harness: skipped: it needs Verilator 5.006 to 5.048 on PATH or installed," \
    "with verilator_bin in the same folder."
