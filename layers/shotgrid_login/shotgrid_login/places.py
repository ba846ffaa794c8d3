"""Places for callers who wait for the site: at most so many at once, for all functions together (a bulkhead).

Each of them holds an execution of a function, from the same pool as the studio's webhooks. Without a limit, a flood
could hold hundreds while the site does not respond. A site that responds quickly needs only a few places.

Each kind has one row, and each place is an attribute of it: the time when it ends. So the row always shows how many are
taken. A function that crashes does not give its place back, but the place ends.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from urllib3.exceptions import HTTPError

from shotgrid_login import log
from shotgrid_login.aws import AwsError
from shotgrid_login.errors import SiteUnavailable
from shotgrid_login.table import ConditionFailed, Table

# Longer than the longest timeout of a function that calls the site (template.yaml), so that the function has certainly
# stopped when its place ends. Seconds.
PLACE_SECONDS = 31

# When a caller without a place should come back. Seconds.
RETRY_AFTER = 5

# How many places of crashed functions a caller removes. An expression has at most 4 KB (AWS documentation: Quotas in
# Amazon DynamoDB).
MOST_REMOVED = 100

_PREFIX = "place_"


class NoPlace(SiteUnavailable):
    """Enough callers wait for the site already. It was not called."""

    def __init__(self) -> None:
        super().__init__("enough callers wait for the site", RETRY_AFTER)


@dataclass(frozen=True)
class Kind:
    """What callers wait for, and how many of them can wait at once."""

    name: str
    limit: int


# At a site that responds in 0.3 s, the default throttles admit fewer callers on average.
SIGN_INS = Kind("sign-ins", 70)
STARTS = Kind("starts", 25)
POLLS = Kind("polls", 30)
REFRESHES = Kind("refreshes", 30)


@dataclass(frozen=True)
class Place:
    """A place that was taken.

    Attributes:
        names: the attributes that `give_back` removes: the place itself, and those of functions that have crashed.
    """

    kind: Kind
    names: tuple[str, ...]


class Places:
    """The rows with the places."""

    def __init__(self, table: Table) -> None:
        """Take the state table."""
        self._table = table

    def take(self, kind: Kind, now: int) -> Place:
        """Take a place before the site is called; raises `NoPlace`."""
        own = f"{_PREFIX}{secrets.token_hex(6)}"
        # A repeated write sets the same attribute again.
        row = self._table.update(
            row_id(kind), f"SET {own} = :until, expires_at = :until", "", {"until": now + PLACE_SECONDS}
        )
        others = {name: int(until) for name, until in row.items() if name.startswith(_PREFIX) and name != own}
        ended = [name for name, until in others.items() if until <= now]
        place = Place(kind, (own, *ended[:MOST_REMOVED]))
        if len(others) - len(ended) >= kind.limit:
            self.give_back(place)
            raise NoPlace
        return place

    def give_back(self, place: Place) -> None:
        """Give a place back after the call of the site. If AWS fails, the place ends later, and the caller goes on."""
        change, condition = f"REMOVE {', '.join(place.names)}", f"attribute_exists({place.names[0]})"
        try:
            self._table.update(row_id(place.kind), change, condition)
        except ConditionFailed:
            pass  # it has ended, and another caller has removed it; or it was given back already
        except (AwsError, HTTPError) as error:
            log.logger.warning("place_kept", extra={"kind": place.kind.name, "error": type(error).__name__})

    @contextlib.contextmanager
    def taken(self, kind: Kind, now: int) -> Iterator[None]:
        """Hold a new place; raises `NoPlace`."""
        with self.held(self.take(kind, now)):
            yield

    @contextlib.contextmanager
    def held(self, place: Place) -> Iterator[None]:
        """Hold a place that was taken, and give it back at the end."""
        try:
            yield
        except HTTPError:  # AWS does not respond, and a page waits: the place ends by itself
            raise
        except BaseException:
            self.give_back(place)
            raise
        self.give_back(place)


def row_id(kind: Kind) -> str:
    """Return the id of the row with the places of a kind."""
    return f"waiting#{kind.name}"
