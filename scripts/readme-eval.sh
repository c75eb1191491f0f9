#!/bin/sh
# Prints the README with the tables of docs/eval/flights.md between its markers: those without
# faults and with a partition.
#
#   scripts/readme-eval.sh > README.new
set -eu
cd "$(dirname "$0")/.."

tables=$(awk '/, faults: / { wanted = /, faults: (none|partition), / } wanted && !/^- /' docs/eval/flights.md | cat -s)
awk -v tables="$tables" '
    /<!-- tables of docs\/eval\/flights.md -->/ { print; print ""; print tables; print ""; inside = 1; next }
    /<!-- end of tables -->/ { inside = 0 }
    !inside' README.md
