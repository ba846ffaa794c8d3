"""Bearers: which of the site's access tokens are signed in here, known by their SHA-256 alone.

The site's tokens cannot be verified by anyone else, so a bearer is good when this gateway handed it out and has
not ended its session.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class Bearer:
    """Whose access token it is. `expires_at` is in epoch seconds; what the site did not say of the person is empty."""

    session_id: str
    user_type: str
    user_id: str
    login: str
    name: str
    email: str
    permission_group: str
    expires_at: int


def bearer_id(access_token: str) -> str:
    """Return the SHA-256 of an access token, in hex."""
    return hashlib.sha256(access_token.encode()).hexdigest()


def find(dynamodb: DynamoDBClient, table_name: str, access_token: str, now: int) -> Bearer | None:
    """Look an access token up: one consistent read, so that one just handed out or ended is known at once.

    Expired bearers are not found: DynamoDB deletes late.
    """
    answer = dynamodb.get_item(TableName=table_name, Key={"id": {"S": bearer_id(access_token)}}, ConsistentRead=True)
    row = answer.get("Item")
    if row is None or int(row["expires_at"]["N"]) <= now:
        return None
    return Bearer(
        session_id=row["session_id"]["S"],
        user_type=row["user_type"]["S"],
        user_id=row["user_id"]["N"],
        login=row["login"]["S"],
        # Bearers from before the site was asked who the person is have none of these.
        name=row.get("name", {}).get("S", ""),
        email=row.get("email", {}).get("S", ""),
        permission_group=row.get("permission_group", {}).get("S", ""),
        expires_at=int(row["expires_at"]["N"]),
    )
