#!/bin/sh
# Builds the Python wheel, and tests it in fresh environments:
#
#   scripts/python.sh build              builds the wheel into target/wheels
#   scripts/python.sh test [OPTION...]   builds and tests it; options are those of pytest
#   scripts/python.sh bench [OPTION...]  builds it and measures its speed
#
# setup.sh installs maturin, what the tests need, and the package atomik-core, with which they
# compare. The latter stays apart: installed beside the wheel, both would have a module atomik_core.
#
# Environment:
#   PYTHON          the interpreter to use (default python3); 3.11 or later
#   PYTHON_PROFILE  cargo's profile for the wheel (default wheel)
#   PYTHON_MODULE   the extension module that cargo has built: it is tested with the packages as the
#                   wheel would have them, and no wheel is built
# Exit status: that of the tests; 3 if something is missing: stderr says what to do.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
profile=${PYTHON_PROFILE:-wheel}
module=${PYTHON_MODULE:-}
target=${CARGO_TARGET_DIR:-target}
wheels=target/wheels
tools=${ATOMIK_TOOLS:-${XDG_DATA_HOME:-$HOME/.local/share}/atomik/tools}
log=$target/python/log

fail() {
    printf 'python: %s\n' "$@" >&2
    exit 3
}

site_packages() {
    "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
}

# A fresh environment with nothing but the wheel, or with what it would hold.
fresh() {
    rm -rf "$1"
    "$python" -m venv "$1" >"$log" 2>&1 ||
        fail "$python cannot make an environment; it needs venv" \
            "(Debian, Ubuntu: apt-get install python3-venv). See $log."
    if [ -n "$module" ]; then
        cp -r crates/atomik-python/python/* "$(site_packages "$1")"
        cp "$module" "$(site_packages "$1")/atomik/_atomik.abi3.so"
        return
    fi
    "$1/bin/python" -m pip install --no-input --disable-pip-version-check --no-index --no-deps \
        "$wheel" >"$log" 2>&1 || fail "the wheel cannot be installed; see $log."
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or later is needed." \
        "Install it, or name one, as in: PYTHON=python3.12 make python"
mkdir -p "$target/python"

if [ -z "$module" ]; then
    sh scripts/setup.sh python
    rm -rf "$wheels"
    "$tools/maturin/bin/maturin" build --quiet --locked --profile "$profile" \
        --manifest-path crates/atomik-python/Cargo.toml --interpreter "$python" --out "$wheels" ||
        fail "the wheel cannot be built; see above."
    wheel=$(echo "$wheels"/atomik-*.whl)
    echo "python: $wheel, $(wc -c <"$wheel") bytes, profile $profile"
fi
[ "${1:-build}" != build ] || exit 0
command=$1
shift

sh scripts/setup.sh python-tests
ATOMIK_CORE=$tools/atomik-core/lib
export ATOMIK_CORE

# The wheel alone first: it needs no other package.
fresh "$target/python/bare"
"$target/python/bare/bin/python" crates/atomik-python/tests/program.py

# Then beside what the tests need, which is not installed anew each time.
env=$target/python/env
fresh "$env"
echo "$tools/python-tests/lib" >"$(site_packages "$env")/tests.pth"
case $command in
    test) exec "$env/bin/python" -m pytest -c crates/atomik-python/pyproject.toml \
        --rootdir crates/atomik-python crates/atomik-python/tests "$@" ;;
    bench) exec "$env/bin/python" crates/atomik-python/bench/bench.py "$@" ;;
    *) fail "unknown command $command; there are build, test and bench" ;;
esac
