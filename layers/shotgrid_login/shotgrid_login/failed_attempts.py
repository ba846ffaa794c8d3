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

An attempt also takes one of the places for callers who wait for the site (`places`), until its end is noted.

The counts of one attempt are written at the same time. If one of them fails or makes the caller wait, the others are
undone. So near a limit, an attempt that has to wait can make another one wait that would be the last to be allowed.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from shotgrid_login.counts import Counted, Counts, Limit
from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.hashes import Hashes
from shotgrid_login.parallel import outcome, together
from shotgrid_login.places import SIGN_INS, Place, Places
from shotgrid_login.table import ConditionFailed, Table
from shotgrid_login.user_attempts import KNOWN_SECONDS, WINDOW, History, HistoryChange, UserAttempts
from shotgrid_login.users import User

FAILED_BY_NETWORK = Limit(free=200, memory=3600, longest_wait=15 * 60)  # a studio on the first day, behind one address
ALL_BY_USER_AND_NETWORK = Limit(free=60, memory=5 * 60)
ALL_BY_NETWORK = Limit(free=1200, memory=5 * 60)  # 600 users of a studio in 5 minutes, with codes

STARTS_BY_BROWSER = Limit(free=10, memory=10 * 60)
STARTS_BY_NETWORK = Limit(free=500, memory=10 * 60)  # an office behind one address
ALL_STARTS_BY_NETWORK = Limit(free=1000, memory=10 * 60)


# How long a name that is used near its end still belongs to its user. Seconds.
USED_NAME_SECONDS = 24 * 3600

# A sign-in does not write a name again that was written less than this before. Seconds.
NAME_RESOLUTION = 24 * 3600


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
class Holder:
    """The user that attempts with a name count for.

    Attributes:
        user: hash of the user's record at the site if a sign-in has shown that the name is this user's, otherwise the
            name's hash.
        is_shown: whether the site has accepted the name for the user.
        until: until when the name is the user's. Epoch seconds; 0 if it is nobody's.
    """

    user: str
    is_shown: bool = False
    until: int = 0


@dataclass(frozen=True)
class TypedName:
    """A user name that was typed, by its hash.

    Attributes:
        history: the text of the holder's row, as it was read; None if there was none.
    """

    name: str
    holder: Holder
    history: str | None = field(repr=False)


@dataclass(frozen=True)
class Attempt:
    """A counted attempt.

    Attributes:
        name: hash of the user name that was typed.
        holder: the user that it counts for.
        network: hash of the network that it came from.
        history: the text of the user's row with this attempt in it.
        by_network: how it counts for its network. None: the network is known to the user.
        place: where it waits for the site. None: not taken yet.
    """

    attempt_id: str
    name: str
    holder: Holder
    network: str
    history: str = field(repr=False)
    by_network: Counted | None
    place: Place | None = None


class FailedAttempts:
    """Counts attempts in the state table."""

    def __init__(self, table: Table, hashes: Hashes) -> None:
        self._table = table
        self._hashes = hashes
        self._users = UserAttempts(table)
        self._counts = Counts(table)
        self._places = Places(table)

    def read(self, username: str, now: int) -> TypedName:
        """Read what is needed to count an attempt with this name."""
        name = self._hashes.user(username)
        holder = self._holder(name, now)
        return TypedName(name, holder, self._users.text(holder.user))

    def read_again(self, name: str, user: str, now: int) -> TypedName:
        """Read the same for a name whose attempts have just counted for `user`, both hashes, in one step."""
        holder, history = together(lambda: self._holder(name, now), lambda: self._users.text(user))
        if holder.user != user:  # a sign-in has shown another user since
            history = self._users.text(holder.user)
        return TypedName(name, holder, history)

    def count(self, typed: TypedName, source_address: str, now: int) -> Attempt:
        """Count an attempt before it is made, and take a place for it.

        Raises `TooManyAttempts` if the caller has to wait, and `NoPlace`.
        """
        attempt_id, network = secrets.token_urlsafe(9), self._hashes.network(source_address)
        user = typed.holder.user

        def admitted(history: History) -> History:
            return history.admitted(attempt_id, typed.name, network, now, is_shown=typed.holder.is_shown)

        def count_for_user() -> Attempt:
            history = self._users.change(user, now, admitted, typed.history).after
            attempt = Attempt(attempt_id, typed.name, typed.holder, network, history.to_json(), None)
            if history.is_known(attempt_id):
                return attempt
            try:
                by_network = self._counts.count(f"failed#address#{network}", FAILED_BY_NETWORK, now)
            except Exception:
                self.forgive(attempt, now)
                raise
            return replace(attempt, by_network=by_network)

        admitted(History.from_json(typed.history))  # a caller that has to wait usually causes no write
        all_limits = {
            f"failed#all#user#{user}#{network}": ALL_BY_USER_AND_NETWORK,
            f"failed#all#address#{network}": ALL_BY_NETWORK,
        }
        attempt, counted, place = together(
            lambda: outcome(count_for_user),
            lambda: outcome(lambda: self._count_all(all_limits, now)),
            lambda: outcome(lambda: self._places.take(SIGN_INS, now)),
        )
        if isinstance(attempt, Attempt) and isinstance(counted, list) and isinstance(place, Place):
            return replace(attempt, place=place)
        # The site is not called, so nothing of it may count.
        undo: list[Callable[[], None]] = []
        if isinstance(attempt, Attempt):
            undo.append(partial(self.forgive, attempt, now))
        if isinstance(counted, list):
            undo.append(partial(self._uncount_all, counted))
        if isinstance(place, Place):
            undo.append(partial(self._places.give_back, place))
        together(*undo)
        raise next(each for each in (attempt, counted, place) if isinstance(each, Exception))

    def failed(self, attempt: Attempt, now: int) -> None:
        """Note that the site has rejected the attempt, or may have rejected it."""
        ends = [partial(self._settle_own, attempt, now, lambda history: history.failed(attempt.attempt_id, now))]
        if attempt.by_network:
            ends.append(partial(self._counts.failed, attempt.by_network, now))
        together(*ends, *self._leave(attempt))

    def forgive(self, attempt: Attempt, now: int) -> None:
        """Uncount an attempt that was certainly not a guess. It still counts among all attempts."""
        ends = [partial(self._settle_own, attempt, now, lambda history: history.without(attempt.attempt_id))]
        if attempt.by_network:
            ends.append(partial(self._counts.uncount, attempt.by_network))
        together(*ends, *self._leave(attempt))

    def succeeded(self, attempt: Attempt, user: User, now: int) -> None:
        """Forget the failures of this user from this network, and note that the network and the names are the user's.

        Failures from other networks still count, because they can be guesses of others. So do failures with names that
        this sign-in did not show to be the user's. Failures that counted elsewhere, with a name that becomes the
        user's, count for the user from now on, but not for known networks.
        """
        together(partial(self._note_success, attempt, user, now), *self._leave(attempt))

    def _note_success(self, attempt: Attempt, user: User, now: int) -> None:
        record, login = self._hashes.record(user.type, user.id), self._hashes.user(user.login)
        address = self._hashes.user(user.email or user.login)
        others = list(dict.fromkeys(name for name in (login, address) if name != attempt.name))

        def cleared(history: History) -> History:
            failures = history.failures({attempt.name, login}, attempt.network, now)
            return history.without(attempt.attempt_id, *(failure.attempt_id for failure in failures))

        def known(history: History) -> History:
            return cleared(history).knowing(attempt.network, now)

        def settled(user: str, change: Callable[[History], History]) -> HistoryChange:
            return self._settle(user, now, change, attempt.history if user == attempt.holder.user else None)

        # In the usual case this is the last write. If the attempt was counted for another row, the failures of that row
        # have to be known first.
        noted, found = together(
            lambda: [settled(record, known)] if record == attempt.holder.user else [],
            lambda: together(*(partial(self._holder, name, now) for name in others)),
        )
        holder_of = dict(zip(others, found, strict=True))  # until now
        holders = {attempt.name: attempt.holder}
        if login in holder_of:
            holders[login] = holder_of[login]
        # The site accepted the other names for this user, but the user may have chosen the address. So it takes no name
        # away from another user.
        if address in holder_of and holder_of[address].user in (address, record):
            holders[address] = holder_of[address]

        # This sign-in is the first one to show that these names are the user's.
        new = {name: holder.user for name, holder in holders.items() if holder.user != record}
        users = list(dict.fromkeys(new.values()))
        changes = dict(zip(users, together(*(partial(settled, user, cleared) for user in users)), strict=True))
        moved = [each for name, user in new.items() for each in changes[user].after.attempts if each.name == name]
        if moved or not noted:
            noted.append(self._settle(record, now, lambda history: known(history.joined(moved))))
        ends = [
            partial(self._remember_name, name, holder, record, now, is_chosen=name not in {attempt.name, login})
            for name, holder in holders.items()
        ]
        if attempt.by_network:
            began_at = attempt.by_network.expires_at - FAILED_BY_NETWORK.memory
            removed = [each for change in (*changes.values(), *noted) for each in change.removed if not each.is_known]
            number = max(1, sum(each.at >= began_at for each in removed))
            ends.append(partial(self._counts.uncount, attempt.by_network, number))
        together(*ends)

    def count_start(self, start: Start, now: int) -> None:
        """Count a start of a browser sign-in before it; raises `TooManyAttempts` if the caller has to wait."""
        limits = {start.by_network: STARTS_BY_NETWORK, start.all_by_network: ALL_STARTS_BY_NETWORK}
        if start.by_browser:
            limits = {start.by_browser: STARTS_BY_BROWSER} | limits
        self._count_all(limits, now)

    def uncount_start(self, start: Start) -> None:
        """Uncount a start that ended in a sign-in or failed. It still counts among all starts."""
        rows = filter(None, (start.by_browser, start.by_network))
        together(*(partial(self._counts.uncount_any, row_id) for row_id in rows))

    def _count_all(self, limits: Mapping[str, Limit], now: int) -> list[Counted]:
        """Count in all rows, or in none of them; raises `TooManyAttempts`."""
        results = together(
            *(partial(outcome, partial(self._counts.count, row_id, limit, now)) for row_id, limit in limits.items())
        )
        counted = [result for result in results if isinstance(result, Counted)]
        for result in results:
            if isinstance(result, Exception):
                self._uncount_all(counted)
                raise result
        return counted

    def _uncount_all(self, counted: list[Counted]) -> None:
        together(*(partial(self._counts.uncount, each) for each in counted))

    def _leave(self, attempt: Attempt) -> list[Callable[[], None]]:
        """Return the call that gives back the place of the attempt, if it has one."""
        return [partial(self._places.give_back, attempt.place)] if attempt.place else []

    def _settle_own(self, attempt: Attempt, now: int, change: Callable[[History], History]) -> None:
        self._settle(attempt.holder.user, now, change, attempt.history)

    def _settle(
        self, user: str, now: int, change: Callable[[History], History], text: str | None = None
    ) -> HistoryChange:
        try:
            return self._users.change(user, now, change, text)
        except TooManyAttempts:  # the attempt stays in flight, and so it counts as failed
            return HistoryChange(History(), History())

    def _holder(self, name: str, now: int) -> Holder:
        """Return the user that attempts with this name count for."""
        row = self._table.get(f"name#{name}")
        if not row or int(row["expires_at"]) <= now:
            return Holder(name)
        until = int(row["expires_at"])
        if until <= now + 2 * WINDOW:
            # The failures that are counted for the user must not be forgotten before their hour is over.
            with contextlib.suppress(ConditionFailed):
                self._table.put(
                    {**row, "expires_at": now + USED_NAME_SECONDS},
                    # No sign-in has shown the name since the row was read.
                    "user_record = :record AND expires_at = :expires_at",
                    {"record": row["user_record"], "expires_at": until},
                )
        return Holder(str(row["user_record"]), not row["is_chosen"], until)

    def _remember_name(self, name: str, holder: Holder, record: str, now: int, *, is_chosen: bool) -> None:
        """Count attempts with this name as attempts of the user. `is_chosen`: the user may have chosen the name."""
        is_noted = holder.user == record and (holder.is_shown or is_chosen)
        if is_noted and holder.until > now + KNOWN_SECONDS - NAME_RESOLUTION:
            return
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
