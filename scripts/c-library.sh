#!/bin/sh
# Builds the C library and installs it: c-library.sh PREFIX. `make c-library` calls it.
#
# Environment:
#   CARGO             the cargo to use (default cargo)
#   CARGO_TARGET_DIR  where it builds (default target)
#   DESTDIR           a folder that stands for / while installing, for packages
# Exit status: 0 installed, 1 failed, 2 wrong arguments.
set -eu
[ $# -eq 1 ] || { echo "usage: scripts/c-library.sh PREFIX" >&2; exit 2; }
case $1 in
    /*) prefix=$1 ;;
    *) prefix=$PWD/$1 ;;
esac
cd "$(dirname "$0")/.."
[ "$(uname -s)" = Linux ] || { echo "c-library: only Linux is supported so far." >&2; exit 1; }

cargo=${CARGO:-cargo}
"$cargo" build --release --lib -p atomik-c
built=${CARGO_TARGET_DIR:-target}/release
version=$("$cargo" pkgid -p atomik-c | sed 's/.*[#@]//')
# Before 1.0.0, every minor version may break programs; see build.rs.
soversion=${version%.*}

to=${DESTDIR:-}$prefix
from=crates/atomik-c
install -d "$to/include" "$to/lib/pkgconfig" "$to/lib/cmake/atomik" "$to/share/atomik/dpi" \
    "$to/share/atomik/cocotb"
install -m 644 $from/include/atomik.h "$to/include/"
install -m 644 $from/dpi/*.sv "$to/share/atomik/dpi/"
install -m 644 $from/cocotb/*.py "$to/share/atomik/cocotb/"
install -m 755 "$built/libatomik_c.so" "$to/lib/libatomik.so.$version"
install -m 644 "$built/libatomik_c.a" "$to/lib/libatomik.a"
strip --strip-debug "$to/lib/libatomik.so.$version" "$to/lib/libatomik.a"
ln -sf "libatomik.so.$version" "$to/lib/libatomik.so.$soversion"
ln -sf "libatomik.so.$soversion" "$to/lib/libatomik.so"
for file in pkgconfig/atomik.pc cmake/atomik/atomik-config.cmake \
    cmake/atomik/atomik-config-version.cmake; do
    sed -e "s|@PREFIX@|$prefix|g" -e "s|@VERSION@|$version|g" -e "s|@SOVERSION@|$soversion|g" \
        "$from/install/$(basename $file).in" >"$to/lib/$file"
done
echo "libatomik $version is in $to"
