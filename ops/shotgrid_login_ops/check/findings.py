"""What a check finds: one line a question, with a sentence for people and a value to compare."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# Values come from other machines and are shown on a terminal. Longest, in characters.
LONGEST_VALUE = 80


class Status(Enum):
    """What a line says at a glance."""

    OK = "OK"
    CHANGED = "CHANGED"  # fine, and not what the saved check found
    PROBLEM = "PROBLEM"  # something breaks, or would
    UNKNOWN = "UNKNOWN"  # not looked at, or nobody knows what it means


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        name: which question, the same in every run.
        status: the answer at a glance.
        value: the answer in a few words that are the same as long as it is; None where nobody looked.
        meaning: a sentence for the person who runs the check.
        next_step: what to do now; empty where nothing is.
        was: the saved check's value, where that is another one.
    """

    name: str
    status: Status
    value: str | None
    meaning: str
    next_step: str = ""
    was: str | None = None


def ok(name: str, value: str, meaning: str) -> Finding:
    """As it should be."""
    return Finding(name, Status.OK, value, meaning)


def problem(name: str, value: str, meaning: str, next_step: str) -> Finding:
    """Something breaks, or would."""
    return Finding(name, Status.PROBLEM, value, meaning, next_step)


def unknown(name: str, value: str | None, meaning: str, next_step: str = "") -> Finding:
    """Not looked at, or not understood."""
    return Finding(name, Status.UNKNOWN, value, meaning, next_step)


def shown(text: object) -> str:
    """Return what another machine said as one short line that cannot steer a terminal."""
    line = "".join(character if character.isprintable() else "?" for character in str(text))
    return line if len(line) <= LONGEST_VALUE else line[: LONGEST_VALUE - 3] + "..."
