"""The result of a check: a list of findings, each with a value to compare and a sentence for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# Some values come from other machines and are printed on a terminal. Characters.
LONGEST_VALUE = 80


class Status(Enum):
    """The result of one finding in one word."""

    OK = "OK"
    CHANGED = "CHANGED"  # as expected, but different from the saved check
    PROBLEM = "PROBLEM"  # something is broken, or would break
    UNKNOWN = "UNKNOWN"  # not checked, or the response is not known


@dataclass(frozen=True)
class Finding:
    """One line of the result.

    Attributes:
        name: what was checked; the same in every run.
        status: the result in one word.
        value: the result in a few words, which stay the same until something changes. None if nothing was checked.
        meaning: a sentence for the operator.
        next_step: what the operator should do; empty if nothing.
        was: the value in the saved check, if it is different.
        commands: what to type for the next step, one command each. They are printed without line breaks.
    """

    name: str
    status: Status
    value: str | None
    meaning: str
    next_step: str = ""
    was: str | None = None
    commands: tuple[str, ...] = ()


def ok(name: str, value: str, meaning: str) -> Finding:
    """Return a finding that is as expected."""
    return Finding(name, Status.OK, value, meaning)


def problem(name: str, value: str, meaning: str, next_step: str, *commands: str) -> Finding:
    """Return a finding that is broken, or would break."""
    return Finding(name, Status.PROBLEM, value, meaning, next_step, commands=commands)


def unknown(name: str, value: str | None, meaning: str, next_step: str = "") -> Finding:
    """Return a finding that was not checked, or whose response is not known."""
    return Finding(name, Status.UNKNOWN, value, meaning, next_step)


def printable(text: object) -> str:
    """Return text from another machine as one short line without control characters for the terminal."""
    line = "".join(character if character.isprintable() else "?" for character in str(text))
    return line if len(line) <= LONGEST_VALUE else line[: LONGEST_VALUE - 3] + "..."
