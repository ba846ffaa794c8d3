"""Installs the packages of a requirements file into a virtual environment, for the Makefile.

usage: python tests/local/install.py STAMP REQUIREMENTS DESCRIPTION

STAMP is a file in the environment. Its time is the time of the last complete installation.
The environment has the version of the Python that runs this file. The file needs only the standard library.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

LOCAL = Path(__file__).resolve().parent
VENV = LOCAL.parents[1] / ".venv"
UV_REQUIREMENTS = LOCAL / "requirements-uv.txt"


def main(stamp: Path, requirements: Path, description: str) -> None:
    """Create the environment if it does not exist, and install the packages."""
    VENV.mkdir(exist_ok=True)
    with (VENV / "lock").open("w") as lock:
        # Two `make` can run at the same time. Child processes hold the lock too, in case this process is killed first.
        os.set_inheritable(lock.fileno(), True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.stat().st_mtime >= requirements.stat().st_mtime:
            return  # the other `make` has installed the packages
        uv = _install_uv()
        print(f"Installing {description}", flush=True)
        python = stamp.parent / "bin" / "python"
        incomplete = stamp.parent / "incomplete"  # left behind by an installation that was interrupted
        if incomplete.exists() or not python.exists():
            _run(uv, "venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, stamp.parent)
        incomplete.touch()
        _run(uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--no-build", "-r", requirements)
        incomplete.unlink()
        stamp.touch()


def _install_uv() -> Path:
    environment = VENV / "uv"
    uv, python = (environment / "bin" / name for name in ("uv", "python"))
    installed = environment / "installed.txt"  # a copy of the requirements, written after the installation
    if not installed.exists() or installed.read_bytes() != UV_REQUIREMENTS.read_bytes():
        print("Installing uv, which installs the other packages (about 10 seconds)", flush=True)
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _run(sys.executable, "-m", "venv", "--clear", environment)
        _run(python, *pip, "--require-hashes", "--only-binary=:all:", "--requirement", UV_REQUIREMENTS)
        installed.write_bytes(UV_REQUIREMENTS.read_bytes())
    return uv


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, close_fds=False, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except subprocess.CalledProcessError as error:
        sys.exit(f"{Path(error.cmd[0]).name} failed with exit code {error.returncode}")
    except KeyboardInterrupt:
        sys.exit(130)
