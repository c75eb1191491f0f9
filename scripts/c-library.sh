#!/bin/sh
# Builds the C library and installs it: c-library.sh PREFIX. `make c-library` calls it.
#
# Environment:
#   CARGO             the cargo to use (default cargo)
#   CC                the C compiler that links the shared library (default cc)
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
# Cargo's shared library has no versions of symbols, see docs/decisions.md. The system's libraries
# are those that rustc names (--print native-static-libs).
cat >"$built/libatomik.map" <<END
ATOMIK_$soversion {
    global: atomik_*;
    local: *;
};
END
# shellcheck disable=SC2086  # CC may have options
${CC:-cc} -shared -o "$to/lib/libatomik.so.$version" -Wl,-soname,"libatomik.so.$soversion" \
    -Wl,--version-script,"$built/libatomik.map" -Wl,--gc-sections -Wl,-z,defs \
    -Wl,--whole-archive "$built/libatomik_c.a" -Wl,--no-whole-archive \
    -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
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
