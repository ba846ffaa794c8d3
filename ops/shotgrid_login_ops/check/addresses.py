"""The addresses that a person gives to the check, and what is wrong with one that is not one.

A site's address is what the template's `ShotGridSiteUrl` takes; a gateway's may have a stage as its path.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_HOST_AND_PORT = re.compile(rf"{_HOST.pattern}(:\d{{1,5}})?")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


class NotAnAddress(Exception):
    """The text is no address that the check can use; the message says why, and what would be one."""


def site_url(text: str) -> str:
    """Return a site's root without a final slash; raises `NotAnAddress`."""
    parts = _split(text, "SITE_URL")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1"):
        raise NotAnAddress("SITE_URL can be http for localhost and 127.0.0.1 only, as in a deployment.")
    if parts.path not in ("", "/"):
        raise NotAnAddress(f"SITE_URL is the site's root, without a path. Use {_root(parts)}")
    return _root(parts)


def gateway_url(text: str) -> str:
    """Return a gateway's base, with its stage if it has one, without a final slash; raises `NotAnAddress`."""
    parts = _split(text, "--gateway")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path):
        raise NotAnAddress("--gateway is the base of the gateway: the stack's output Url.")
    return _root(parts) + path


def origin(text: str) -> str:
    """Return a page's origin (RFC 6454, serialized); raises `NotAnAddress`."""
    parts = _split(text, "--origin")
    if parts.path:
        raise NotAnAddress(f"--origin is where a page is, without its path. Use {_root(parts)}")
    return _root(parts)


def root(url: str) -> str:
    """Return scheme, host and port of an address, such as the origin of a gateway."""
    return _root(urlsplit(url))


def is_of_this_machine(host: str) -> bool:
    """Whether a host is this machine by its name or number (RFC 6761, 6.3)."""
    return host in ("localhost", "127.0.0.1") or host.endswith(".localhost")


def _split(text: str, name: str) -> SplitResult:
    # What was typed is repeated only once it is known to hold no password.
    if "@" in text:
        raise NotAnAddress(
            f"{name} must not hold a user name or password: it stays in the shell's history. "
            "Take out what stands before the @; --user asks for them."
        )
    if "?" in text or "#" in text:
        raise NotAnAddress(f"{name} must not hold a ? or #. Give the address up to there.")
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise NotAnAddress(f"{name} is not an address. Use one like https://studio.shotgrid.autodesk.com") from None
    host_alone = text.strip().partition("/")[0]
    if "://" not in text and _HOST_AND_PORT.fullmatch(host_alone.lower()):
        raise NotAnAddress(f"{name} needs its scheme. Use https://{host_alone}")
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not _HOST.fullmatch(host) or port == 0:
        raise NotAnAddress(f"{name} is not an address. Use one like https://studio.shotgrid.autodesk.com")
    if parts.scheme == "http" and not is_of_this_machine(host):
        raise NotAnAddress(f"{name} must be https: over http everybody on the way reads passwords. Use https://{host}")
    return parts


def _root(parts: SplitResult) -> str:
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"
