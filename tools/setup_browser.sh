#!/bin/sh
# Finds the tests of the operator's page a browser, by apt where there is none and that needs no
# password. Without one they are skipped, which this and the summary of the tests say.
set -eu
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null && exit 0
done
cd "$(dirname "$0")"
./apt_install.sh chromium && command -v chromium >/dev/null ||
    printf '%s\n' "make test: NO BROWSER: the operator's page will not be tested in one" >&2
