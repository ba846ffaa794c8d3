"""AWS without a server: each operation returns what a test says. botocore itself checks both sides against its models.

Real clients of botocore call it, so parameters that AWS does not know fail a test, and so do responses that AWS cannot
send. It is for calls that local AWS does not emulate.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest import mock

import boto3
from boto3 import Session
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.model import OperationModel
from botocore.validate import validate_parameters

from tests.support.ops import cached_models

REGION, ACCOUNT = "eu-west-1", "123456789012"


@dataclass(frozen=True)
class Error:
    """An error response."""

    code: str


# A response, an error, an exception of botocore, or a function of the parameters that returns one of them.
Reply = Mapping[str, Any] | Error | Exception
Replies = Mapping[str, Reply | Callable[[Mapping[str, Any]], Reply]]


@dataclass
class StubbedAws:
    """AWS with one reply for each operation, by `service.Operation`.

    Attributes:
        calls: the operations and parameters of all calls.
    """

    replies: Replies
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let the clients of every new session of boto3 call this instead of AWS."""
        with mock.patch.object(boto3, "Session", _Session), mock.patch.object(_Session, "aws", self, create=True):
            yield

    def parameters(self, operation: str) -> list[Mapping[str, Any]]:
        """Return the parameters of each call of an operation."""
        return [parameters for name, parameters in self.calls if name == operation]

    def record(self, name: str, parameters: Mapping[str, Any]) -> None:
        self.calls.append((name, dict(parameters)))

    def reply(self, model: OperationModel) -> tuple[AWSResponse, Mapping[str, Any]]:
        """Return the response to the last call, as botocore represents it."""
        name, parameters = self.calls[-1]
        assert name == _name(model)
        reply = self.replies[name]
        if callable(reply):
            reply = reply(parameters)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Error):
            parsed = {"Error": {"Code": reply.code, "Message": "the text of an error"}, "ResponseMetadata": {}}
            return AWSResponse("https://aws.invalid", 400, HTTPHeaders(), None), parsed
        if model.output_shape is not None:
            validate_parameters(reply, model.output_shape)
        return AWSResponse("https://aws.invalid", 200, HTTPHeaders(), None), {**reply, "ResponseMetadata": {}}


class _Session:
    """A session of boto3 whose clients call the `StubbedAws` that runs."""

    aws: StubbedAws

    def __init__(self, region_name: str | None = None) -> None:
        self._region = region_name or REGION

    def client(self, service: str, config: object) -> Any:
        assert config
        return _client(service, self._region)


@cache
def _client(service: str, region: str) -> Any:
    """Create a client. All tests share it, because botocore needs tens of milliseconds for each."""
    with cached_models():
        client = Session(region_name=region, aws_access_key_id="test", aws_secret_access_key="test").client(service)  # type: ignore[call-overload]
    client.meta.events.register(
        "before-parameter-build", lambda params, model, **_: _Session.aws.record(_name(model), params)
    )
    client.meta.events.register("before-call", lambda model, **_: _Session.aws.reply(model))
    return client


def _name(model: OperationModel) -> str:
    return f"{model.service_model.service_name}.{model.name}"
