"""Claims of the site's tokens. They are JWTs that anyone can read and only the site can verify.

Only tokens that the site has just sent over TLS are read here. A bearer that a caller presents is never read: it is
looked up (`bearers`).
"""

from __future__ import annotations

import json
from typing import Any

from shotgrid_login import base64url
from shotgrid_login.users import whole_number

# The end of the year 9999. Larger values cannot be converted to a date, and JSON allows infinite numbers.
_LATEST = 253_402_300_800


def user(access_token: str) -> tuple[str, int] | None:
    """Return entity type and id of the claim `user`, such as `("HumanUser", 24)`; None if it is missing or invalid."""
    match _claims(access_token).get("user"):
        case {"type": str(entity_type), "id": claim} if (entity_id := whole_number(claim)) is not None:
            return entity_type, entity_id
    return None


def expires_at(token: str) -> int | None:
    """Return the claim `exp` (RFC 7519, section 4.1.4) in epoch seconds; None if it is missing or invalid."""
    claim = _claims(token).get("exp")
    seconds = claim if isinstance(claim, float) else whole_number(claim)
    return int(seconds) if seconds is not None and 0 < seconds < _LATEST else None


def _claims(token: str) -> dict[str, Any]:
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64url.decode(payload))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
