"""Waiting until the user has approved a browser sign-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from shotgrid_login_ops.check.terminal import Terminal

Result = TypeVar("Result")


@dataclass(frozen=True)
class Pending:
    """The user has not decided, as far as it is known.

    Attributes:
        pause: time until the next poll. Seconds.
        trouble: why the last poll showed nothing; empty if the user has just not decided.
    """

    pause: float
    trouble: str = ""


def wait(terminal: Terminal, seconds: float, pause: float, poll: Callable[[], Result | Pending]) -> Result | Pending:
    """Poll until there is a result, and show the time left. After `seconds`, return the last `Pending`.

    The first poll is after `pause` seconds. Raises what `poll` raises.
    """
    ends_at = terminal.now() + seconds
    pending = Pending(pause)
    try:
        while (left := ends_at - terminal.now()) > 0:
            terminal.show_waiting(left, pending.trouble)
            terminal.pause(min(pending.pause, left))
            polled = poll()
            if not isinstance(polled, Pending):
                return polled
            pending = polled
    finally:
        terminal.show("")  # ends the line with the time
    return pending
