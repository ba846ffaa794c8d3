"""The share of a processor that Lambda gives to a function, with the CPU controller of Linux' control groups."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

# AWS documentation: "Configure Lambda function memory". At this size a function has one processor. Megabytes.
MEGABYTES_OF_A_PROCESSOR = 1769

_PERIOD = 20_000  # Microseconds. A function that has used its share waits until the next period.
_VERSION_1 = Path("/sys/fs/cgroup/cpu")
_VERSION_2 = Path("/sys/fs/cgroup")


class CpuQuota:
    """Groups of processes, one for each size of memory. Not available for most users: then `limit` does nothing."""

    def __init__(self) -> None:
        self._groups: dict[int, Path] = {}
        self._name = f"shotgrid-login-bench-{secrets.token_hex(4)}"

    def __enter__(self) -> CpuQuota:
        with contextlib.suppress(OSError):
            self._create(MEGABYTES_OF_A_PROCESSOR)
        return self

    def __exit__(self, *_: object) -> None:
        for group in self._groups.values():
            with contextlib.suppress(OSError):  # a process of the group is still ending
                group.rmdir()

    @property
    def is_available(self) -> bool:
        """Whether this user can limit processes."""
        return bool(self._groups)

    def limit(self, process: int, megabytes: int) -> None:
        """Limit a process to the share of a function with this memory."""
        if self.is_available:
            (self._create(megabytes) / "cgroup.procs").write_text(str(process))

    def _create(self, megabytes: int) -> Path:
        if megabytes not in self._groups:
            quota = _PERIOD * megabytes // MEGABYTES_OF_A_PROCESSOR
            for root, settings in _settings(quota):
                group = root / f"{self._name}-{megabytes}"
                group.mkdir()
                self._groups[megabytes] = group
                for name, value in settings.items():
                    (group / name).write_text(value)
        return self._groups[megabytes]


def _settings(quota: int) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return the folder of the controller on this machine, and the settings of a group."""
    if (_VERSION_1 / "cpu.cfs_quota_us").exists():
        yield _VERSION_1, {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": str(quota)}
    else:
        yield _VERSION_2, {"cpu.max": f"{quota} {_PERIOD}"}
