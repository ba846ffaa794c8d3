"""The gateway's cookies: their names, their attributes, and how they are read from a request.

The prefix `__Host-` makes browsers reject a cookie of this name without `Secure`, with `Domain`, or with another path
(RFC 6265bis, 4.1.3.2). So no other host can set it.
"""

from __future__ import annotations

from collections.abc import Iterable

SESSION = "__Host-shotgrid_login"  # the session's handle
BROWSER = "__Host-shotgrid_login_browser"  # a random value that identifies a browser while it signs in


def read(name: str, cookie_headers: Iterable[str]) -> frozenset[str]:
    """Return the distinct values of a cookie. More than one value means that another host set one of them.

    Only spaces and tabs are stripped, and the name must match exactly (RFC 6265bis, 5.6). Browsers protect exactly
    this name: a sibling host can set a cookie whose name only looks like it, such as one that starts with U+2000.
    """
    values = set()
    for pair in ";".join(cookie_headers).split(";"):
        found, equals, value = pair.partition("=")
        if equals and found.strip(" \t") == name:  # without "=" it is a cookie without a name (RFC 6265bis, 5.6)
            values.add(value.strip(" \t"))
    return frozenset(values)


def set_header(name: str, value: str, max_age: int) -> dict[str, str]:
    """Return the response header that makes the browser keep a cookie for `max_age` seconds."""
    return {"set-cookie": f"{name}={value}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Strict"}


def clear_header(name: str) -> dict[str, str]:
    """Return the response header that makes the browser delete a cookie."""
    return set_header(name, "", 0)


def clear_session_header() -> dict[str, str]:
    """Return the response header that makes the browser delete the session cookie."""
    return clear_header(SESSION)
