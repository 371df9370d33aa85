#!/bin/sh
# Makes the virtual environment with every pinned package: tools/setup_venv.sh VENV DISTRIBUTION
# PYTHON chooses the interpreter. Missing system packages are installed with apt where that needs
# no password; else the one line that does it is printed.
set -eu
venv=$1
distribution=$2
cd "$(dirname "$0")/.."

stop() {
    printf 'make setup: %s\n' "$*" >&2
    exit 1
}

[ -f "requirements/$distribution.txt" ] ||
    stop "no ROS wheels for ROS=$distribution; give ROS=kilted or ROS=jazzy"
[ "$(uname -s)/$(uname -m)" = Linux/x86_64 ] ||
    stop "the ROS wheels exist for Linux on x86-64 only; elsewhere use apt ROS: docs/install.md"

# The wheels and the pinned packages exist for CPython 3.10 to 3.14.
python=
candidates=${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python3.14}
for candidate in $candidates; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' \
        2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] ||
    stop "needs Python 3.10 to 3.14, which none of these is: $candidates. Install one" \
        "(Ubuntu 22.04 or newer: sudo apt-get install python3 python3-venv python3-dev)" \
        "and try again; or use apt ROS: docs/install.md"

# Debian packages that are missing; a Python that is not the system's brings its own parts.
missing() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null || printf '%s-venv ' "$package"
    "$python" -c 'import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())' ||
        printf '%s-dev ' "$package"
    command -v c++ >/dev/null && command -v cc >/dev/null || printf 'g++ '
    command -v cmake >/dev/null || printf 'cmake '
}
package=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
needed=$(missing)
if [ -n "$needed" ]; then
    tools/apt_install.sh $needed
    needed=$(missing)
    [ -z "$needed" ] || stop "still missing after installation: $needed"
fi

printf 'installing Python packages for ROS %s into %s\n' "$distribution" "$venv"
"$python" -m venv --clear "$venv"
# A sourced ROS would lend its own packages to pip and to the build.
unset PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH
"$venv/bin/python" -m pip install -q --no-input --disable-pip-version-check \
    -r requirements/python.txt -r "requirements/$distribution.txt" ||
    stop "pip could not install the packages above; check the network and pip's index, then repeat"
