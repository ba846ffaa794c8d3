"""Cold starts: from the first import of app.py until its handler is ready, in a fresh process each time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.compared import Compared
from tests.bench.unpacked import Unpacked
from tests.local.stack import Failed

# Each floor, and the functions that are compared with it.
FLOORS = {
    "authorizer": ("authorizer",),
    "others": ("password", "otp", "refresh", "logout", "session"),
}

# How often each is started. From run to run the median of so many differs by about 0.01.
ROUNDS = 21

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
    """Start the functions and their floors in turns; raises `Failed` if one does not start."""
    starts = {name: ColdStart(name) for names in FLOORS.values() for name in names}
    for floor, names in FLOORS.items():
        folders = {name: unpacked.functions[name] for name in names}
        for folder in (unpacked.floors[floor], *folders.values()):
            _start(unpacked, folder)  # leaves the bytecode that every later start finds
        for _ in range(ROUNDS):
            floor_cpu, floor_wall = _start(unpacked, unpacked.floors[floor])
            for name, folder in folders.items():
                cpu, wall = _start(unpacked, folder)
                starts[name].cpu.measured.append(cpu)
                starts[name].cpu.floor.append(floor_cpu)
                starts[name].wall.measured.append(wall)
                starts[name].wall.floor.append(floor_wall)
    return list(starts.values())


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
        raise Failed(f"{folder.parent.name}/{folder.name} does not start:\n{child.stderr[-4000:]}")
    cpu, wall = child.stdout.split()
    return float(cpu), float(wall)
