"""Validation of the addresses on the command line.

A site's address has the form of the template's `ShotGridSiteUrl`. A gateway's address can have a stage as its path.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_HOST_AND_PORT = re.compile(rf"{_HOST.pattern}(:\d{{1,5}})?")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


class InvalidAddress(Exception):
    """The check cannot use this address. The message names the error and a valid address."""


def site_url(text: str) -> str:
    """Return a site's root without a final slash; raises `InvalidAddress`."""
    parts = _split(text, "SITE_URL")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1"):
        raise InvalidAddress("SITE_URL must use https, unless its host is localhost or 127.0.0.1.")
    if parts.path not in ("", "/"):
        raise InvalidAddress(f"SITE_URL is the site's root, without a path. Use {_root(parts)}")
    return _root(parts)


def gateway_url(text: str) -> str:
    """Return a gateway's address, with its stage if it has one, without a final slash; raises `InvalidAddress`."""
    parts = _split(text, "--gateway")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path):
        raise InvalidAddress("--gateway has an invalid path. Use the stack's output Url.")
    return _root(parts) + path


def origin(text: str) -> str:
    """Return the origin of a page (RFC 6454, serialized); raises `InvalidAddress`."""
    parts = _split(text, "--origin")
    if parts.path:
        raise InvalidAddress(f"--origin is the origin of a page, without its path. Use {_root(parts)}")
    return _root(parts)


def root(url: str) -> str:
    """Return scheme, host and port of an address: the origin of a gateway."""
    return _root(urlsplit(url))


def is_local(host: str) -> bool:
    """Whether a host name or number is this machine (RFC 6761, 6.3)."""
    return host in ("localhost", "127.0.0.1") or host.endswith(".localhost")


def _split(text: str, name: str) -> SplitResult:
    # A message repeats the address only after these checks, because it could contain a password.
    if "@" in text:
        raise InvalidAddress(
            f"{name} must not contain a user name or password: the shell stores it in its history. "
            "Remove the part before the @. Use --user to be prompted for them."
        )
    if "?" in text or "#" in text:
        raise InvalidAddress(f"{name} must not contain ? or #. Remove it and what follows it.")
    invalid = InvalidAddress(f"{name} is not a valid address. Use one like https://studio.shotgrid.autodesk.com")
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise invalid from None
    host_alone = text.strip().partition("/")[0]
    if "://" not in text and _HOST_AND_PORT.fullmatch(host_alone.lower()):
        raise InvalidAddress(f"{name} has no scheme. Use https://{host_alone}")
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not _HOST.fullmatch(host) or port == 0:
        raise invalid
    if parts.scheme == "http" and not is_local(host):
        raise InvalidAddress(f"{name} must be https, because http does not encrypt passwords. Use https://{host}")
    return parts


def _root(parts: SplitResult) -> str:
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"
