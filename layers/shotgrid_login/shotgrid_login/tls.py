"""The TLS settings of all connections."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import certifi
from urllib3.util.ssl_ import create_urllib3_context


@cache
def context(bundle: str | None) -> ssl.SSLContext:
    """Return the settings with the roots in the file `bundle`; None: the public roots.

    It takes long to read the public roots, so a function reads them once, when it starts.
    """
    settings = create_urllib3_context()
    # Comments between the certificates can have any encoding.
    settings.load_verify_locations(cadata=Path(bundle or certifi.where()).read_text("ascii", errors="ignore"))
    return settings
