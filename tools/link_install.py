"""Makes the built package usable from the virtual environment, with nothing to source.

Run by ``make setup`` with the environment's interpreter: ``link_install.py INSTALL``, INSTALL
being the install folder of colcon. It writes into the environment

* a ``.pth`` file, by which Python finds ``deaot_ros`` with its messages;
* a link by which the ROS wheels put the message libraries on the library path;
* ``bin/deaot-env``, which runs a command in the environment, and the console commands.
"""

import sys
import sysconfig
from pathlib import Path

ENVIRONMENT = """#!/bin/sh
# Runs a command with ROS and deaot_ros of {venv}. Written by make setup.
# Another ROS that happens to be sourced must not mix with this one.
without_ros() {{ printf %s "$1" | tr : '\\n' | grep -v -e '^/opt/ros/' -e '^$' | paste -s -d :; }}
PYTHONPATH=$(without_ros "${{PYTHONPATH-}}")
LD_LIBRARY_PATH=$(without_ros "${{LD_LIBRARY_PATH-}}")
AMENT_PREFIX_PATH={prefix}:{venv}
PATH={venv}/bin:$PATH
# The source folder deaot_ros in the working directory has no messages and would hide the package.
PYTHONSAFEPATH=1
export PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH PATH PYTHONSAFEPATH
[ -n "$PYTHONPATH" ] || unset PYTHONPATH
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE ROS_DISTRO CMAKE_PREFIX_PATH
exec "$@"
"""

COMMAND = """#!/bin/sh
exec {venv}/bin/deaot-env {venv}/bin/python {program} "$@"
"""

COMMANDS = {"deaot": "deaot", "deaot-tracker-node": "tracker_node"}
"""Console commands and the programs behind them in ``lib/deaot_ros``."""


def main() -> None:
    """Write everything, replacing what was there."""
    prefix = Path(sys.argv[1]).resolve() / "deaot_ros"
    venv = Path(sys.prefix)
    packages = Path(sysconfig.get_path("purelib"))
    built = prefix / packages.relative_to(venv)
    if not (built / "deaot_ros" / "msg").is_dir():
        sys.exit(f"make setup: no messages in {built}; the build did not finish, run make clean")

    (packages / "deaot_ros_install.pth").write_text(f"{built}\n")
    libraries = packages / "ros_deaot_ros.libs"
    libraries.unlink(missing_ok=True)
    libraries.symlink_to(prefix / "lib")
    write_program(venv / "bin" / "deaot-env", ENVIRONMENT.format(venv=venv, prefix=prefix))
    for command, name in COMMANDS.items():
        program = prefix / "lib" / "deaot_ros" / name
        write_program(venv / "bin" / command, COMMAND.format(venv=venv, program=program))


def write_program(path: Path, text: str) -> None:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)


if __name__ == "__main__":
    main()
