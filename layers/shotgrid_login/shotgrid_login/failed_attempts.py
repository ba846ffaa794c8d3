"""Limits on attempts to sign in: how often users can guess, and how often the site is called.

Failed attempts are counted twice:

- per user, in any hour: below the number at which the site locks the user. Networks from which the user signs in have
  their own share (`user_attempts`).
- per network: against guessing for many users. Attempts from a network that is known to the user do not count here, so
  others behind the same address cannot make the user wait.

All attempts, failed or not, are counted per user and network, and per network, with much looser limits. They bound
the calls to the site that do not count as failed, such as password steps that only lead to a code.

Starts of a browser sign-in have no user yet. Open ones are counted per browser and per network: those that did
not end in a sign-in. All starts are counted per network, also those that failed.

Every limit makes callers wait and none locks a user out (OWASP ASVS 5.0, 6.1.1 and 6.3.1). An attempt is counted before
the site is called, so that parallel guesses are all counted. An attempt that was not a guess is forgiven afterwards.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shotgrid_login.counts import Counted, Counts, Limit
from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.hashes import Hashes
from shotgrid_login.table import ConditionFailed, Table
from shotgrid_login.user_attempts import KNOWN_SECONDS, WINDOW, History, HistoryChange, UserAttempt, UserAttempts
from shotgrid_login.users import User

FAILED_BY_NETWORK = Limit(free=200, memory=3600, longest_wait=15 * 60)  # a studio on the first day, behind one address
ALL_BY_USER_AND_NETWORK = Limit(free=60, memory=5 * 60)
ALL_BY_NETWORK = Limit(free=600, memory=5 * 60)  # 300 users of a studio in 5 minutes, with codes

STARTS_BY_BROWSER = Limit(free=10, memory=10 * 60)
STARTS_BY_NETWORK = Limit(free=500, memory=10 * 60)  # an office behind one address
ALL_STARTS_BY_NETWORK = Limit(free=1000, memory=10 * 60)


# How long a name that is used near its end still belongs to its user. Seconds.
USED_NAME_SECONDS = 24 * 3600


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
    """A counted attempt.

    Attributes:
        name: hash of the user name that was typed.
        user: hash of the user's record at the site if a sign-in with this name has shown it, otherwise `name`.
        network: hash of the network that it came from.
        history: the text of the user's row with this attempt in it.
        by_network: how it counts for its network. None: the network is known to the user.
    """

    attempt_id: str
    name: str
    user: str
    network: str
    history: str = field(repr=False)
    by_network: Counted | None


class FailedAttempts:
    """Counts attempts in the state table."""

    def __init__(self, table: Table, hashes: Hashes) -> None:
        self._table = table
        self._hashes = hashes
        self._users = UserAttempts(table)
        self._counts = Counts(table)

    def count(self, username: str, source_address: str, now: int) -> Attempt:
        """Count an attempt before it is made; raises `TooManyAttempts` if the caller has to wait."""
        attempt_id = secrets.token_urlsafe(9)
        name, network = self._hashes.user(username), self._hashes.network(source_address)
        user, is_shown = self._user_of(name, now)

        def admitted(history: History) -> History:
            return history.admitted(attempt_id, name, network, now, is_shown=is_shown)

        history = self._users.change(user, now, admitted).after
        is_known = history.is_known(attempt_id)
        limits = {
            f"failed#all#user#{user}#{network}": ALL_BY_USER_AND_NETWORK,
            f"failed#all#address#{network}": ALL_BY_NETWORK,
        }
        if not is_known:
            limits = {f"failed#address#{network}": FAILED_BY_NETWORK} | limits
        try:
            counted = self._count_all(limits, now)
        except TooManyAttempts:
            self._settle(user, now, lambda known: known.without(attempt_id), history.to_json())
            raise
        return Attempt(attempt_id, name, user, network, history.to_json(), None if is_known else counted[0])

    def failed(self, attempt: Attempt, now: int) -> None:
        """Note that the site has rejected the attempt, or may have rejected it."""
        self._settle(attempt.user, now, lambda history: history.failed(attempt.attempt_id, now), attempt.history)
        if attempt.by_network:
            self._counts.failed(attempt.by_network, now)

    def forgive(self, attempt: Attempt, now: int) -> None:
        """Uncount an attempt that was certainly not a guess. It still counts among all attempts."""
        self._settle(attempt.user, now, lambda history: history.without(attempt.attempt_id), attempt.history)
        if attempt.by_network:
            self._counts.uncount(attempt.by_network)

    def succeeded(self, attempt: Attempt, user: User, now: int) -> None:
        """Forget the failures of this user from this network, and note that the network and the names are the user's.

        Failures from other networks still count, because they can be guesses of others. So do failures with names that
        this sign-in did not show to be the user's. Failures that counted elsewhere, with a name that becomes the
        user's, count for the user from now on, but not for known networks.
        """
        record, login = self._hashes.record(user.type, user.id), self._hashes.user(user.login)
        users = {attempt.name: attempt.user}  # where attempts with each name count until now
        if login not in users:
            users[login] = self._user_of(login, now)[0]
        address = self._hashes.user(user.email or user.login)
        # The site accepted the other names for this user, but the user may have chosen the address. So it takes no name
        # away from another user.
        if address not in users and (holder := self._user_of(address, now)[0]) in (address, record):
            users[address] = holder
        moved: list[UserAttempt] = []

        def cleared(history: History) -> History:
            failures = history.failures({attempt.name, login}, attempt.network, now)
            return history.without(attempt.attempt_id, *(failure.attempt_id for failure in failures))

        def known(history: History) -> History:
            return cleared(history.joined(moved)).knowing(attempt.network, now)

        changes = []
        for name, holder in users.items():
            if holder != record:  # the first sign-in that shows this name
                change = self._settle(holder, now, cleared, attempt.history if holder == attempt.user else None)
                moved += [each for each in change.after.attempts if each.name == name]
                changes.append(change)
        changes.append(self._settle(record, now, known, attempt.history if record == attempt.user else None))
        if attempt.by_network:
            began_at = attempt.by_network.expires_at - FAILED_BY_NETWORK.memory
            removed = [each for change in changes for each in change.removed if not each.is_known]
            self._counts.uncount(attempt.by_network, max(1, sum(each.at >= began_at for each in removed)))
        for name in users:
            self._remember_name(name, record, now, is_chosen=name not in {attempt.name, login})

    def count_start(self, start: Start, now: int) -> None:
        """Count a start of a browser sign-in before it; raises `TooManyAttempts` if the caller has to wait."""
        limits = {start.by_network: STARTS_BY_NETWORK, start.all_by_network: ALL_STARTS_BY_NETWORK}
        if start.by_browser:
            limits = {start.by_browser: STARTS_BY_BROWSER} | limits
        self._count_all(limits, now)

    def uncount_start(self, start: Start) -> None:
        """Uncount a start that ended in a sign-in or failed. It still counts among all starts."""
        self._counts.uncount_any(start.by_network)
        if start.by_browser:
            self._counts.uncount_any(start.by_browser)

    def _count_all(self, limits: Mapping[str, Limit], now: int) -> list[Counted]:
        counted: list[Counted] = []
        try:
            for row_id, limit in limits.items():
                counted.append(self._counts.count(row_id, limit, now))
        except TooManyAttempts:
            for each in counted:
                self._counts.uncount(each)
            raise
        return counted

    def _settle(
        self, user: str, now: int, change: Callable[[History], History], text: str | None = None
    ) -> HistoryChange:
        try:
            return self._users.change(user, now, change, text)
        except TooManyAttempts:  # the attempt stays in flight, and so it counts as failed
            return HistoryChange(History(), History())

    def _user_of(self, name: str, now: int) -> tuple[str, bool]:
        """Return whose attempts an attempt with this name counts for, and whether the site has accepted the name.

        It is the record's hash if a sign-in has shown that the name is the user's, otherwise the name's hash.
        """
        row = self._table.get(f"name#{name}")
        if not row or int(row["expires_at"]) <= now:
            return name, False
        if int(row["expires_at"]) <= now + 2 * WINDOW:
            # The failures that are counted for the user must not be forgotten before their hour is over.
            with contextlib.suppress(ConditionFailed):
                self._table.put(
                    {**row, "expires_at": now + USED_NAME_SECONDS},
                    # No sign-in has shown the name since the row was read.
                    "user_record = :record AND expires_at = :expires_at",
                    {"record": row["user_record"], "expires_at": row["expires_at"]},
                )
        return str(row["user_record"]), not row["is_chosen"]

    def _remember_name(self, name: str, record: str, now: int, *, is_chosen: bool) -> None:
        """Count attempts with this name as attempts of the user. `is_chosen`: the user may have chosen the name."""
        row: dict[str, str | int] = {
            "id": f"name#{name}",
            "user_record": record,
            "is_chosen": int(is_chosen),
            "expires_at": now + KNOWN_SECONDS,
        }
        if not is_chosen:
            self._table.put(row)
            return
        with contextlib.suppress(ConditionFailed):
            self._table.put(
                row,
                # No other user has got the name since the row was read, and the site has not accepted it for this one.
                "attribute_not_exists(id) OR user_record = :record AND is_chosen = :one OR expires_at <= :now",
                {"record": record, "one": 1, "now": now},
            )
