"""Signatures of AWS calls without a secret. MiniStack reads the access key in a signature, and does not verify it."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.local.stack import REGION


def in_header(service: str) -> dict[str, str]:
    """Return the headers of a call that the root user has signed."""
    scope, time = _scope_and_time(service)
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    return {"authorization": signature, "x-amz-date": time}


def in_query(service: str) -> dict[str, str]:
    """Return the query parameters of a call that the root user has signed."""
    scope, time = _scope_and_time(service)
    return {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": scope,
        "X-Amz-Date": time,
        "X-Amz-Expires": "300",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "0" * 64,
    }


def _scope_and_time(service: str) -> tuple[str, str]:
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"test/{time[:8]}/{REGION}/{service}/aws4_request", time
