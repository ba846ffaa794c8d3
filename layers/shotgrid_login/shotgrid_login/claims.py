"""Claims of the site's tokens. They are JWTs that anyone can read and only the site can verify.

Only tokens that the site has just sent over TLS are read here. A bearer that a caller presents is never read: it is
looked up (`bearers`).
"""

from __future__ import annotations

import base64
import json
from typing import Any

# The end of the year 9999. Larger values cannot be converted to a date, and JSON allows infinite numbers.
_LATEST = 253_402_300_800


def user(access_token: str) -> tuple[str, int] | None:
    """Return entity type and id of the claim `user`, such as `("HumanUser", 24)`; None if it is missing or invalid."""
    claim = _claims(access_token).get("user")
    if not isinstance(claim, dict):
        return None
    entity_type, entity_id = claim.get("type"), claim.get("id")
    if not isinstance(entity_type, str) or isinstance(entity_id, bool) or not isinstance(entity_id, int):
        return None
    return entity_type, entity_id


def expires_at(token: str) -> int | None:
    """Return the claim `exp` (RFC 7519, section 4.1.4) in epoch seconds; None if it is missing or invalid."""
    claim = _claims(token).get("exp")
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not 0 < claim < _LATEST:
        return None
    return int(claim)


def _claims(token: str) -> dict[str, Any]:
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
