"""The session cookie: its name, its attributes, and how it is read from a request.

The prefix `__Host-` makes browsers reject a cookie of this name without `Secure`, with `Domain`, or with another path
(RFC 6265bis, 4.1.3.2). So no other host can set it.
"""

from __future__ import annotations

from collections.abc import Iterable

NAME = "__Host-shotgrid_login"


def read(cookie_headers: Iterable[str]) -> frozenset[str]:
    """Return the distinct values of the session cookie. More than one value means that another host set one of them.

    Only spaces and tabs are stripped, and the name must match exactly (RFC 6265bis, 5.6). Browsers protect exactly
    this name: a sibling host can set a cookie whose name only looks like it, such as one that starts with U+2000.
    """
    values = set()
    for pair in ";".join(cookie_headers).split(";"):
        name, _, value = pair.partition("=")
        if name.strip(" \t") == NAME:
            values.add(value.strip(" \t"))
    return frozenset(values)


def set_header(value: str, max_age: int) -> dict[str, str]:
    """Return the response header that makes the browser keep the cookie for `max_age` seconds."""
    return {"set-cookie": f"{NAME}={value}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Strict"}


def clear_header() -> dict[str, str]:
    """Return the response header that makes the browser delete the cookie."""
    return set_header("", 0)
