#!/bin/sh
# Builds the Python wheel, and tests it in fresh environments:
#
#   scripts/python.sh build              builds the wheel into target/wheels
#   scripts/python.sh test [OPTION...]   builds and tests it; options are those of pytest
#   scripts/python.sh bench [OPTION...]  builds it and measures its speed
#
# maturin and what the tests need are pinned wheels, installed into .tools once. The package
# atomik-core, with which the tests compare, goes into a folder that only they use.
#
# Environment:
#   PYTHON          the interpreter to use (default python3); 3.11 or later
#   PYTHON_PROFILE  cargo's profile for the wheel (default release)
# Exit status: that of the tests; 3 if something is missing: stderr says what to do.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
profile=${PYTHON_PROFILE:-release}
target=${CARGO_TARGET_DIR:-target}
wheels=target/wheels
log=.tools/python.log

fail() {
    printf 'python: %s\n' "$@" >&2
    exit 3
}

# Installs what a file of requirements pins: into a new environment, or with --target into a folder.
installed() {
    folder=$1 requirements=$2
    stamp="$("$python" --version) $(cksum <"$requirements")"
    [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ] || return 0
    echo "python: installing $requirements into $folder (once)"
    rm -rf "$folder"
    "$python" -m venv "$folder" >$log 2>&1 ||
        fail "$python cannot make an environment; it needs venv" \
            "(Debian, Ubuntu: apt-get install python3-venv). See $log."
    set -- -r "$requirements"
    [ "$folder" != .tools/atomik-core ] || set -- --target "$folder/only" "$@"
    "$folder/bin/python" -m pip install --no-input --disable-pip-version-check --require-hashes \
        --only-binary :all: "$@" >$log 2>&1 ||
        fail "pip failed; see $log. Check the network and pip's index, and run this again."
    echo "$stamp" >"$folder/stamp"
}

# A fresh environment with nothing but the wheel.
fresh() {
    rm -rf "$1"
    "$python" -m venv "$1" >$log 2>&1 || fail "$python cannot make an environment. See $log."
    "$1/bin/python" -m pip install --no-input --disable-pip-version-check --no-index --no-deps \
        "$wheel" >$log 2>&1 || fail "the wheel cannot be installed; see $log."
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or later is needed." \
        "Install it, or name one, as in: PYTHON=python3.12 make python"
mkdir -p .tools

installed .tools/maturin scripts/requirements-maturin.txt
rm -rf "$wheels"
.tools/maturin/bin/maturin build --quiet --locked --profile "$profile" \
    --manifest-path crates/atomik-python/Cargo.toml --interpreter "$python" --out "$wheels" ||
    fail "the wheel cannot be built; see above."
wheel=$(echo "$wheels"/atomik-*.whl)
echo "python: $wheel, $(wc -c <"$wheel") bytes, profile $profile"
[ "${1:-build}" != build ] || exit 0
command=$1
shift

installed .tools/python-tests scripts/requirements-python-tests.txt
installed .tools/atomik-core scripts/requirements-atomik-core.txt
ATOMIK_CORE=$PWD/.tools/atomik-core/only
export ATOMIK_CORE

# The wheel alone first: it needs no other package.
fresh "$target/python/bare"
"$target/python/bare/bin/python" crates/atomik-python/tests/program.py

# Then beside what the tests need, which is not installed anew each time.
env=$target/python/env
fresh "$env"
site=$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
tests=$(.tools/python-tests/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$tests" >"$site/tests.pth"
case $command in
    test) exec "$env/bin/python" -m pytest -c crates/atomik-python/pyproject.toml \
        --rootdir crates/atomik-python crates/atomik-python/tests "$@" ;;
    bench) exec "$env/bin/python" crates/atomik-python/bench/bench.py "$@" ;;
    *) fail "unknown command $command; there are build, test and bench" ;;
esac
