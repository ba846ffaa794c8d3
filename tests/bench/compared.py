"""Two things measured in turns, so that whatever else the machine does falls on both."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Compared:
    """Seconds, one entry a round: of what is measured, and of the floor below it."""

    measured: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times the floor it is: the median of the rounds, each compared within itself."""
        return median(one / least for one, least in zip(self.measured, self.floor, strict=True))

    def __str__(self) -> str:
        return f"{_milliseconds(self.measured)} over {_milliseconds(self.floor)}"


def _milliseconds(seconds: list[float]) -> str:
    middle = median(seconds) * 1000
    return f"{middle:.0f} ms" if middle >= 10 else f"{middle:.2g} ms"
