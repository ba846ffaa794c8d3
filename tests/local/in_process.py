"""DynamoDB and KMS of MiniStack in this process, for tests of code that stores data.

The clients of the functions call it without HTTP, signatures and policies: a tenth of the CPU time of a call over HTTP.
What the functions never call, such as `create_table`, goes through a boto3 client.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.config import Config
from ministack.services import dynamodb, kms
from urllib3 import HTTPResponse

from shotgrid_login.aws import DynamoDb, JsonClient, Kms
from tests.local.stack import REGION

# The user agent is fixed, because botocore would put it together again for each call.
_CONFIG = Config(region_name=REGION, signature_version=UNSIGNED, user_agent="tests", retries={"total_max_attempts": 1})
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

_CLIENTS: dict[str, tuple[type[JsonClient], Any]] = {"dynamodb": (DynamoDb, dynamodb), "kms": (Kms, kms)}


class InProcessAws:
    """The clients of DynamoDB and KMS. All instances in a process have the same tables and keys."""

    @staticmethod
    def environment() -> dict[str, str]:
        """Return the environment for functions that are imported into this process."""
        return _CREDENTIALS | {"AWS_DEFAULT_REGION": REGION}

    @staticmethod
    @cache
    def client(service: str) -> Any:
        """Return a client without HTTP, see `TwoClients`."""
        kind, handler = _CLIENTS[service]
        own = kind("http://in-process", REGION, _CREDENTIALS)
        own._signer, own._http = _Unsigned(), _InProcess(handler)  # type: ignore[assignment]  # noqa: SLF001
        other = boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]
        other.meta.events.register(f"before-send.{service}", partial(_handle_of_boto3, handler))
        return TwoClients(own, other)


class TwoClients:
    """The operations of the functions' own client, and all others of a boto3 client, which needs more time."""

    def __init__(self, own: JsonClient, other: Any) -> None:
        self._own = own
        self._other = other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own if hasattr(self._own, name) else self._other, name)


class _Unsigned:
    def add_auth(self, request: AWSRequest) -> None:
        """Leave a request without a signature."""


class _InProcess:
    """The part of urllib3's `PoolManager` that `JsonClient` uses."""

    def __init__(self, service: Any) -> None:
        self._service = service

    def urlopen(
        self, method: str, url: str, *, body: bytes, headers: Mapping[str, str], redirect: bool
    ) -> HTTPResponse:
        status, response_headers, content = _handle(self._service, method, headers, body)
        return HTTPResponse(content, response_headers, status)


class _Body:
    def __init__(self, text: bytes) -> None:
        self._text = text

    def stream(self) -> Iterator[bytes]:
        yield self._text


_one_call_at_a_time = threading.Lock()


def _handle_of_boto3(service: Any, request: AWSPreparedRequest, **_: object) -> AWSResponse:
    headers = {key: _text(value) for key, value in request.headers.items()}
    status, response_headers, content = _handle(service, request.method, headers, request.body)
    return AWSResponse(request.url, status, response_headers, _Body(content))  # type: ignore[arg-type]


def _handle(service: Any, method: str, headers: Mapping[str, str], body: Any) -> tuple[int, dict[str, str], bytes]:
    handling = service.handle_request(method, "/", {name.lower(): value for name, value in headers.items()}, body, {})
    with _one_call_at_a_time:
        try:
            handling.send(None)
        except StopIteration as handled:
            status, response_headers, content = handled.value
        else:
            raise AssertionError("MiniStack waited for something")
    return status, response_headers, content


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
