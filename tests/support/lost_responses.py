"""A DynamoDB client whose first response to each write is lost, so that the SDK repeats the write."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from shotgrid_login.aws import AwsError


class SentTwice:
    """A DynamoDB client that sends every write twice and returns only the second response."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self._dynamodb, operation)
        if operation == "get_item":
            return call

        def twice(**request: Any) -> Any:
            with contextlib.suppress(AwsError, ClientError):
                call(**request)
            return call(**request)

        return twice
