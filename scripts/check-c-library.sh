#!/bin/sh
# Checks the C library as its users have it: installs it into a temporary folder, builds the
# examples in C and C++ with pkg-config and with CMake, warnings as errors, and runs them under
# valgrind, for which a leak is an error. A planted leak must be found. Without memory, and while a
# thread ends, functions must return a status. Every symbol of the shared
# library must have its version. `make test-c` calls it.
#
# Environment: as for c-library.sh; CC, CXX.
# Exit status: 0 all checks pass; 1 one fails; 3 a tool is missing: stderr says what to do.
set -eu
cd "$(dirname "$0")/.."

for tool in valgrind pkg-config cmake "${CC:-cc}" "${CXX:-c++}"; do
    command -v "$tool" >/dev/null || {
        echo "check-c-library: $tool is missing (Debian, Ubuntu: apt-get install" \
            "valgrind pkg-config cmake g++)." >&2
        exit 3
    }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
manifest=hdl/atomik_regfile_w8_d16_l2.json
fail() {
    echo "check-c-library: FAILED: $*" >&2
    exit 1
}

sh scripts/c-library.sh "$prefix"
# The loader finds the shared library by its name for the loader, as after an installation.
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH="$prefix/lib"

# Compiles with pkg-config: with_pkg_config SOURCE PROGRAM [--static]
with_pkg_config() {
    case $1 in
        *.c) compile="${CC:-cc} -std=c11" ;;
        *) compile="${CXX:-c++} -std=c++17" ;;
    esac
    libs=$(pkg-config ${3:-} --libs atomik)
    [ $# -lt 3 ] || libs=$(echo "$libs" | sed "s|-latomik|-l:libatomik.a|")
    # shellcheck disable=SC2046,SC2086  # several options each
    $compile -D_GNU_SOURCE -g -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags atomik) \
        "$1" -o "$2" $libs
}

memcheck() {
    valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=all \
        --errors-for-leak-kinds=all "$@"
}

# Runs a program under valgrind and compares what it prints with the expected lines.
expect() {
    expected=$1
    shift
    memcheck "$@" >"$work/printed" || fail "$* (exit status $?)"
    printf '%s\n' "$expected" | diff - "$work/printed" || fail "$* printed something else"
}

version=$(pkg-config --modversion atomik)
counters="libatomik $version
start: 7 and 100, clean
merged: 17 and 110
one undone: 16 and 109
refused: entry 1 of the list: address 16 is outside a register file of 16; use an address below 16\
 (nothing of the list was applied)
still: 16 and 109"
golden="ready in cycle 43 (time to clear 43)
READ in cycle 44, response 0x5a in cycle 57 (latency 13)"

for static in '' --static; do
    with_pkg_config examples/c/counters.c "$work/counters" $static
    with_pkg_config examples/c/golden.cpp "$work/golden" $static
    expect "$counters" "$work/counters"
    expect "$golden" "$work/golden" "$manifest"
done
# Not under valgrind, which needs memory of its own.
for static in '' --static; do
    with_pkg_config crates/atomik-c/tests/limits.c "$work/limits" $static
    [ "$("$work/limits")" = "limits: ok" ] || fail "limits $static"
done
"$work/golden" examples/README.md 2>"$work/printed" && fail "a file that is no manifest is accepted"
grep -q 'give the NAME.json' "$work/printed" || fail "the message has no next step"

cmake -S examples/c -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" &&
    cmake --build "$work/build" >>"$work/cmake.log" || {
    cat "$work/cmake.log"
    fail "the examples do not build with CMake"
}
expect "$counters" "$work/build/counters"
expect "$golden" "$work/build/golden" "$manifest"
sed 's/find_package(atomik 0.1 /find_package(atomik 0.2 /' examples/c/CMakeLists.txt \
    >"$work/CMakeLists.txt"
cp examples/c/*.c examples/c/*.cpp "$work"
cmake -S "$work" -B "$work/later" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" 2>&1 &&
    fail "CMake takes $version for 0.2"

# The functions of the header, each with the version of the library, and nothing else.
names() {
    sed -n 's/.*\b\(atomik_[a-z0-9_]*\)(.*/\1/p' "$prefix/include/atomik.h" | sort -u
}
soversion=${version%.*}
nm --dynamic --defined-only "$prefix/lib/libatomik.so" | sed -n 's/^[0-9a-f]* T //p' |
    sort -u >"$work/printed"
names | sed "s/$/@@ATOMIK_$soversion/" | diff - "$work/printed" ||
    fail "the symbols of the library are not those of the header, with the version $soversion"
[ "$(names | wc -l)" -gt 30 ] || fail "the header declares only $(names | wc -l) functions"
readelf --version-info "$work/build/counters" | grep -q "Name: ATOMIK_$soversion " ||
    fail "a program does not ask for the version of the symbols"

# Planted: a handle that is not freed, and one that is freed twice.
sed '/atomik_register_file_free(bank);/d' examples/c/counters.c >"$work/leak.c"
sed 's/atomik_register_file_free(bank);/&&/' examples/c/counters.c >"$work/twice.c"
for bug in leak twice; do
    cmp -s examples/c/counters.c "$work/$bug.c" && fail "nothing is planted in $bug.c"
    with_pkg_config "$work/$bug.c" "$work/$bug"
    memcheck "$work/$bug" >/dev/null 2>"$work/printed" && fail "valgrind does not find: $bug"
done
echo "C library: the examples in C and C++, shared and static, with pkg-config and CMake: ok;" \
    "valgrind finds the planted leak and double free"
