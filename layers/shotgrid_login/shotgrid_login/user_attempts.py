"""The attempts of one user in the last hour, and the networks from which the user signs in: one row for each user.

A site locks a user for an hour after ten failures (site-contract.md). So a user can fail `ALL_FAILURES` times in any
hour. Networks from which the user has signed in recently have their own share of them. So guesses from
other networks cannot take the user's own attempts.

An attempt counts from before the site is called. It is *in flight* until its end is noted, and counts as failed if that
does not happen within `LONGEST_ATTEMPT`. So a function that crashes forgives nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from shotgrid_login.counts import LONGEST_ATTEMPT, TRIES
from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.table import ConditionFailed, Table

# How long a failure counts. Seconds.
WINDOW = 3600

# Failures in a window: one less than what locks a user at the site. From known networks, and from other networks if the
# user has a known network. Together they are all failures, so neither share can be used up by the other. Failures from
# before the first known network do not count for it: the site counts from zero after a sign-in.
ALL_FAILURES = 9
KNOWN_FAILURES = 6
UNKNOWN_FAILURES = ALL_FAILURES - KNOWN_FAILURES

# How long a network is known to a user after a sign-in from it. Seconds.
KNOWN_SECONDS = 30 * 24 * 3600

# Known networks of a user: enough for an office, a home, and a month of mobile networks. The row stays below 4 KB.
MOST_KNOWN = 40


@dataclass(frozen=True)
class UserAttempt:
    """An attempt that reached the site, or is about to.

    Attributes:
        at: when it failed, or when it was counted. Epoch seconds.
        name: hash of the user name that was typed.
        network: hash of the network that it came from.
        is_known: whether the network was known to the user.
        has_failed: False while it is in flight.
    """

    attempt_id: str
    at: int
    name: str
    network: str
    is_known: bool
    has_failed: bool = False

    @property
    def failed_at(self) -> int:
        """When it failed, or when it will count as failed."""
        return self.at if self.has_failed else self.at + LONGEST_ATTEMPT


@dataclass(frozen=True)
class History:
    """The attempts of a user that still count, and the known networks with the time until when each is known."""

    attempts: tuple[UserAttempt, ...] = ()
    known: Mapping[str, int] = field(default_factory=dict)

    def at(self, now: int) -> History:
        """Return what still counts."""
        return History(
            tuple(attempt for attempt in self.attempts if attempt.failed_at + WINDOW > now),
            {network: until for network, until in self.known.items() if until > now},
        )

    def admitted(self, attempt_id: str, name: str, network: str, now: int, *, is_shown: bool = True) -> History:
        """Return the history with a new attempt; raises `TooManyAttempts`.

        `is_shown`: whether the site has accepted the name. A name that only the user's record has gets no known
        network: the user may have chosen a name of another user.
        """
        current = self.at(now)
        if any(attempt.attempt_id == attempt_id for attempt in current.attempts):
            return current  # the SDK has repeated the write that admitted it
        is_known = is_shown and network in current.known
        same_share = [attempt for attempt in current.attempts if attempt.is_known == is_known]
        if is_known:
            wait = _wait(same_share, KNOWN_FAILURES, now)
        else:
            limit = UNKNOWN_FAILURES if current.known else ALL_FAILURES
            wait = max(_wait(same_share, limit, now), _wait(current.attempts, ALL_FAILURES, now))
        if wait:
            raise TooManyAttempts(wait)
        return replace(current, attempts=(*current.attempts, UserAttempt(attempt_id, now, name, network, is_known)))

    def is_known(self, attempt_id: str) -> bool:
        """Whether an attempt counts for the known networks."""
        return any(attempt.attempt_id == attempt_id and attempt.is_known for attempt in self.attempts)

    def failed(self, attempt_id: str, now: int) -> History:
        """Return the history after the attempt has failed."""
        return replace(
            self,
            attempts=tuple(
                replace(attempt, at=now, has_failed=True) if attempt.attempt_id == attempt_id else attempt
                for attempt in self.attempts
            ),
        )

    def failures(self, names: Iterable[str], network: str, now: int) -> tuple[UserAttempt, ...]:
        """Return the failures with one of these names from a network."""
        return tuple(
            attempt
            for attempt in self.attempts
            if attempt.failed_at <= now and attempt.network == network and attempt.name in names
        )

    def without(self, *attempt_ids: str) -> History:
        """Return the history without these attempts."""
        return replace(self, attempts=tuple(each for each in self.attempts if each.attempt_id not in attempt_ids))

    def joined(self, attempts: Iterable[UserAttempt]) -> History:
        """Return the history with these attempts of the same user, which were counted in another row."""
        own = {attempt.attempt_id for attempt in self.attempts}
        return replace(self, attempts=(*self.attempts, *(each for each in attempts if each.attempt_id not in own)))

    def knowing(self, network: str, now: int) -> History:
        """Return the history with a network from which the user has just signed in."""
        known = sorted({**self.known, network: now + KNOWN_SECONDS}.items(), key=lambda item: item[1])
        return replace(self, known=dict(known[-MOST_KNOWN:]))

    @property
    def expires_at(self) -> int:
        """When nothing of it counts any more. Epoch seconds."""
        return max([0, *self.known.values(), *(attempt.failed_at + WINDOW for attempt in self.attempts)])

    def to_json(self) -> str:
        """Return the text that is stored."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | None) -> History:
        """Read the text that `to_json` returned. None: nothing is stored."""
        if text is None:
            return cls()
        stored: dict[str, Any] = json.loads(text)
        return cls(tuple(UserAttempt(**attempt) for attempt in stored["attempts"]), stored["known"])


@dataclass(frozen=True)
class HistoryChange:
    """A history before and after a change."""

    before: History
    after: History

    @property
    def removed(self) -> list[UserAttempt]:
        """The attempts that do not count any more."""
        kept = {attempt.attempt_id for attempt in self.after.attempts}
        return [attempt for attempt in self.before.attempts if attempt.attempt_id not in kept]


class UserAttempts:
    """The rows with the histories of users."""

    def __init__(self, table: Table) -> None:
        """Take the state table."""
        self._table = table

    def text(self, user: str) -> str | None:
        """Return the stored history of a user, given by a hash; None if there is none."""
        row = self._table.get(_row_id(user))
        return str(row["history"]) if row else None

    def change(
        self, user: str, now: int, change: Callable[[History], History], text: str | None = None
    ) -> HistoryChange:
        """Change the history of a user, given by a hash.

        `text` is the stored history if the caller has it. That saves a write. Raises what `change` raises, and
        `TooManyAttempts` if other callers changed the row each time.
        """
        for _ in range(TRIES):
            before = History.from_json(text).at(now)
            after = change(before)
            written = after.to_json()
            if written == text:
                return HistoryChange(before, after)
            try:
                self._table.put(
                    {"id": _row_id(user), "history": written, "expires_at": max(after.expires_at, now)},
                    # No other attempt of the user was counted or has ended since the row was read. The SDK may have
                    # repeated this write.
                    "history = :written OR " + ("history = :text" if text else "attribute_not_exists(id)"),
                    {"written": written} | ({"text": text} if text else {}),
                )
            except ConditionFailed as failed:
                text = str(failed.row["history"]) if failed.row else None
            else:
                return HistoryChange(before, after)
        raise TooManyAttempts(1)


def _row_id(user: str) -> str:
    return f"failed#user#{user}"


def _wait(attempts: Iterable[UserAttempt], limit: int, now: int) -> int:
    """Return the seconds until another attempt is below the limit; 0 if it is now.

    An attempt in flight may still succeed, so a caller that waits only for such attempts waits for one second.
    """
    attempts = list(attempts)
    if len(attempts) < limit:
        return 0
    failures = sorted(attempt.failed_at for attempt in attempts if attempt.failed_at <= now)
    if len(failures) < limit:
        return 1
    return failures[len(failures) - limit] + WINDOW - now
