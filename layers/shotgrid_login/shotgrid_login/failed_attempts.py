"""Failed attempts: guessing gets slower with every miss, per user and per source address.

An attempt is counted before the site is asked, not after, so that a burst of parallel guesses counts in full.
What turns out not to have been a guess is forgiven. (OWASP ASVS 5.0, 6.3.1 and 6.1.1: waits instead of locks, so
nobody can lock another person out for good.)
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
from dataclasses import dataclass

from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.table import ConditionFailed, Table

# Misses that cost no wait: typing errors. A whole studio may sit behind one address.
FREE_FOR_USER = 5
FREE_FOR_ADDRESS = 50

# The wait after the first miss beyond those, doubled with each further one, up to the longest. Seconds.
FIRST_WAIT = 30
LONGEST_WAIT = 15 * 60

# After this long without an attempt, the misses are forgotten. Seconds.
MEMORY = 60 * 60


@dataclass(frozen=True)
class Attempt:
    """One counted attempt: the two rows that know of it."""

    user_row: str
    address_row: str


def user_hash(username: str) -> str:
    """Return the short hash that stands for a user in logs and in the table: 16 hex digits, letter case ignored."""
    return hashlib.sha256(username.strip().casefold().encode()).hexdigest()[:16]


class FailedAttempts:
    """Counts attempts in the state table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def count(self, username: str, source_address: str, now: int) -> Attempt:
        """Count an attempt before it is made; raises `TooManyAttempts` when it has to wait."""
        attempt = Attempt(f"failed#user#{user_hash(username)}", f"failed#address#{_network(source_address)}")
        self._count(attempt.address_row, FREE_FOR_ADDRESS, now)
        try:
            self._count(attempt.user_row, FREE_FOR_USER, now)
        except TooManyAttempts:
            self._take_back(attempt.address_row)
            raise
        return attempt

    def succeeded(self, attempt: Attempt) -> None:
        """The person is who they say: forget the user's misses, and this attempt of the address."""
        self._table.delete(attempt.user_row)
        self._take_back(attempt.address_row)

    def forgive(self, attempt: Attempt) -> None:
        """It was no guess: the site wanted a code first, or gave no verdict. Count it back."""
        self._take_back(attempt.user_row)
        self._take_back(attempt.address_row)

    def _count(self, row_id: str, free: int, now: int) -> None:
        expires_at = now + MEMORY
        try:
            # The common case in one write. Counting in the database, so that attempts at once all count.
            self._table.update(
                row_id,
                "ADD misses :one SET expires_at = :expires_at",
                "attribute_not_exists(id) OR (misses < :free AND expires_at > :now)",
                {"one": 1, "expires_at": expires_at, "free": free, "now": now},
            )
            return
        except ConditionFailed as failed:
            row = failed.row or {}
        misses = int(row.get("misses", 0))
        blocked_until = int(row.get("blocked_until", 0))
        if int(row.get("expires_at", 0)) <= now:
            misses = blocked_until = 0
        if blocked_until > now:
            raise TooManyAttempts(blocked_until - now)
        counted: dict[str, str | int] = {"id": row_id, "misses": misses + 1, "expires_at": expires_at}
        if misses >= free:
            wait = min(FIRST_WAIT * 2 ** min(misses - free, 10), LONGEST_WAIT)
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


def _network(source_address: str) -> str:
    """Hash an IPv4 address, or an IPv6 /64: whoever has one of its addresses has them all (RFC 6177)."""
    address = ipaddress.ip_address(source_address)
    network = ipaddress.ip_network((address, 64 if address.version == 6 else 32), strict=False)
    return hashlib.sha256(str(network).encode()).hexdigest()[:16]
