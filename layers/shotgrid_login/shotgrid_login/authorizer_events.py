"""What API Gateway asks a Lambda authorizer, and what it takes for an answer, for every kind of API.

REST APIs ask with `TOKEN` or `REQUEST` events, HTTP APIs with payload format 1.0 or 2.0, WebSocket APIs when somebody
connects. The shapes are those of the API Gateway Developer Guide: "Use API Gateway Lambda authorizers", "Control
access to HTTP APIs with Lambda authorizers", "Control access to WebSocket APIs with Lambda REQUEST authorizers".

API Gateway may keep an answer and use it for every route of the stage, so none depends on which route was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from shotgrid_login.authorizer_rules import METHODS, Rule

# b64token of RFC 6750, section 2.1. The site's access tokens have about 415 characters.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]{1,4096}={0,2})", re.IGNORECASE)

# Browsers set no header of a WebSocket but its subprotocols: `["shotgrid-login", "bearer.<access token>"]`. The first
# is for the API to choose, as a browser hangs up where none of its subprotocols is.
_BEARER_PROTOCOL = re.compile(r"bearer\.([A-Za-z0-9._~-]{1,4096})")

# A stage of an API, which is how each ARN of a method or route begins. Only API Gateway writes it.
_STAGE = re.compile(
    r"(arn:aws[a-z-]*:execute-api:[a-z0-9-]*:[0-9]{12}:([A-Za-z0-9]+)/(?:\$default|\*|[A-Za-z0-9_-]+))/"
)

# What makes a path another one for some router behind API Gateway: escapes, parameters of a segment, empty segments
# and dot segments (RFC 3986, sections 2.1, 3.3 and 5.2.4).
_AMBIGUOUS = ("%", ";", "//", "/./", "/../")

# HTTP APIs were seen to answer 500 from a kept answer with quotes in its context (mantil-io/mantil, issue 52).
_WITHOUT_QUOTES = str.maketrans({'"': "'", "\\": "/"})


class UnknownEvent(Exception):
    """Not an event of any API that can have a Lambda authorizer."""


class Kind(Enum):
    """Who asks, as far as the answers differ."""

    REST = "REST"
    HTTP_1 = "HTTP, payload 1.0"
    HTTP_2 = "HTTP, payload 2.0"
    WEBSOCKET = "WebSocket"


@dataclass(frozen=True)
class Question:
    """What is asked: may whoever has this bearer use this stage of this API?

    Attributes:
        kind: the kind of the API.
        api_id: the API.
        stage_arn: its stage, `arn:…:execute-api:…:API/STAGE`.
        bearer: the access token; None where there is none, several, or what cannot be one.
    """

    kind: Kind
    api_id: str
    stage_arn: str
    bearer: str | None

    @classmethod
    def of(cls, event: Any) -> Question:
        """Tell the events apart by what only one of them has; raises `UnknownEvent`."""
        match event:
            case {"type": "TOKEN", "methodArn": str(arn)}:
                return cls._at(arn, Kind.REST, _bearer(event.get("authorizationToken")))
            case {"type": "REQUEST", "version": "2.0", "routeArn": str(arn)}:
                return cls._at(arn, Kind.HTTP_2, _bearer(_header(event, "authorization")))
            case {"type": "REQUEST", "version": "1.0", "methodArn": str(arn)}:
                return cls._at(arn, Kind.HTTP_1, _bearer(_header(event, "authorization")))
            case {"type": "REQUEST", "version": _}:
                raise UnknownEvent
            case {"type": "REQUEST", "methodArn": str(arn), "requestContext": {"eventType": "CONNECT"}}:
                return cls._at(arn, Kind.WEBSOCKET, _websocket_bearer(event))
            case {"type": "REQUEST", "methodArn": str(arn), "httpMethod": str()}:
                return cls._at(arn, Kind.REST, _bearer(_header(event, "authorization")))
        raise UnknownEvent

    @classmethod
    def _at(cls, arn: str, kind: Kind, bearer: str | None) -> Question:
        match = _STAGE.match(arn)
        if not match:
            raise UnknownEvent
        return cls(kind, match[2], match[1], bearer)

    @property
    def answers_401(self) -> bool:
        """Whether an error "Unauthorized" is answered with 401. HTTP APIs know only 403, and 500 for any error."""
        return self.kind in (Kind.REST, Kind.WEBSOCKET)

    def allow(self, principal: str, context: Mapping[str, str], unmet: tuple[Rule, ...]) -> dict[str, Any]:
        """Let a person in, except where a rule is not met. `context` is what the API gets to know of them."""
        paths = self._paths(unmet)
        # Without paths to tell apart, one rule that is not met is one too many.
        if "" in paths or (unmet and self.kind is Kind.WEBSOCKET):
            return self.deny(principal)
        if unmet:
            statements = [
                _statement("Allow", [f"{self.stage_arn}/{method}/*" for method in METHODS]),
                _statement(
                    "Deny",
                    [f"{self.stage_arn}/{method}{path}*" for path in paths for method in METHODS]
                    + [f"{self.stage_arn}/*{part}*" for part in _AMBIGUOUS],
                ),
            ]
        else:
            statements = [_statement("Allow", [self._everything])]
        told = {name: value.translate(_WITHOUT_QUOTES) for name, value in context.items()}
        return self._answer(principal, statements, is_authorized=not unmet) | {"context": told}

    def _paths(self, unmet: tuple[Rule, ...]) -> list[str]:
        """Return how the paths begin that rules are for, also if one was written as pages call it: with the stage."""
        stage = "/" + self.stage_arn.rpartition("/")[2]
        written = [rule.path for rule in unmet]
        return written + [path.removeprefix(stage) for path in written if f"{path}/".startswith(f"{stage}/")]

    def deny(self, principal: str) -> dict[str, Any]:
        """Let nobody in."""
        return self._answer(principal, [_statement("Deny", [self._everything])], is_authorized=False)

    @property
    def _everything(self) -> str:
        return f"{self.stage_arn}/*" if self.kind is Kind.WEBSOCKET else f"{self.stage_arn}/*/*"

    def _answer(self, principal: str, statements: list[dict[str, Any]], *, is_authorized: bool) -> dict[str, Any]:
        answer = _policy(principal, statements)
        if self.kind is Kind.HTTP_2:
            # Whether the API takes a policy or a simple response, the event does not say: this is both. A simple one
            # that is kept counts for all paths, so it is no where a rule for any of them is not met.
            answer["isAuthorized"] = is_authorized
        return answer


def deny_unknown() -> dict[str, Any]:
    """Answer what is no question: no, in every format."""
    return _policy("unknown", [_statement("Deny", ["*"])]) | {"isAuthorized": False}


def _policy(principal: str, statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"principalId": principal, "policyDocument": {"Version": "2012-10-17", "Statement": statements}}


def _statement(effect: str, resources: list[str]) -> dict[str, Any]:
    return {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resources}


def _bearer(authorization: Any) -> str | None:
    match = _BEARER.fullmatch(authorization) if isinstance(authorization, str) else None
    return match[1] if match else None


def _websocket_bearer(event: Mapping[str, Any]) -> str | None:
    """Return what a program sends as a header, or a browser as a subprotocol."""
    if any(_values(event, "authorization")):
        return _bearer(_header(event, "authorization"))
    protocols = _header(event, "sec-websocket-protocol")
    named = [_BEARER_PROTOCOL.fullmatch(name.strip()) for name in protocols.split(",")] if protocols else []
    bearers = [match[1] for match in named if match]
    return bearers[0] if len(bearers) == 1 else None


def _header(event: Mapping[str, Any], name: str) -> str | None:
    """Return the one value of a header; None where there are several, as of which the API would take another."""
    values = list(_values(event, name))
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def _values(event: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield all values of a header, whatever the letter case of its name."""
    many = event.get("multiValueHeaders")
    headers = many if isinstance(many, Mapping) and many else event.get("headers")
    if not isinstance(headers, Mapping):
        return
    for key, value in headers.items():
        if key.lower() == name:
            yield from value if isinstance(value, list) else [value]
