#!/usr/bin/env bash
# Opens pages of the rehearsal in headless Chromium, as wide as a phone and as a desktop, light and dark, and fails where one is
# wider than its window or shows nothing. Screenshots stay beside the pages, for people to look at.
#
# Usage: tests/rehearsal/page.sh PAGE…
set -euo pipefail

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
    echo "no Chromium is installed, so no page was looked at. Debian: apt-get install chromium" >&2
    exit 1
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What a browser does by itself and nobody needs here: nothing is fetched, and nothing of the user's is read.
open() {
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --allow-file-access-from-files --hide-scrollbars \
        --user-data-dir="$scratch/profile" "$@" 2>"$scratch/said"
}

for page in "$@"; do
    page=$(realpath "$page")
    for width in 360 1280; do
        for scheme in light dark; do
            # A window of headless Chromium is never narrower than 500 pixels, a frame is as narrow as it is asked to be.
            cat >"$scratch/frame.html" <<HTML
<!doctype html><meta name="color-scheme" content="$scheme"><title>not loaded</title>
<body style="margin:0"><iframe src="file://$page" style="border:0;width:${width}px;height:4000px;color-scheme:$scheme" onload="
  const page = this.contentDocument.documentElement;
  document.title = page.scrollWidth + ' wide, ' + page.querySelectorAll('svg').length + ' pictures, ' + page.innerText.length + ' letters';
"></iframe>
HTML
            shot="${page%.html}-$width-$scheme.png"
            preference=$([[ $scheme == dark ]] && echo 0 || echo 1)
            # The title comes from the page itself, after it was laid out.
            found=$(open --blink-settings=preferredColorScheme="$preference" --virtual-time-budget=3000 --dump-dom \
                "file://$scratch/frame.html" | grep -o '<title>[^<]*' | head -n 1 | cut -c 8-) || found="nothing"
            open --blink-settings=preferredColorScheme="$preference" --window-size="$((width < 500 ? 500 : width)),4000" \
                --screenshot="$shot" "file://$scratch/frame.html" >/dev/null
            if [[ ! $found =~ ^([0-9]+)\ wide,\ ([0-9]+)\ pictures,\ ([0-9]+)\ letters$ ]]; then
                echo "$page at $width, $scheme: the browser says: $found; $(tail -n 1 "$scratch/said")" >&2
                exit 1
            fi
            if ((BASH_REMATCH[1] > width || BASH_REMATCH[2] < 1 || BASH_REMATCH[3] < 500)); then
                echo "$page at $width, $scheme: $found; it has to be at most $width wide, with a picture and text" >&2
                exit 1
            fi
            echo "$(basename "$(dirname "$page")") at $width, $scheme: $found, $(stat -c %s "$shot") bytes of picture"
        done
    done
done
