"""Starts processes of functions: imports the packages of the layers once, and forks itself for each process.

`fork_server.py SOCKET LAYER...` receives start requests through the Unix socket with the file descriptor `SOCKET`, and
exits when the other end is closed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import traceback
from typing import Any

# What functions import from the layers, except our own package: each process imports that one itself.
PACKAGES = ("aws_lambda_powertools", "botocore.auth", "certifi", "urllib3")

# Bytes. A start request is mostly the environment of a function, which has 4 KB on AWS.
LARGEST_START = 100_000


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    _import_packages(sys.argv[2:])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel then reaps the child processes
    while True:
        start, descriptors, _, _ = socket.recv_fds(channel, LARGEST_START, 3)
        if not start:
            return
        process = os.fork()
        if process == 0:
            channel.close()
            _become(json.loads(start), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(str(process).encode())


def _import_packages(layers: list[str]) -> None:
    folders = [f"{layer}/python" for layer in layers]
    sys.path[:0] = folders
    for package in PACKAGES:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(package)
    for folder in folders:
        sys.path.remove(folder)  # the process adds its layers itself


def _find_files_of_layers(layers: list[str]) -> None:
    """Replace /opt in the variables of the function. Lambda has all layers there. Here, each has its own folder."""
    encode = os.environ.encodevalue

    def located(value: str) -> Any:
        found = [f"{layer}/{value.removeprefix('/opt/')}" for layer in layers] if value.startswith("/opt/") else []
        return encode(next(filter(os.path.exists, found), value))

    os.environ.encodevalue = located  # the script sets the variables later


def _become(start: dict[str, Any], descriptors: list[int]) -> None:
    """Run the script of a start in this process, with its environment, folder and standard streams. Never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(start["environment"])
        _find_files_of_layers(start["environment"]["_LAMBDA_LAYERS_DIRS"].split(os.pathsep))
        os.chdir(start["folder"])
        sys.argv = [start["script"]]
        runpy.run_path(start["script"], run_name="__main__")
        code = 0
    except BaseException:  # noqa: BLE001  the end of the process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
