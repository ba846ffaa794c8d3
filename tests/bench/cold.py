"""Cold starts: from the first import of app.py until its handler is ready, in a fresh process each time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.compared import Compared
from tests.bench.unpacked import Unpacked
from tests.local.stack import SetupFailed

# The functions, each with the floor that it is compared with.
FLOORS = {
    "authorizer": "authorizer",
    "password": "others",
    "otp": "others",
    "refresh": "others",
    "access_token": "others",
    "logout": "others",
    "session": "others",
    "pages": "others",
}

# How often each is started beside its floor. Medians of so many differ by 0.02 between runs on a busy machine.
ROUNDS = 25

_START = """
import time
cpu, wall = time.process_time(), time.perf_counter()
import app
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


@dataclass(frozen=True)
class ColdStart:
    """A function's starts. CPU time is what counts: unlike the clock on the wall it leaves out who else runs."""

    function: str
    cpu: Compared = field(default_factory=Compared)
    wall: Compared = field(default_factory=Compared)


def cold_starts(unpacked: Unpacked) -> list[ColdStart]:
    """Start the functions and their floors in turns; raises `SetupFailed` if one does not start."""
    for folder in (*unpacked.functions.values(), *unpacked.floors.values()):
        _start(unpacked, folder)  # leaves the bytecode that every later start finds
    starts = [ColdStart(function) for function in FLOORS]
    for number in range(ROUNDS):
        for start in starts:
            pair = [
                (unpacked.functions[start.function], start.cpu.measured, start.wall.measured),
                (unpacked.floors[FLOORS[start.function]], start.cpu.floor, start.wall.floor),
            ]
            # Neither of the two always comes first.
            for folder, cpu, wall in pair if number % 2 else reversed(pair):
                cpu_seconds, wall_seconds = _start(unpacked, folder)
                cpu.append(cpu_seconds)
                wall.append(wall_seconds)
    return starts


def _start(unpacked: Unpacked, folder: Path) -> tuple[float, float]:
    # -P: the folder where this is run is none of Lambda's.
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
