"""The authorizer function, called in this process: which bearers and users it rejects, for every event."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from urllib3.exceptions import NewConnectionError

from shotgrid_login import aws as clients
from shotgrid_login import log
from shotgrid_login.bearers import Bearers
from shotgrid_login.configuration import ConfigurationError
from shotgrid_login.table import Table
from shotgrid_login.users import LONGEST_TEXT
from tests.local.stack import LocalAws, free_port
from tests.support.authorizer_events import (
    API,
    EVENTS,
    EVENTS_WITH_401,
    powertools_response,
    rest_request,
    rest_token,
)
from tests.support.authorizer_function import SESSION_ID, USER, AuthorizerFunction, load_authorizer
from tests.support.lambda_events import Context

EVERY_EVENT = pytest.mark.parametrize("name", EVENTS)


@pytest.fixture(scope="module")
def authorizer(aws: LocalAws) -> AuthorizerFunction:
    return load_authorizer(aws)


@pytest.fixture(scope="module")
def authorizer_with_rule(aws: LocalAws) -> AuthorizerFunction:
    """The function with a rule for the whole API."""
    return load_authorizer(aws, rules=f"{API}=Manager|Admin;")


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the function logs and counts as an error."""
    logged: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(log, "record_error", lambda message, **keys: logged.append((message, keys)))
    return logged


def assert_rejected(authorizer: AuthorizerFunction, name: str, authorization: str) -> None:
    """The function fails with "Unauthorized" if API Gateway turns that into 401. Otherwise it returns a denial."""
    event = EVENTS[name](authorization, "/shots")
    if name in EVENTS_WITH_401:
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            authorizer.handler(event, Context())
        return
    response = authorizer.handler(event, Context())
    denial = powertools_response(event)
    denial.deny_all_routes()
    assert response["policyDocument"] == denial.asdict()["policyDocument"]
    assert response.get("isAuthorized") is (False if name == "http_2" else None)
    assert "context" not in response


@EVERY_EVENT
def test_valid_bearer_is_allowed_with_the_data_of_its_user(authorizer: AuthorizerFunction, name: str) -> None:
    bearer = authorizer.sign_in("valid")
    response = authorizer.handler(EVENTS[name]("Bearer valid", "/shots"), Context())
    assert response["principalId"] == "HumanUser:24"
    assert response["context"] == {
        "user_id": "24",
        "user_type": "HumanUser",
        "login": USER.login,
        "name": USER.name,
        "email": USER.email,
        "permission_group": USER.permission_group,
        "session_id": SESSION_ID,
        "expires_at": str(bearer.expires_at),
    }


@EVERY_EVENT
def test_missing_bearer_is_rejected(authorizer: AuthorizerFunction, name: str) -> None:
    assert_rejected(authorizer, name, "")


@EVERY_EVENT
def test_unknown_bearer_is_rejected_and_not_counted_as_an_error(
    authorizer: AuthorizerFunction, errors: list[tuple[str, dict[str, Any]]], name: str
) -> None:
    assert_rejected(authorizer, name, "Bearer unknown")
    assert errors == []


@EVERY_EVENT
def test_expired_bearer_is_rejected(authorizer: AuthorizerFunction, name: str) -> None:
    authorizer.sign_in("expired", expires_at=int(time.time()))
    assert_rejected(authorizer, name, "Bearer expired")


@EVERY_EVENT
@pytest.mark.parametrize(("group", "effect"), [("Artist", "Deny"), ("", "Deny"), ("Manager", "Allow")])
def test_user_who_does_not_meet_a_rule_for_the_api_is_denied(
    authorizer_with_rule: AuthorizerFunction, name: str, group: str, effect: str
) -> None:
    authorizer_with_rule.sign_in("valid", replace(USER, permission_group=group))
    response = authorizer_with_rule.handler(EVENTS[name]("Bearer valid", "/"), Context())
    assert response["principalId"] == "HumanUser:24"
    assert {statement["Effect"] for statement in response["policyDocument"]["Statement"]} == {effect}
    assert ("context" in response) == (effect == "Allow")


def test_rule_with_the_base_path_of_the_domain_denies_the_api_and_is_logged(
    aws: LocalAws, errors: list[tuple[str, dict[str, Any]]]
) -> None:
    function = load_authorizer(aws, rules=f"{API}/studio/reports=Admin;")
    event = rest_request("Bearer valid", "/shots")
    on_domain = event | {"requestContext": event["requestContext"] | {"path": "/studio/shots"}}
    for group, is_allowed in (("Admin", True), ("Artist", False)):
        function.sign_in("valid", replace(USER, permission_group=group))
        assert function.allows(on_domain) is is_allowed
    reason = {"reason": "a rule has the base path of the domain", "rule": "/studio/reports"}
    assert errors == [("rejected", reason)]


@pytest.mark.parametrize("event", [{}, [], None, "x", {"type": "TOKEN"}, {"Records": []}, {"version": "2.0"}])
def test_unknown_event_is_denied(authorizer: AuthorizerFunction, event: Any) -> None:
    response = authorizer.handler(event, Context())
    assert response["isAuthorized"] is False
    assert [statement["Effect"] for statement in response["policyDocument"]["Statement"]] == ["Deny"]


@pytest.mark.parametrize(
    "rules", ["=;", f"{API}=Admin", f"{API}=Admin,;", f"{API}/=Admin;", "other12345=Admin;", f"{API}=A,{API}=B;"]
)
def test_function_does_not_start_with_invalid_rules_and_counts_it(
    aws: LocalAws, errors: list[tuple[str, dict[str, Any]]], rules: str
) -> None:
    with pytest.raises(ConfigurationError, match="AUTHORIZER_RULES"):
        load_authorizer(aws, rules)
    assert [(message, keys["error"]) for message, keys in errors] == [("unexpected_error", "ConfigurationError")]


def test_function_does_not_start_with_rules_that_make_its_responses_too_long(aws: LocalAws) -> None:
    rules = ",".join(f"{API}/prod/section-{number}=Admin" for number in range(12)) + ";"
    with pytest.raises(ConfigurationError, match=f"AUTHORIZER_RULES: too many path rules for API {API}"):
        load_authorizer(aws, rules)


def test_user_with_a_response_that_is_too_long_is_denied_and_logged(
    aws: LocalAws, errors: list[tuple[str, dict[str, Any]]]
) -> None:
    function = load_authorizer(aws, rules=",".join(f"{API}/{number}=Admin" for number in range(11)) + ";")
    long = "\N{BEAR FACE}" * LONGEST_TEXT
    function.sign_in("valid", replace(USER, login=long, name=long, email=long))
    assert not function.allows(rest_request("Bearer valid", "/shots"))
    assert errors == [("rejected", {"reason": "the response would be too long"})]


def test_function_does_not_start_without_the_variable_for_rules(aws: LocalAws) -> None:
    with pytest.raises(KeyError, match="AUTHORIZER_RULES"):
        load_authorizer(aws, rules=None)


@pytest.mark.parametrize("event", [rest_token, rest_request])
def test_unreachable_table_fails_without_returning_401_and_is_counted(
    authorizer: AuthorizerFunction,
    errors: list[tuple[str, dict[str, Any]]],
    event: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """API Gateway returns 500 for this error and does not cache it. With 401, users would sign in again."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setattr(authorizer.module, "bearers", Bearers(Table(clients.dynamodb.__wrapped__(), "bearers")))
    with pytest.raises(NewConnectionError) as error:
        authorizer.handler(event("Bearer a-secret-bearer"), Context())
    assert "a-secret-bearer" not in str(error.value)
    assert [message for message, _ in errors] == ["unexpected_error"]
