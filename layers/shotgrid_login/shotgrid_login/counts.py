"""Counts of attempts and starts: one row for each count, which forgets everything at the end of its time."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass

from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.table import ConditionFailed, Row, Table

# The first wait after the free attempts: long enough to make guessing slow, and short enough that a user waits instead
# of calling for help. Seconds.
FIRST_WAIT = 30

# The longest time from the count of an attempt to its end: the longest timeout of a function that signs users in
# (template.yaml). Later, the function has certainly stopped. Seconds.
LONGEST_ATTEMPT = 30

# How often a write is tried again after another caller has changed the row. Each failed try is another caller's
# successful write, and a row takes only few of them at once.
TRIES = 20


@dataclass(frozen=True)
class Limit:
    """How many attempts are allowed.

    Attributes:
        free: attempts without a wait.
        memory: all attempts are forgotten this long after the first one. Seconds.
        longest_wait: after the free attempts, one attempt at a time is allowed. Each one that fails starts a wait, of
            `FIRST_WAIT` at first, then twice as long each time, up to this. Seconds. None: callers wait until the
            attempts are forgotten.
    """

    free: int
    memory: int
    longest_wait: int | None = None


@dataclass(frozen=True)
class Counted:
    """A counted attempt.

    Attributes:
        expires_at: when the count that contains the attempt is forgotten. Epoch seconds.
        turn: the attempt's mark in the row if it was allowed after the free attempts; otherwise "".
        wait: how long callers wait if this attempt fails. Seconds.
    """

    row_id: str
    expires_at: int
    turn: str = ""
    wait: int = 0


class Counts:
    """The rows of counts.

    The SDK repeats a write whose response was lost. So each row has the mark of its last change, and a change with the
    same mark does nothing.
    """

    def __init__(self, table: Table) -> None:
        """Take the state table."""
        self._table = table

    def count(self, row_id: str, limit: Limit, now: int) -> Counted:
        """Count an attempt before it is made; raises `TooManyAttempts` if the caller has to wait."""
        mark = secrets.token_urlsafe(9)
        for _ in range(TRIES):
            with contextlib.suppress(ConditionFailed):
                return self._count(row_id, limit, mark, now)
        raise TooManyAttempts(1)

    def failed(self, counted: Counted, now: int) -> None:
        """Start the wait, if the attempt was allowed after the free attempts."""
        if not counted.turn:
            return
        # The turn may be over: the function was slow, and another attempt has it now.
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                counted.row_id,
                "SET blocked_until = :until, last_change = :mark REMOVE turn",
                "turn = :turn",
                {"until": now + counted.wait, "mark": secrets.token_urlsafe(9), "turn": counted.turn},
            )

    def uncount(self, counted: Counted, number: int = 1) -> None:
        """Uncount an attempt and give its turn back. `number`: uncount this many attempts, this one included."""
        # The count may be forgotten, and a new one may have begun. Another attempt may have the turn.
        change, condition = "", "misses >= :number AND expires_at = :expires_at"
        values: dict[str, str | int] = {"number": number, "expires_at": counted.expires_at}
        if counted.turn:
            change, condition = "REMOVE turn, blocked_until", f"{condition} AND turn = :turn"
            values["turn"] = counted.turn
        self._subtract(counted.row_id, change, condition, values)

    def uncount_any(self, row_id: str) -> None:
        """Uncount an attempt of which only the row is known."""
        # The count may be forgotten.
        self._subtract(row_id, "", "misses >= :number", {"number": 1})

    def _subtract(self, row_id: str, change: str, condition: str, values: dict[str, str | int]) -> None:
        mark = secrets.token_urlsafe(9)
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                row_id,
                f"ADD misses :minus SET last_change = :mark {change}",
                # This write was not sent before.
                f"{condition} AND (attribute_not_exists(last_change) OR last_change <> :mark)",
                {**values, "minus": -int(values["number"]), "mark": mark},
            )

    def _count(self, row_id: str, limit: Limit, mark: str, now: int) -> Counted:
        """Count an attempt; raises `ConditionFailed` if another caller has changed the row in the meantime."""
        try:
            # The usual case in one write. The database counts, so that parallel attempts are all counted.
            row = self._table.update(
                row_id,
                "ADD misses :one SET expires_at = if_not_exists(expires_at, :expires_at), last_change = :mark",
                # There are free attempts, the count is not forgotten, and this write was not sent before.
                "attribute_not_exists(id) OR (misses < :free AND expires_at > :now"
                " AND (attribute_not_exists(last_change) OR last_change <> :mark))",
                {"one": 1, "expires_at": now + limit.memory, "mark": mark, "free": limit.free, "now": now},
            )
        except ConditionFailed as failed:
            if failed.row is None:
                raise
            row = failed.row
        expires_at = int(row["expires_at"])
        if mark in (row.get("last_change"), row.get("turn")):  # the SDK has repeated a write
            return _counted(row, limit, mark)
        if expires_at <= now:
            return self._count_anew(row, limit, mark, now)
        if limit.longest_wait is None:
            raise TooManyAttempts(expires_at - now)
        blocked_until = min(int(row.get("blocked_until", 0)), expires_at)
        if blocked_until > now:
            raise TooManyAttempts(1 if row.get("turn") else blocked_until - now)
        return self._take_turn(row, limit, mark, now)

    def _count_anew(self, row: Row, limit: Limit, mark: str, now: int) -> Counted:
        """Count the first attempt after all others were forgotten."""
        new: dict[str, str | int] = {"misses": 1, "expires_at": now + limit.memory, "last_change": mark}
        self._table.put(
            {"id": row["id"], **new},
            # No other attempt has begun a new count since the row was read. The SDK may have repeated this write.
            "expires_at = :expired OR last_change = :mark",
            {"expired": row["expires_at"], "mark": mark},
        )
        return Counted(str(row["id"]), now + limit.memory)

    def _take_turn(self, row: Row, limit: Limit, mark: str, now: int) -> Counted:
        """Count an attempt after the free ones. Until it has ended, no other attempt is allowed."""
        taken = self._table.update(
            str(row["id"]),
            "ADD misses :one SET turn = :mark, blocked_until = :until, last_change = :mark",
            # Of parallel attempts, only one finds the row unchanged.
            "misses = :misses AND expires_at = :expires_at AND last_change = :last_change",
            {
                "one": 1,
                "mark": mark,
                "until": now + LONGEST_ATTEMPT,
                "misses": row["misses"],
                "expires_at": row["expires_at"],
                "last_change": row["last_change"],
            },
        )
        return _counted(taken, limit, mark)


def _counted(row: Row, limit: Limit, mark: str) -> Counted:
    row_id, expires_at = str(row["id"]), int(row["expires_at"])
    if row.get("turn") != mark or limit.longest_wait is None:
        return Counted(row_id, expires_at)
    wait = FIRST_WAIT * 2 ** min(int(row["misses"]) - 1 - limit.free, 10)
    return Counted(row_id, expires_at, mark, min(wait, limit.longest_wait))
