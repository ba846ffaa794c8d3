"""Base64url without padding, as tokens have it (RFC 7515, section 2)."""

from __future__ import annotations

import base64


def encode(data: bytes) -> str:
    """Return URL-safe text."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Return the bytes of a text; raises `ValueError`. Several texts can stand for the same bytes."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
