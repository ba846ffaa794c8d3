"""Bearers: the access tokens of signed-in users, known only by their SHA-256.

Only the site can verify its tokens. So a bearer is valid if this gateway issued it to a page and has not ended
its session. The authorizer reads this table and nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from shotgrid_login.table import Table
from shotgrid_login.users import User


@dataclass(frozen=True)
class Bearer:
    """Whose access token it is. `expires_at` is in epoch seconds."""

    session_id: str
    expires_at: int
    user: User


def bearer_id(access_token: str) -> str:
    """Return the SHA-256 of an access token, in hexadecimal digits."""
    return hashlib.sha256(access_token.encode()).hexdigest()


class Bearers:
    """The bearers table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, row_id: str, bearer: Bearer) -> None:
        """Write a bearer. `row_id` is its `bearer_id`."""
        self._table.put(
            {
                "id": row_id,
                "session_id": bearer.session_id,
                "expires_at": bearer.expires_at,
                **bearer.user.to_row(),
            }
        )

    def delete(self, row_id: str) -> None:
        """Delete a bearer, if it exists."""
        self._table.delete(row_id)

    def find(self, access_token: str, now: int) -> Bearer | None:
        """Look up an access token with one consistent read, so that sign-in and sign-out take effect at once.

        Returns None for an expired bearer too, because DynamoDB deletes expired rows late.
        """
        row = self._table.get(bearer_id(access_token))
        if row is None or int(row["expires_at"]) <= now:
            return None
        return Bearer(str(row["session_id"]), int(row["expires_at"]), User.from_row(row))
