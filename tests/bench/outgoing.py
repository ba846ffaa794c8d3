"""The calls that a function makes to other services: counted, or replaced by recorded responses."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import requests
from botocore.client import BaseClient
from botocore.exceptions import ClientError

_send: Callable[..., Any] = requests.Session.send
_make_api_call: Callable[..., Any] = vars(BaseClient)["_make_api_call"]


@contextlib.contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the calls to `site`, and to each AWS service by its name."""
    counts: Counter[str] = Counter()

    def send(session: requests.Session, *arguments: Any, **options: Any) -> Any:
        counts["site"] += 1
        return _send(session, *arguments, **options)

    def make_api_call(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        counts[client.meta.service_model.service_name] += 1
        return _make_api_call(client, operation, parameters)

    with patch.object(requests.Session, "send", send), patch.object(BaseClient, "_make_api_call", make_api_call):
        yield counts


@contextlib.contextmanager
def replayed(call: Callable[[], object]) -> Iterator[None]:
    """Run `call` once, record the responses of AWS, and replay them in the same order to every later call.

    So the measured CPU time does not contain the calls of AWS. Subtracting a separate measurement would not work: the
    calls of AWS take ten times as long as the rest and vary by more than the rest. A disadvantage: the caches of the
    processor are warmer than after a real call.
    """
    responses: list[Any] = []

    def record(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        try:
            responses.append(_make_api_call(client, operation, parameters))
        except ClientError as error:  # such as the failed condition of a write
            responses.append(error)
            raise
        return responses[-1]

    with patch.object(BaseClient, "_make_api_call", record):
        call()
    recorded = itertools.cycle(responses)

    def replay(*_: Any) -> Any:
        response = next(recorded)
        if isinstance(response, ClientError):
            raise response.with_traceback(None)
        return response

    with patch.object(BaseClient, "_make_api_call", replay):
        yield
