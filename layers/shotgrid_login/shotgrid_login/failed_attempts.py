"""Failed attempts: guessing gets slower with every miss.

Three counts stand beside each other. A user from one network is who guesses a password: that count is strict, and
a stranger elsewhere does not reach it. The user from everywhere is a guesser with many addresses, or much patience:
its waits are short, as the person has them too. An address is a guesser with many users. All are waits, never locks
(OWASP ASVS 5.0, 6.1.1 and 6.3.1).

An attempt is counted before the site is asked, not after, so that a burst of parallel guesses counts in full.
What turns out not to have been a guess is forgiven.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
from dataclasses import dataclass

from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.table import ConditionFailed, Table


@dataclass(frozen=True)
class Limit:
    """How much is tolerated. All but the first are seconds.

    Attributes:
        free: misses that cost no wait.
        longest_wait: the wait starts at `FIRST_WAIT` and doubles with each further miss, up to this.
        memory: how long after the first miss all of them are forgotten.
    """

    free: int
    longest_wait: int
    memory: int


# Enough to make guessing slow, and not yet worth a call to somebody. Seconds.
FIRST_WAIT = 30

USER_FROM_NETWORK = Limit(free=5, longest_wait=15 * 60, memory=24 * 3600)
USER = Limit(free=50, longest_wait=5 * 60, memory=24 * 3600)
ADDRESS = Limit(free=50, longest_wait=15 * 60, memory=3600)  # a whole studio may sit behind one


@dataclass(frozen=True)
class Attempt:
    """One counted attempt: the rows that know of it, those of the user first."""

    user_rows: tuple[str, str]
    address_row: str

    @classmethod
    def of(cls, username: str, source_address: str) -> Attempt:
        """Name the rows of a user at an address."""
        user, network = user_hash(username), _network_hash(source_address)
        return cls((f"failed#user#{user}#{network}", f"failed#user#{user}"), f"failed#address#{network}")


def user_hash(username: str) -> str:
    """Return the short hash that stands for a user in logs and in the table: 16 hex digits, letter case ignored."""
    return hashlib.sha256(username.strip().casefold().encode()).hexdigest()[:16]


class FailedAttempts:
    """Counts attempts in the state table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def count(self, username: str, source_address: str, now: int) -> Attempt:
        """Count an attempt before it is made; raises `TooManyAttempts` when it has to wait."""
        attempt = Attempt.of(username, source_address)
        limits = {attempt.user_rows[0]: USER_FROM_NETWORK, attempt.user_rows[1]: USER, attempt.address_row: ADDRESS}
        counted: list[str] = []
        try:
            for row_id, limit in limits.items():
                self._count(row_id, limit, now)
                counted.append(row_id)
        except TooManyAttempts:
            for row_id in counted:
                self._take_back(row_id)
            raise
        return attempt

    def succeeded(self, attempt: Attempt) -> None:
        """The person is who they say: forget the user's misses, and this attempt of the address."""
        for row_id in attempt.user_rows:
            self._table.delete(row_id)
        self._take_back(attempt.address_row)

    def forgive(self, attempt: Attempt) -> None:
        """It was no guess: the site wanted a code first, or gave no verdict. Count it back."""
        for row_id in (*attempt.user_rows, attempt.address_row):
            self._take_back(row_id)

    def _count(self, row_id: str, limit: Limit, now: int) -> None:
        forgotten_at = now + limit.memory
        try:
            # The common case in one write. Counting in the database, so that attempts at once all count.
            self._table.update(
                row_id,
                "ADD misses :one SET expires_at = if_not_exists(expires_at, :forgotten_at)",
                "attribute_not_exists(id) OR (misses < :free AND expires_at > :now)",
                {"one": 1, "forgotten_at": forgotten_at, "free": limit.free, "now": now},
            )
            return
        except ConditionFailed as failed:
            row = failed.row or {}
        misses = int(row.get("misses", 0))
        blocked_until = int(row.get("blocked_until", 0))
        expires_at = int(row.get("expires_at", 0))
        if expires_at <= now:
            misses, blocked_until, expires_at = 0, 0, forgotten_at
        if blocked_until > now:
            raise TooManyAttempts(blocked_until - now)
        counted: dict[str, str | int] = {"id": row_id, "misses": misses + 1, "expires_at": expires_at}
        if misses >= limit.free:
            wait = min(FIRST_WAIT * 2 ** min(misses - limit.free, 10), limit.longest_wait)
            counted["blocked_until"] = now + wait
        try:
            # Of attempts at once, only the one that finds the row as it was read gets this turn.
            self._table.put(
                counted,
                "misses = :misses AND expires_at = :expires_at",
                {"misses": row["misses"], "expires_at": row["expires_at"]},
            )
        except ConditionFailed:
            raise TooManyAttempts(1) from None

    def _take_back(self, row_id: str) -> None:
        # Another attempt's success may have forgotten the row already.
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                row_id, "ADD misses :minus_one REMOVE blocked_until", "misses > :zero", {"minus_one": -1, "zero": 0}
            )


def _network_hash(source_address: str) -> str:
    """Hash an IPv4 address, or an IPv6 /64: whoever has one of its addresses has them all (RFC 6177)."""
    try:
        address = ipaddress.ip_address(source_address)
    except ValueError:
        network = source_address  # such as API Gateway's own "test-invoke-source-ip"
    else:
        network = str(ipaddress.ip_network((address, 64 if address.version == 6 else 32), strict=False))
    return hashlib.sha256(network.encode()).hexdigest()[:16]
