"""The error that a site reports for a rejected request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Rejected(Exception):
    """A site rejects a request. Code 102 means wrong credentials, 103 a wrong request, 104 a missing row.

    `source` has the wrong part of the request as its key and the problem as its value.
    """

    def __init__(
        self,
        title: str,
        source: Mapping[str, Any] | None = None,
        *,
        status: int = 400,
        code: int = 103,
        detail: str | None = None,
    ) -> None:
        super().__init__(title)
        self.title, self.source, self.status, self.code, self.detail = title, source, status, code, detail
