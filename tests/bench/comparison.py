"""Two things that are measured in turns, so that the load of the machine affects both."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Comparison:
    """Seconds per round: of the measured code, and of its floor."""

    measured: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The measured time divided by the floor: the median of the ratios of all rounds."""
        return median(measured / floor for measured, floor in zip(self.measured, self.floor, strict=True))

    def __str__(self) -> str:
        return f"{_milliseconds(self.measured)} over {_milliseconds(self.floor)}"


def _milliseconds(seconds: list[float]) -> str:
    milliseconds = median(seconds) * 1000
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"
