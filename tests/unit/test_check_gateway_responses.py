"""`shotgrid-login check --gateway`: the responses that API Gateway makes itself, as the template defines them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shotgrid_login import __version__
from shotgrid_login_ops.check import gateway_check
from shotgrid_login_ops.check.connection import Connection, Response
from shotgrid_login_ops.check.findings import Finding, Status
from shotgrid_login_ops.check.gateway_responses import HEADERS, ORIGIN, check_own_responses
from tests.support.replay import Replay, http, replaying
from tests.support.template import resources

OK, PROBLEM, UNKNOWN = Status.OK, Status.PROBLEM, Status.UNKNOWN
NONE: Mapping[str, Any] = {}
# The findings by name, and the requests.
Checked = tuple[dict[str, Finding], Replay]
# The findings, with the type of API Gateway's response and its own status.
TYPES = {
    "gateway.no-route": ("MISSING_AUTHENTICATION_TOKEN", 403),
    "gateway.no-route-bearer": ("MISSING_AUTHENTICATION_TOKEN", 403),
    "gateway.no-bearer": ("UNAUTHORIZED", 401),
    "gateway.invalid-bearer": ("UNAUTHORIZED", 401),
    "gateway.bad-request": ("DEFAULT_4XX", 415),
    "gateway.origin-case": ("MISSING_AUTHENTICATION_TOKEN", 403),
}


def defined(response_type: str, status: int, changes: Mapping[str, str | None]) -> bytes:
    """Return a response as the template defines it. `changes` sets headers, or removes them with None."""
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    definition: dict[str, Any] = api["Body"]["x-amazon-apigateway-gateway-responses"][response_type]
    headers: dict[str, str | None] = {"content-type": "application/json"}
    for name, value in definition["responseParameters"].items():
        text = {"context.requestId": "an-id"}.get(value, value[1:-1])
        is_origin = value.startswith("method.request.header.")
        headers[name.removeprefix("gatewayresponse.header.").lower()] = ORIGIN if is_origin else text
    headers |= changes
    (body,) = definition["responseTemplates"].values()
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return http(int(definition.get("statusCode", status)), body, lines)


def check(changes: Mapping[str, bytes] = NONE, headers: Mapping[str, str | None] = NONE) -> Checked:
    """Check a gateway as the template defines it, with other responses for some findings."""
    replies = {name: defined(*TYPES[name], headers) for name in TYPES} | dict(changes)
    with replaying(*replies.values()) as replay:
        return {finding.name: finding for finding in check_own_responses(Connection(replay.url))}, replay


def test_responses_as_the_template_defines_them_are_no_problem() -> None:
    found, replay = check()
    assert {name: finding.status for name, finding in found.items()} == dict.fromkeys(TYPES, OK)
    assert found["gateway.origin-case"].value == "any"
    heads = [request.partition(b"\r\n\r\n")[0].decode() for request in replay.requests]
    # HTTP/2 has names of headers in lower case. The last request has the name as in HTTP/1.1.
    assert [f"\norigin: {ORIGIN}" in head for head in heads] == [True] * 5 + [False]
    assert f"\nOrigin: {ORIGIN}" in heads[-1]


def test_check_knows_every_header_of_the_template() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    (response, *_) = api["Body"]["x-amazon-apigateway-gateway-responses"].values()
    defined_names = {name.rpartition(".")[2].lower() for name in response["responseParameters"]}
    assert defined_names - {"www-authenticate", "access-control-expose-headers"} == {
        *(*HEADERS, "x-request-id", "vary"),
        *("access-control-allow-origin", "access-control-allow-credentials"),
    }


@pytest.mark.parametrize(
    "header", [*HEADERS, "access-control-allow-origin", "access-control-allow-credentials", "x-request-id", "vary"]
)
def test_missing_header_is_a_problem_that_names_it(header: str) -> None:
    found, _ = check(headers={header: None})
    for name in TYPES.keys() - {"gateway.origin-case"}:
        assert (found[name].status, found[name].value) == (PROBLEM, "1 missing")
        assert f"lacks {header}," in found[name].meaning


def test_literal_quotes_in_the_content_security_policy_are_a_problem() -> None:
    found, _ = check(headers={"content-security-policy": r"default-src \'none\'; frame-ancestors \'none\'"})
    assert "content-security-policy" in found["gateway.no-bearer"].meaning


def test_missing_challenge_for_a_bearer_is_a_problem_only_of_401() -> None:
    found, _ = check(headers={"www-authenticate": None})
    assert {name for name, finding in found.items() if finding.status is PROBLEM} == {
        "gateway.no-bearer",
        "gateway.invalid-bearer",
    }


def test_origin_that_is_read_in_lower_case_only_is_no_problem() -> None:
    name = "gateway.origin-case"
    found, _ = check({name: defined(*TYPES[name], {"access-control-allow-origin": None})})
    assert (found[name].status, found[name].value) == (OK, "lower only")


@pytest.mark.parametrize(
    ("name", "reply", "status"),
    [
        ("gateway.no-route", http(403, '{"message": "Missing Authentication Token"}'), PROBLEM),
        ("gateway.no-route-bearer", http(403, '{"message": "Authorization header requires Credential"}'), UNKNOWN),
        ("gateway.no-route-bearer", http(500, "{}"), PROBLEM),
        ("gateway.no-bearer", http(500, '{"code": "gateway_error"}'), PROBLEM),
        ("gateway.invalid-bearer", http(500, '{"code": "gateway_error"}'), PROBLEM),
        ("gateway.bad-request", http(415, '{"message": "Unsupported Media Type"}'), UNKNOWN),
        ("gateway.bad-request", http(403, '{"code": "origin_not_allowed"}'), UNKNOWN),
        ("gateway.bad-request", http(500, "{}"), PROBLEM),
    ],
)
def test_response_that_is_not_as_documented(name: str, reply: bytes, status: Status) -> None:
    found, _ = check({name: reply})
    assert found[name].status is status
    assert {other for other, finding in found.items() if finding.status is not OK} == {name}
    assert bool(found[name].next_step) == (status is PROBLEM)


@pytest.mark.parametrize(
    ("version", "status", "text"),
    [(__version__, OK, "the version of this command"), ("0.0.1", OK, __version__), (None, UNKNOWN, "does not show")],
)
def test_version_of_the_gateway_is_compared_with_that_of_the_command(
    version: str | None, status: Status, text: str
) -> None:
    headers = {} if version is None else {"x-gateway-version": version}
    finding = gateway_check.compare_version(Response(400, headers, b""))
    assert (finding.status, finding.value) == (status, version)
    assert text in finding.meaning
