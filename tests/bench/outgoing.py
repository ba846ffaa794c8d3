"""What leaves a function's process: counted by whom it goes to, or answered from memory instead."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import requests
from botocore.client import BaseClient

_send: Callable[..., Any] = requests.Session.send
_make_api_call: Callable[..., Any] = vars(BaseClient)["_make_api_call"]


@contextlib.contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count calls: to the `site`, and to AWS services by their names."""
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
    """Make `call` for once, and give every later one the responses that AWS gave to this one, in the same order.

    So no CPU time of an AWS call is in what is measured. Measured too and taken away, it would hide the rest: it is
    ten times as long, and varies by more than all of the rest. The price: the processor's caches are warmer than they
    would be after a real call.
    """
    responses: list[Any] = []

    def record(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        responses.append(_make_api_call(client, operation, parameters))
        return responses[-1]

    with patch.object(BaseClient, "_make_api_call", record):
        call()
    replay = itertools.cycle(responses)
    with patch.object(BaseClient, "_make_api_call", lambda *_: next(replay)):
        yield
