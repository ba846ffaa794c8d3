"""Forks for functions: MiniStack would start Python anew for each instance of a function.

The start and the imports took nearly all of the CPU time of functions, because the suite calls each instance only a few
times. `make bench` measures cold starts, and does not use this.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

_SCRIPT = Path(__file__).with_name("fork_server.py")
_lock = threading.Lock()
_servers: dict[tuple[str, ...], socket.socket] = {}


def use() -> None:
    """Let MiniStack fork its Python functions that have layers, on systems with process descriptors (Linux)."""
    if hasattr(os, "pidfd_open"):
        lambda_runtime.subprocess = _Subprocess()


class _Subprocess:
    """The module `subprocess`, as MiniStack uses it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    @staticmethod
    def Popen(command: list[str], *, cwd: str, env: Mapping[str, str], **options: Any) -> Any:  # noqa: N802
        if command[0] == sys.executable and env.get("_LAMBDA_LAYERS_DIRS"):
            return _Fork(command[1], cwd, env)
        return subprocess.Popen(command, cwd=cwd, env=env, **options)


class _Fork:
    """A process that the fork server has started, with what MiniStack uses of `subprocess.Popen`."""

    def __init__(self, script: str, folder: str, environment: Mapping[str, str]) -> None:
        start = {"script": script, "folder": folder, "environment": dict(environment)}
        their_stdin, our_stdin = os.pipe()
        our_stdout, their_stdout = os.pipe()
        our_stderr, their_stderr = os.pipe()
        theirs = [their_stdin, their_stdout, their_stderr]
        with _lock:
            server = _server(environment["_LAMBDA_LAYERS_DIRS"].split(os.pathsep))
            socket.send_fds(server, [json.dumps(start).encode()], theirs)
            self.pid = int(server.recv(20))
        for descriptor in theirs:
            os.close(descriptor)
        self._descriptor = os.pidfd_open(self.pid)  # readable when the process has ended
        self._end = select.poll()
        self._end.register(self._descriptor, select.POLLIN)
        self.stdin = os.fdopen(our_stdin, "w", buffering=1)
        self.stdout = os.fdopen(our_stdout)
        self.stderr = os.fdopen(our_stderr)

    def poll(self) -> int | None:
        """Return 0 if the process has ended. Its exit code is not known."""
        return 0 if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return 0

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._descriptor, number)

    def _has_ended(self, seconds: float | None) -> bool:
        return bool(self._end.poll(None if seconds is None else seconds * 1000))

    def __del__(self) -> None:
        os.close(self._descriptor)


def _server(layers: list[str]) -> socket.socket:
    """Return the channel to the fork server for these layers."""
    folders = tuple(os.path.realpath(layer) for layer in layers)
    if folders not in _servers:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, str(_SCRIPT), str(theirs.fileno()), *folders]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()
        _servers[folders] = ours
    return _servers[folders]
