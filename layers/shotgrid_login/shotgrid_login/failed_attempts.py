"""Limits on attempts to sign in: each failed attempt makes guessing slower.

Failed attempts are counted three times:

- per user and network: against guessing a password. This limit is strict, and attempts from elsewhere do not count.
- per user: against guessing from many networks. Its waits are short, because they delay the real user too.
- per network: against guessing for many users.

All attempts, failed or not, are counted per user and network, and per network, with much looser limits. They bound
the calls to the site that do not count as failed, such as password steps that only lead to a code.

Starts of a browser sign-in have no user yet. Open ones are counted per browser and per network: those that did
not end in a sign-in. All starts are counted per network, also those that failed.

Every limit makes callers wait and none locks a user out (OWASP ASVS 5.0, 6.1.1 and 6.3.1). An attempt is counted before
the site is called, so that parallel guesses are all counted. An attempt that was not a guess is forgiven afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.hashes import Hashes
from shotgrid_login.table import ConditionFailed, Table


@dataclass(frozen=True)
class Limit:
    """How many attempts are allowed.

    Attributes:
        free: attempts without a wait.
        longest_wait: the wait starts at `FIRST_WAIT` and doubles with each further attempt up to this. Seconds. None:
            callers wait until the attempts are forgotten.
        memory: all attempts are forgotten this long after the first one. Seconds.
    """

    free: int
    longest_wait: int | None
    memory: int


# Long enough to make guessing slow, and short enough that a user waits instead of calling for help. Seconds.
FIRST_WAIT = 30

FAILED_BY_USER_AND_NETWORK = Limit(free=5, longest_wait=15 * 60, memory=24 * 3600)
FAILED_BY_USER = Limit(free=50, longest_wait=5 * 60, memory=24 * 3600)
FAILED_BY_NETWORK = Limit(free=50, longest_wait=15 * 60, memory=3600)  # a whole studio can share one address
ALL_BY_USER_AND_NETWORK = Limit(free=60, longest_wait=5 * 60, memory=5 * 60)
ALL_BY_NETWORK = Limit(free=600, longest_wait=5 * 60, memory=5 * 60)  # 300 users of a studio in 5 minutes, with codes

STARTS_BY_BROWSER = Limit(free=10, longest_wait=None, memory=10 * 60)
STARTS_BY_NETWORK = Limit(free=500, longest_wait=None, memory=10 * 60)  # an office behind one address
ALL_STARTS_BY_NETWORK = Limit(free=1000, longest_wait=None, memory=10 * 60)


@dataclass(frozen=True)
class Start:
    """A counted start of a browser sign-in: the ids of the rows that count it."""

    by_network: str
    by_browser: str | None  # a page with token transport has no cookie that identifies its browser
    all_by_network: str

    @classmethod
    def of(cls, network: str, browser: str) -> Start:
        """Return the rows for a network and a browser, both hashes. `browser` is "" if it is unknown."""
        return cls(
            by_network=f"start#address#{network}",
            by_browser=f"start#browser#{browser}" if browser else None,
            all_by_network=f"start#all#address#{network}",
        )


@dataclass(frozen=True)
class Attempt:
    """A counted attempt: the ids of the rows that count it."""

    failed_by_user_and_network: str
    failed_by_user: str
    failed_by_network: str
    all_by_user_and_network: str
    all_by_network: str

    @classmethod
    def of(cls, user: str, network: str) -> Attempt:
        """Return the rows for a user at a network, both hashes."""
        return cls(
            failed_by_user_and_network=f"failed#user#{user}#{network}",
            failed_by_user=f"failed#user#{user}",
            failed_by_network=f"failed#address#{network}",
            all_by_user_and_network=f"failed#all#user#{user}#{network}",
            all_by_network=f"failed#all#address#{network}",
        )


class FailedAttempts:
    """Counts attempts in the state table."""

    def __init__(self, table: Table, hashes: Hashes) -> None:
        self._table = table
        self._hashes = hashes

    def count(self, username: str, source_address: str, now: int) -> Attempt:
        """Count an attempt before it is made; raises `TooManyAttempts` if the caller has to wait."""
        attempt = Attempt.of(self._hashes.user(username), self._hashes.network(source_address))
        limits = {
            attempt.failed_by_user_and_network: FAILED_BY_USER_AND_NETWORK,
            attempt.failed_by_user: FAILED_BY_USER,
            attempt.failed_by_network: FAILED_BY_NETWORK,
            attempt.all_by_user_and_network: ALL_BY_USER_AND_NETWORK,
            attempt.all_by_network: ALL_BY_NETWORK,
        }
        self._count_all(limits, now)
        return attempt

    def count_start(self, start: Start, now: int) -> None:
        """Count a start of a browser sign-in before it; raises `TooManyAttempts` if the caller has to wait."""
        limits = {start.by_network: STARTS_BY_NETWORK, start.all_by_network: ALL_STARTS_BY_NETWORK}
        if start.by_browser:
            limits = {start.by_browser: STARTS_BY_BROWSER} | limits
        self._count_all(limits, now)

    def uncount_start(self, start: Start) -> None:
        """Uncount a start that ended in a sign-in or failed. It still counts among all starts."""
        self._uncount(start.by_network)
        if start.by_browser:
            self._uncount(start.by_browser)

    def _count_all(self, limits: Mapping[str, Limit], now: int) -> None:
        counted: list[str] = []
        try:
            for row_id, limit in limits.items():
                self._count(row_id, limit, now)
                counted.append(row_id)
        except TooManyAttempts:
            for row_id in counted:
                self._uncount(row_id)
            raise

    def succeeded(self, attempt: Attempt) -> None:
        """Forget the failed attempts of this user, and this one attempt of the network."""
        self._table.delete(attempt.failed_by_user_and_network)
        self._table.delete(attempt.failed_by_user)
        self._uncount(attempt.failed_by_network)

    def forgive(self, attempt: Attempt) -> None:
        """Uncount an attempt that was certainly not a guess. It still counts among all attempts."""
        for row_id in (attempt.failed_by_user_and_network, attempt.failed_by_user, attempt.failed_by_network):
            self._uncount(row_id)

    def _count(self, row_id: str, limit: Limit, now: int) -> None:
        forgotten_at = now + limit.memory
        try:
            # The usual case in one write. The database counts, so that parallel attempts are all counted.
            self._table.update(
                row_id,
                "ADD misses :one SET expires_at = if_not_exists(expires_at, :forgotten_at)",
                "attribute_not_exists(id) OR (misses < :free AND expires_at > :now)",
                {"one": 1, "forgotten_at": forgotten_at, "free": limit.free, "now": now},
            )
            return
        except ConditionFailed as failed:
            row = failed.row or {}
        attempts = int(row.get("misses", 0))
        blocked_until = int(row.get("blocked_until", 0))
        expires_at = int(row.get("expires_at", 0))
        if expires_at <= now:
            attempts, blocked_until, expires_at = 0, 0, forgotten_at
        if blocked_until > now:
            raise TooManyAttempts(blocked_until - now)
        counted: dict[str, str | int] = {"id": row_id, "misses": attempts + 1, "expires_at": expires_at}
        if attempts >= limit.free:
            if limit.longest_wait is None:
                raise TooManyAttempts(expires_at - now)
            wait = min(FIRST_WAIT * 2 ** min(attempts - limit.free, 10), limit.longest_wait)
            counted["blocked_until"] = now + wait
        try:
            # Of several parallel attempts, only one finds the row unchanged and may go on.
            self._table.put(
                counted,
                "misses = :misses AND expires_at = :expires_at",
                {"misses": row["misses"], "expires_at": row["expires_at"]},
            )
        except ConditionFailed:
            raise TooManyAttempts(1) from None

    def _uncount(self, row_id: str) -> None:
        # A successful sign-in in parallel may have deleted the row.
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                row_id, "ADD misses :minus_one REMOVE blocked_until", "misses > :zero", {"minus_one": -1, "zero": 0}
            )
