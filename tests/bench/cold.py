"""Cold starts: the time from the import of app.py until its handler is ready, in a new process each time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.comparison import Comparison
from tests.bench.unpacked import Unpacked
from tests.local.stack import SetupFailed

# Each function, with the floor that it is compared with.
FLOORS = {
    "authorizer": "authorizer",
    "password": "others",
    "otp": "others",
    "methods": "others",
    "browser": "others",
    "approval": "others",
    "refresh": "others",
    "access_token": "others",
    "logout": "others",
    "session": "others",
    "pages": "others",
}

# Starts of each function and its floor. With 25, the median differs by 0.02 between runs on a busy machine.
ROUNDS = 25

_START = """
import time
cpu, wall = time.process_time(), time.perf_counter()
import app
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


@dataclass(frozen=True)
class ColdStart:
    """The starts of a function. Unlike wall clock time, CPU time does not depend on the load of the machine."""

    function: str
    cpu: Comparison = field(default_factory=Comparison)
    wall: Comparison = field(default_factory=Comparison)


def cold_starts(unpacked: Unpacked) -> list[ColdStart]:
    """Start the functions and their floors in turns; raises `SetupFailed` if one does not start."""
    for folder in (*unpacked.functions.values(), *unpacked.floors.values()):
        _start(unpacked, folder)  # writes the bytecode that every later start uses
    starts = [ColdStart(function) for function in FLOORS]
    for number in range(ROUNDS):
        for start in starts:
            pair = [
                (unpacked.functions[start.function], start.cpu.measured, start.wall.measured),
                (unpacked.floors[FLOORS[start.function]], start.cpu.floor, start.wall.floor),
            ]
            # Alternate the order of the two.
            for folder, cpu, wall in pair if number % 2 else reversed(pair):
                cpu_seconds, wall_seconds = _start(unpacked, folder)
                cpu.append(cpu_seconds)
                wall.append(wall_seconds)
    return starts


def _start(unpacked: Unpacked, folder: Path) -> tuple[float, float]:
    # -P: do not import from the current folder, which Lambda does not have.
    child = subprocess.run(
        [sys.executable, "-P", "-c", _START],
        env=unpacked.environment(folder),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if child.returncode != 0:
        raise SetupFailed(f"{folder.parent.name}/{folder.name} does not start:\n{child.stderr[-4000:]}")
    cpu, wall = child.stdout.split()
    return float(cpu), float(wall)
