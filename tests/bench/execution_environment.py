"""Execution environments of Lambda, imitated: a new process for each start of a function.

Python is plain 3.13, without the packages of this machine. The start may use a whole processor, as on Lambda; the calls
may use the share of the function's memory.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.bench.cpu_quota import CpuQuota
from tests.bench.deployment import Function
from tests.bench.https import Https, OutgoingCall
from tests.local.stack import REGION, SetupFailed

VERSION = (3, 13)  # of Lambda's Python, in template.yaml

# The real executable: that of a virtual environment would read packages of this machine.
_PYTHON = str(Path(sys.executable).resolve())
_START = str(Path(__file__).with_name("start.py"))

_libc = ctypes.CDLL(None)
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


@dataclass(frozen=True)
class Measured:
    """The start or one call of a function. Seconds of CPU time and of wall clock time, and what it called."""

    value: Any
    cpu: float
    wall: float
    calls: list[OutgoingCall]


class ExecutionEnvironment:
    """A process that has started a function. Calls are measured one at a time, unless `calls` are not needed."""

    def __init__(
        self,
        function: Function,
        https: Https,
        quota: CpuQuota,
        seconds_ahead: float = 0,
        count_into: Path | None = None,
    ) -> None:
        """Start the function. `seconds_ahead` moves its clock. Raises `SetupFailed`.

        With `count_into`, Valgrind counts the instructions, which takes about fifty times as long.
        """
        self._recorder = https.recorder
        reading, writing = os.pipe()
        settings = {
            "path": [str(folder) for folder in function.path],
            "port": https.port,
            "megabytes": function.megabytes,
            "seconds_ahead": seconds_ahead,
            "results": writing,
        }
        # -I -S: without the variables and packages of this machine.
        self._process = subprocess.Popen(
            [*_counting(count_into), _PYTHON, "-I", "-S", _START, json.dumps(settings)],
            env=_environment(function),
            cwd=function.path[0],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[writing],
            preexec_fn=_obey_file_modes if os.geteuid() == 0 else None,
        )
        os.close(writing)
        self._results = os.fdopen(reading)
        self.start = self._measured()
        if count_into is None:
            quota.limit(self._process.pid, function.megabytes)

    def __enter__(self) -> ExecutionEnvironment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._results.close()
        self._process.wait()

    def call(self, event: Any) -> Measured:
        """Call the handler. Raises `SetupFailed` if it fails."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(event).encode() + b"\n")
        self._process.stdin.flush()
        return self._measured()

    def _measured(self) -> Measured:
        line = self._results.readline()
        if not line:
            raise SetupFailed(f"a function ended with {self._process.wait()}")
        measured = json.loads(line)
        if measured["error"]:
            raise SetupFailed(f"a function failed:\n{measured['error']}")
        return Measured(measured["value"], measured["cpu"], measured["wall"], self._recorder.take())


def instructions(counted: Path) -> int:
    """Return what Valgrind has counted: the instructions of a process from its start to its end."""
    found = re.search(r"I +refs: +([0-9,]+)", counted.read_text())
    if not found:
        raise SetupFailed(f"Valgrind failed:\n{counted.read_text()[-4000:]}")
    return int(found[1].replace(",", ""))


def _counting(log: Path | None) -> list[str]:
    if log is None:
        return []
    options = ("--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", f"--log-file={log}")
    return ["valgrind", *options]


def _environment(function: Function) -> dict[str, str]:
    return dict(function.environment) | {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.megabytes),
        "LAMBDA_TASK_ROOT": str(function.path[0]),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/bin:/bin",
        "TZ": ":UTC",
    }


def _obey_file_modes() -> None:
    """Let the root user write to read-only files no more, so that Python stores no bytecode beside the copies."""
    _libc.prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)
