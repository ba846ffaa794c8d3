"""DynamoDB and KMS of MiniStack in this process, for tests of code that stores data.

A call takes a quarter of the CPU time of a call over HTTP. It has no signature, and no policy is enforced.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from ministack.services import dynamodb, kms

from tests.local.stack import REGION

# The user agent is fixed, because botocore would put it together again for each call.
_CONFIG = Config(region_name=REGION, signature_version=UNSIGNED, user_agent="tests", retries={"total_max_attempts": 1})


SERVICES = {"dynamodb": dynamodb, "kms": kms}


class InProcessAws:
    """The clients of DynamoDB and KMS. All instances in a process have the same tables and keys."""

    @staticmethod
    @cache
    def client(service: str) -> Any:
        """Return a boto3 client whose requests MiniStack's service handles, without a server in between."""
        client = boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]
        client.meta.events.register(f"before-send.{service}", partial(_handle, SERVICES[service]))
        return client


class _Body:
    def __init__(self, text: bytes) -> None:
        self._text = text

    def stream(self) -> Iterator[bytes]:
        yield self._text


_one_call_at_a_time = threading.Lock()


def _handle(service: Any, request: AWSPreparedRequest, **_: object) -> AWSResponse:
    headers = {key.lower(): _text(value) for key, value in request.headers.items()}
    handling = service.handle_request(request.method, "/", headers, request.body, {})
    with _one_call_at_a_time:
        try:
            handling.send(None)
        except StopIteration as handled:
            status, response_headers, text = handled.value
        else:
            raise AssertionError("MiniStack waited for something")
    return AWSResponse(request.url, status, response_headers, _Body(text))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
