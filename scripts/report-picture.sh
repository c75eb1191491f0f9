#!/bin/sh
# Photographs the first screen of a report page, 1280 x 800, with headless Chromium.
#
#     sh scripts/report-picture.sh PAGE.html PICTURE.png
#     sh scripts/report-picture.sh        only check that there is a browser
set -eu

browser=${ATOMIK_BROWSER:-}
for name in chromium chromium-browser google-chrome-stable google-chrome; do
    [ -n "$browser" ] || browser=$(command -v "$name") || browser=
done
[ -n "$browser" ] || {
    echo "report-picture: install Chromium, or name one in ATOMIK_BROWSER" >&2
    exit 3
}
[ $# -gt 0 ] || exit 0

page=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$browser" --headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars \
    --disable-background-networking --user-data-dir="$work/profile" \
    --blink-settings=preferredColorScheme=1 --window-size=1280,800 \
    --screenshot="$work/picture.png" "file://$page" 2> "$work/log" || {
    cat "$work/log" >&2
    exit 1
}
python3 "$(dirname "$0")/unfilter_png.py" "$work/picture.png" "$2"
