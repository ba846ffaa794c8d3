"""Bearers: the tokens that open the studio's own APIs, known only by their SHA-256.

A bearer is not the site's token: an API that leaks its bearers gives no access to the site (RFC 9700, 2.3). It is valid
if this gateway issued it and has not ended its session. The authorizer reads this table and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from dataclasses import dataclass

from shotgrid_login.table import ConditionFailed, Table, Value
from shotgrid_login.users import User

# How long a reserved row lasts: longer than the longest timeout of a function that signs users in (template.yaml).
# Seconds.
RESERVED_SECONDS = 60


@dataclass(frozen=True)
class Bearer:
    """Whose bearer it is. `expires_at` is in epoch seconds."""

    session_id: str
    expires_at: int
    user: User


def new_bearer() -> str:
    """Return the text of a new bearer: 43 URL-safe characters with 256 random bits."""
    return secrets.token_urlsafe(32)


def bearer_id(bearer: str) -> str:
    """Return the SHA-256 of a bearer, in hexadecimal digits. The bearer has full entropy, so a plain hash is safe."""
    return hashlib.sha256(bearer.encode()).hexdigest()


class Bearers:
    """The bearers table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, row_id: str, bearer: Bearer) -> None:
        """Write a bearer. `row_id` is its `bearer_id`."""
        self._table.put(_to_row(row_id, bearer))

    def reserve(self, row_id: str, now: int) -> None:
        """Write the row of a bearer that does not open anything yet, see `put_reserved`."""
        with contextlib.suppress(ConditionFailed):
            # DynamoDB may handle the first try of a repeated write last, and must not replace the bearer.
            self._table.put({"id": row_id, "expires_at": now + RESERVED_SECONDS}, "attribute_not_exists(id)")

    def put_reserved(self, row_id: str, bearer: Bearer) -> None:
        """Write a bearer whose row was reserved. If the row was deleted since, its session has ended: write nothing.

        So a bearer can be written at the same time as the session that lists it.
        """
        with contextlib.suppress(ConditionFailed):
            self._table.put(_to_row(row_id, bearer), "attribute_exists(id)")

    def delete(self, row_id: str) -> None:
        """Delete a bearer, if it exists."""
        self._table.delete(row_id)

    def find(self, bearer: str, now: int) -> Bearer | None:
        """Look up a bearer with one consistent read, so that sign-in and sign-out take effect at once.

        Returns None for an expired bearer too, because DynamoDB deletes expired rows late, and for a reserved row.
        """
        row = self._table.get(bearer_id(bearer))
        if row is None or int(row["expires_at"]) <= now or "session_id" not in row:
            return None
        return Bearer(str(row["session_id"]), int(row["expires_at"]), User.from_row(row))


def _to_row(row_id: str, bearer: Bearer) -> dict[str, Value]:
    return {
        "id": row_id,
        "session_id": bearer.session_id,
        "expires_at": bearer.expires_at,
        **bearer.user.to_row(),
    }
