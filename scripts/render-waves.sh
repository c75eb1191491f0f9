#!/bin/sh
# Draws the timing diagrams of hdl/waves: writes NAME.svg beside every NAME.json. Needs Node 20 or
# later with npm. WaveDrom is downloaded from the npm registry the first time, and taken from npm's
# cache after that.
#
#     sh scripts/render-waves.sh [FOLDER]
set -eu

WAVEDROM=3.7.0

folder=$(cd "${1:-$(dirname "$0")/../hdl/waves}" && pwd)
command -v npm >/dev/null || {
    echo "render-waves: npm is missing: install Node.js 20 or later" >&2
    exit 3
}

# One npm process draws all files, because npm takes longer to start than WaveDrom to draw. A
# drawing is moved into place once it is complete.
FOLDER=$folder npm exec --yes --prefer-offline --package="wavedrom@$WAVEDROM" -c '
set -eu
for source in "$FOLDER"/*.json; do
    image=${source%.json}.svg
    wavedrom --input "$source" > "$image.part"
    mv "$image.part" "$image"
    echo "wrote $image"
done'
