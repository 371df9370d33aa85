#!/bin/sh
# Installs Debian packages where that needs no password: tools/apt_install.sh PACKAGE...
# Else it prints the one line that does it, and fails.
set -eu

stop() {
    printf 'make: %s\n' "$*" >&2
    exit 1
}

if ! command -v apt-get >/dev/null; then
    stop "missing on this system: $* (names of Debian packages); install them and try again"
elif [ "$(id -u)" = 0 ]; then
    root=env
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    root="sudo -n env"
else
    stop "missing system packages. Run: sudo apt-get install -y --no-install-recommends $*"
fi
printf 'installing system packages: %s\n' "$*"
# A network that does not answer must not hold up a build for minutes.
apt="$root DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=30"
$apt update -q >/dev/null || true
$apt install -y --no-install-recommends "$@" </dev/null >/dev/null ||
    stop "apt could not install system packages: $*"
