"""Claims of the site's tokens."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shotgrid_login import claims

KEY = "k" * 32


def test_user_and_expiry_are_read() -> None:
    token = jwt.encode({"user": {"type": "HumanUser", "id": 24}, "exp": 1_800_000_000}, KEY)
    assert claims.user(token) == ("HumanUser", 24)
    assert claims.expires_at(token) == 1_800_000_000


def test_numbers_as_text_are_read() -> None:
    payload = base64.urlsafe_b64encode(b'{"user": {"type": "HumanUser", "id": "24"}, "exp": "1800000000"}').decode()
    assert claims.user(f"a.{payload}.c") == ("HumanUser", 24)
    assert claims.expires_at(f"a.{payload}.c") == 1_800_000_000


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"user": None, "exp": None},
        {"user": {"type": "HumanUser"}, "exp": "soon"},
        {"user": {"type": "HumanUser", "id": "24a"}, "exp": True},
        {"user": {"type": "HumanUser", "id": ""}, "exp": "-1"},
        {"user": {"type": "HumanUser", "id": "9" * 5000}, "exp": "9" * 5000},
        {"user": {"type": "HumanUser", "id": 24.0}},
        {"user": {"type": 1, "id": True}, "exp": -1},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 1e300},
    ],
)
def test_missing_or_invalid_claim_is_none(body: Any) -> None:
    payload = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")
    assert claims.user(f"a.{payload}.c") is None
    assert claims.expires_at(f"a.{payload}.c") is None


@given(st.text() | st.from_regex(r"[\w-]+\.[\w-]*\.[\w-]*", fullmatch=True))
def test_random_text_never_raises(token: str) -> None:
    claims.user(token)
    claims.expires_at(token)
