"""Sessions as a table for operators. It contains no handle and no token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from shotgrid_login.sessions import Session
from shotgrid_login_ops.check.findings import printable

_HEADINGS = ("USER", "LOGIN", "SIGNED IN", "ENDS IF NOT USED BY", "ENDS BY")
_GAP = "  "


def table_of(sessions: Sequence[Session]) -> str:
    """Return a line for each session, sorted by login, and a last line with the counts."""
    ordered = sorted(sessions, key=lambda session: (session.user.login.casefold(), session.signed_in_at))
    rows = [_HEADINGS, *(_row(session) for session in ordered)] if ordered else []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_GAP.join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, f"{count(sessions)}. Times are UTC."])


def count(sessions: Iterable[Session]) -> str:
    """Return how many sessions of how many users these are, in words."""
    users = [(session.user.type, session.user.id) for session in sessions]
    return f"{_number(len(users), 'session')} of {_number(len({*users}), 'user')}"


def _row(session: Session) -> tuple[str, ...]:
    times = (session.signed_in_at, session.idle_expires_at, session.expires_at)
    return printable(session.user.name), printable(session.user.login), *map(_time, times)


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
