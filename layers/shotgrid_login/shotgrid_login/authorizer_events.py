"""Events and responses of Lambda authorizers, for every kind of API.

REST APIs send `TOKEN` or `REQUEST` events. HTTP APIs send payload format 1.0 or 2.0. WebSocket APIs send an event when
a client connects. The formats are those of the API Gateway Developer Guide: "Use API Gateway Lambda authorizers",
"Control access to HTTP APIs with Lambda authorizers", "Control access to WebSocket APIs with Lambda REQUEST
authorizers".

API Gateway can cache a response and use it for every route of the stage. So a response never depends on the requested
route. It depends on the domain only if a rule is wrong (`AuthorizerRequest.misplaced`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from urllib.parse import unquote

from shotgrid_login.authorizer_rules import METHOD_PATTERNS, Rule, Rules
from shotgrid_login.configuration_error import ConfigurationError
from shotgrid_login.users import LONGEST_TEXT

# b64token of RFC 6750, section 2.1.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]{1,4096}={0,2})", re.IGNORECASE)

_SLASHES = re.compile("/+")

# The only header that browsers let a page set for a WebSocket is the list of subprotocols:
# `["shotgrid-login", "bearer.<API token>"]`. The API chooses the first one: a browser closes the connection if the
# server chooses none of its subprotocols.
_BEARER_PROTOCOL = re.compile(r"bearer\.([A-Za-z0-9._~-]{1,4096})")

# The ARN of a method or route: its stage, the API, the method and the path. API Gateway writes the ARN, callers choose
# only the method and the path.
_ARN = re.compile(
    r"(arn:aws[a-z-]*:execute-api:[a-z0-9-]*:[0-9]{12}:([A-Za-z0-9]+)/(?:\$default|\*|[A-Za-z0-9_-]+))/[^/]*(.*)",
    re.DOTALL,
)

# A router behind API Gateway could read a path with one of these as another path: percent-encoding, segment
# parameters, empty segments and dot segments (RFC 3986, sections 2.1, 3.3 and 5.2.4), and backslashes, which browsers
# and some servers read as slashes (WHATWG URL, 4.4).
_AMBIGUOUS = ("%", ";", "//", "/./", "/../", "\\")

# HTTP APIs returned 500 from a cached response with quotes in its context (mantil-io/mantil, issue 52).
_WITHOUT_QUOTES = str.maketrans({'"': "'", "\\": "/"})


# API Gateway returns 500 for a longer response (AWS documentation: quota "AWS Lambda authorizer result size"). Bytes.
_MAX_RESPONSE_BYTES = 8 * 1024

# What the longest response has besides the paths: the longest beginning of an ARN before the API, a long name of a
# stage, and the user's data. Names that are longer in bytes, and stages with longer names, are found in each response.
_LONGEST_ARN = "arn:aws-us-gov:execute-api:ap-southeast-1:123456789012:"
_LONG_STAGE = "x" * 20
_STAGE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_LONGEST_CONTEXT = dict.fromkeys(("login", "name", "email", "permission_group"), "x" * LONGEST_TEXT) | {
    "user_id": "x" * 12,
    "user_type": "x" * 10,
    "session_id": "x" * 22,
    "expires_at": "x" * 10,
}


class UnknownEvent(Exception):
    """Not an event that an API sends to a Lambda authorizer."""


class ApiKind(Enum):
    """The kinds of API that need different responses."""

    REST = "REST"
    HTTP_1 = "HTTP, payload 1.0"
    HTTP_2 = "HTTP, payload 2.0"
    WEBSOCKET = "WebSocket"


@dataclass(frozen=True)
class AuthorizerRequest:
    """A call of the authorizer: can this bearer (an API token) use this stage of this API?

    Attributes:
        kind: the kind of the API.
        api_id: the API.
        stage_arn: its stage, `arn:…:execute-api:…:API/STAGE`.
        bearer: the API token; None if it is missing or malformed, or if there is more than one.
        base_paths: what the URL of the request has before the path, except for the stage: the base path of a custom
            domain. ARNs do not contain it. Empty if there is none, or if the event has no URL.
    """

    kind: ApiKind
    api_id: str
    stage_arn: str
    bearer: str | None
    base_paths: frozenset[str] = frozenset()

    @classmethod
    def from_event(cls, event: Any) -> AuthorizerRequest:
        """Detect the kind of API by the fields that only its events have; raises `UnknownEvent`."""
        match event:
            case {"type": "TOKEN", "methodArn": str(arn)}:
                return cls._for_arn(event, arn, ApiKind.REST, _bearer(event.get("authorizationToken")))
            case {"type": "REQUEST", "version": "2.0", "routeArn": str(arn)}:
                return cls._for_arn(event, arn, ApiKind.HTTP_2, _bearer(_header(event, "authorization")))
            case {"type": "REQUEST", "version": "1.0", "methodArn": str(arn)}:
                return cls._for_arn(event, arn, ApiKind.HTTP_1, _bearer(_header(event, "authorization")))
            case {"type": "REQUEST", "version": _}:
                raise UnknownEvent
            case {"type": "REQUEST", "methodArn": str(arn), "requestContext": {"eventType": "CONNECT"}}:
                return cls._for_arn(event, arn, ApiKind.WEBSOCKET, _websocket_bearer(event))
            case {"type": "REQUEST", "methodArn": str(arn), "httpMethod": str()}:
                return cls._for_arn(event, arn, ApiKind.REST, _bearer(_header(event, "authorization")))
        raise UnknownEvent

    @classmethod
    def _for_arn(cls, event: Mapping[str, Any], arn: str, kind: ApiKind, bearer: str | None) -> AuthorizerRequest:
        match = _ARN.fullmatch(arn)
        if not match:
            raise UnknownEvent
        stage_arn, api_id, path = match.groups()
        request = cls(kind, api_id, stage_arn, bearer)
        base_paths = {_base_path(url_path, path) for url_path in _url_paths(event)}
        return replace(request, base_paths=frozenset(base_paths - {"", request._stage}))

    @property
    def _stage(self) -> str:
        """The stage as the beginning of a path, as URLs without a custom domain have it."""
        return "/" + self.stage_arn.rpartition("/")[2]

    @property
    def can_return_401(self) -> bool:
        """Whether API Gateway turns the error "Unauthorized" into 401. HTTP APIs return 500 for every error."""
        return self.kind in (ApiKind.REST, ApiKind.WEBSOCKET)

    def allow(self, principal: str, context: Mapping[str, str], unmet: tuple[Rule, ...]) -> dict[str, Any]:
        """Return a response that allows the user all paths, except those of unmet rules.

        `context` is the user's data for the API.
        """
        paths = self._denied_paths(unmet)
        # An unmet rule for all paths denies everything. So does any unmet rule for a connection, which has no path, and
        # an unmet rule that would deny nothing.
        if "" in paths or (unmet and self.kind is ApiKind.WEBSOCKET) or self.misplaced(unmet):
            return self.deny(principal)
        if unmet:
            statements = [
                _statement("Allow", [f"{self.stage_arn}/{method}/*" for method in METHOD_PATTERNS]),
                _statement(
                    "Deny",
                    [f"{self.stage_arn}/{method}{path}*" for path in paths for method in METHOD_PATTERNS]
                    + [f"{self.stage_arn}/*{part}*" for part in _AMBIGUOUS],
                ),
            ]
        else:
            statements = [_statement("Allow", [self._all_routes])]
        response = self._response(principal, statements, is_authorized=not unmet)
        response["context"] = {name: value.translate(_WITHOUT_QUOTES) for name, value in context.items()}
        return response

    def misplaced(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Return the rules whose path begins with the base path of the domain. No ARN has such a path."""
        return tuple(
            rule
            for rule in rules
            if any(
                _is_within(rule.path, base_path) or _is_within(base_path, rule.path) for base_path in self.base_paths
            )
        )

    def _denied_paths(self, unmet: tuple[Rule, ...]) -> list[str]:
        """Return the path of each rule. If a path begins with the stage, as in a URL, return it without the stage.

        Such a rule can also mean a path that really begins with the name of the stage. So return the beginning of all
        these paths too, once for all rules: with each of them, the response would be too long for API Gateway.
        """
        with_stage = [rule.path for rule in unmet if _is_within(rule.path, self._stage)]
        paths = [rule.path for rule in unmet if rule.path not in with_stage]
        paths += [path.removeprefix(self._stage) for path in with_stage]
        return [*paths, f"{self._stage}/"] if with_stage else paths

    def deny(self, principal: str) -> dict[str, Any]:
        """Return a response that denies every route."""
        return self._response(principal, [_statement("Deny", [self._all_routes])], is_authorized=False)

    @property
    def _all_routes(self) -> str:
        return f"{self.stage_arn}/*" if self.kind is ApiKind.WEBSOCKET else f"{self.stage_arn}/*/*"

    def _response(self, principal: str, statements: list[dict[str, Any]], *, is_authorized: bool) -> dict[str, Any]:
        response = _policy(principal, statements)
        if self.kind is ApiKind.HTTP_2:
            # The event does not show whether the API expects a policy or a simple response, so return both in one.
            # A cached simple response applies to all paths, so any unmet rule makes it a denial.
            response["isAuthorized"] = is_authorized
        return response


def is_too_long(response: Mapping[str, Any]) -> bool:
    """Whether API Gateway would return 500 instead of using a response."""
    return len(json.dumps(response)) > _MAX_RESPONSE_BYTES


def require_short_responses(rules: Rules) -> None:
    """Raise `ConfigurationError` if the response to a user who meets no rule of an API is too long for API Gateway."""
    for api_id in rules.api_ids:
        # A user who does not meet the rule for the whole API gets a short response.
        unmet = tuple(rule for rule in rules.unmet(api_id, "") if rule.path)
        # If a path begins with the name of the stage, the response has one more path.
        segments = {rule.path.split("/")[1] for rule in unmet}
        for stage in {_LONG_STAGE} | set(filter(_STAGE.fullmatch, segments)):
            request = AuthorizerRequest(ApiKind.HTTP_2, api_id, f"{_LONGEST_ARN}{api_id}/{stage}", bearer=None)
            if is_too_long(request.allow("HumanUser:" + "x" * 12, _LONGEST_CONTEXT, unmet)):
                raise ConfigurationError(f"AUTHORIZER_RULES: too many path rules for API {api_id}, or too long ones")


def deny_unknown_event() -> dict[str, Any]:
    """Return a response that every kind of API reads as a denial."""
    return _policy("unknown", [_statement("Deny", ["*"])]) | {"isAuthorized": False}


def _policy(principal: str, statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"principalId": principal, "policyDocument": {"Version": "2012-10-17", "Statement": statements}}


def _statement(effect: str, resources: list[str]) -> dict[str, Any]:
    return {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resources}


def _is_within(path: str, parent: str) -> bool:
    """Whether a path is another one or begins with its segments."""
    return f"{path}/".startswith(f"{parent}/")


def _url_paths(event: Mapping[str, Any]) -> Iterator[str]:
    """Yield the path of the URL, as an event has it. The field with the base path depends on the kind of API."""
    context = event.get("requestContext")
    context = context if isinstance(context, Mapping) else {}
    http = context.get("http")
    http = http if isinstance(http, Mapping) else {}
    for path in (event.get("path"), event.get("rawPath"), context.get("path"), http.get("path")):
        if isinstance(path, str):
            yield path


def _base_path(url_path: str, path: str) -> str:
    """Return what the path of a URL has before the path of an ARN, without a final slash; "" if the ARN has no path.

    Several slashes count as one. If the two paths end differently, it is the first segment: a wrong base path denies
    too much, and a missing one too little.
    """
    if not path:
        return ""
    url_path, path = (_SLASHES.sub("/", unquote(each)).rstrip("/") for each in (url_path, path))
    if url_path.endswith(path):
        return url_path.removesuffix(path)
    return "/" + url_path.lstrip("/").partition("/")[0]


def _bearer(authorization: Any) -> str | None:
    match = _BEARER.fullmatch(authorization) if isinstance(authorization, str) else None
    return match[1] if match else None


def _websocket_bearer(event: Mapping[str, Any]) -> str | None:
    """Return the bearer from the header, which programs send, or from the subprotocols, which browsers send."""
    if any(_values(event, "authorization")):
        return _bearer(_header(event, "authorization"))
    protocols = _header(event, "sec-websocket-protocol")
    matches = [_BEARER_PROTOCOL.fullmatch(name.strip()) for name in protocols.split(",")] if protocols else []
    bearers = [match[1] for match in matches if match]
    return bearers[0] if len(bearers) == 1 else None


def _header(event: Mapping[str, Any], name: str) -> str | None:
    """Return the value of a header, or None if it has several: the API behind could use another one than we check."""
    values = list(_values(event, name))
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def _values(event: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield all values of a header; `name` is in lower case, and matches in any letter case."""
    multi_value = event.get("multiValueHeaders")
    headers = multi_value if isinstance(multi_value, Mapping) and multi_value else event.get("headers")
    if not isinstance(headers, Mapping):
        return
    for key, value in headers.items():
        if key.lower() == name:
            yield from value if isinstance(value, list) else [value]
