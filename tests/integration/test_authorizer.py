"""The deployed authorizer: its responses to the events of every kind of API, and its log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.authorizer_events import API, EVENTS, EVENTS_WITH_401, STAGE, Event, powertools_response, rest_token
from tests.support.client import Gateway, told_of, until

SHAPES_ONCE = pytest.mark.parametrize("shape", EVENTS)


def _ask(gateway: Gateway, event: Any) -> tuple[str | None, Any]:
    """Return the error that API Gateway would see, if any, and the response."""
    response = gateway.aws.client("lambda").invoke(
        FunctionName=gateway.outputs["AuthorizerArn"], Payload=json.dumps(event).encode()
    )
    payload = json.loads(response["Payload"].read())
    return (payload["errorMessage"], None) if response.get("FunctionError") else (None, payload)


def _assert_refused(gateway: Gateway, shape: str, event: Event) -> None:
    error, response = _ask(gateway, event)
    if shape in EVENTS_WITH_401:
        assert error == "Unauthorized"  # API Gateway looks for this text alone, and responses 401
        return
    assert error is None
    denied = powertools_response(event)
    denied.deny_all_routes()
    assert response["policyDocument"] == denied.asdict()["policyDocument"]
    assert response.get("isAuthorized") is (False if shape == "http_2" else None)
    assert "context" not in response


@SHAPES_ONCE
def test_a_bearer_opens_the_stage_and_says_whose_it_is(gateway: Gateway, shape: str) -> None:
    user = gateway.new_user()
    user.permission_group = "Manager"
    signed_in = gateway.caller().signed_in(user).body
    event = EVENTS[shape](f"Bearer {signed_in['access_token']}", "/shots/12")
    error, response = _ask(gateway, event)
    assert error is None
    expected = powertools_response(event)
    expected.allow_all_routes()
    assert response["policyDocument"] == expected.asdict()["policyDocument"]
    assert response["principalId"] == f"HumanUser:{user.id}"
    assert response.get("isAuthorized") is (True if shape == "http_2" else None)
    expires_at = response["context"].pop("expires_at")
    assert 0 < int(expires_at) - time.time() <= 600
    assert response["context"] == told_of(user, signed_in)


@SHAPES_ONCE
def test_no_answer_holds_a_token(gateway: Gateway, shape: str) -> None:
    signed_in = gateway.caller().signed_in(gateway.new_user()).body
    _, response = _ask(gateway, EVENTS[shape](f"Bearer {signed_in['access_token']}", "/"))
    said = json.dumps(response)
    assert all(type(value) is str for value in response["context"].values())
    for secret in (signed_in["access_token"], signed_in["refresh_token"].partition(".")[2]):
        assert secret not in said


@SHAPES_ONCE
@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic YTpi", "Bearer a b", "Bearer unknown", "Bearer x.y.z"])
def test_what_is_not_of_this_gateway_is_refused(gateway: Gateway, shape: str, authorization: str) -> None:
    _assert_refused(gateway, shape, EVENTS[shape](authorization, "/shots"))


@SHAPES_ONCE
def test_a_bearer_counts_until_it_expires(gateway: Gateway, shape: str) -> None:
    signed_in = gateway.caller().signed_in(gateway.new_user()).body
    (bearer,) = gateway.bearers_of(signed_in["refresh_token"])
    gateway.bearers.set(bearer["id"]["S"], expires_at=int(time.time()))
    _assert_refused(gateway, shape, EVENTS[shape](f"Bearer {signed_in['access_token']}", "/shots"))


@SHAPES_ONCE
def test_a_bearer_counts_until_its_person_signs_out(gateway: Gateway, shape: str) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    caller.logout(signed_in["refresh_token"])
    _assert_refused(gateway, shape, EVENTS[shape](f"Bearer {signed_in['access_token']}", "/shots"))


@pytest.mark.parametrize("event", [{}, [], None, "x", {"type": "TOKEN"}, {"Records": []}, {"version": "2.0"}])
def test_what_is_no_question_is_refused_and_logged(gateway: Gateway, event: Any) -> None:
    before = _refused_events(gateway)

    def asked_and_logged() -> bool:  # a line may reach the log only with the next call
        error, response = _ask(gateway, event)
        assert error is None
        assert response["isAuthorized"] is False
        assert [statement["Effect"] for statement in response["policyDocument"]["Statement"]] == ["Deny"]
        return _refused_events(gateway) > before

    until(asked_and_logged)


def _refused_events(gateway: Gateway) -> int:
    lines = gateway.aws.client("logs").filter_log_events(
        logGroupName=gateway.log_group("Authorizer"), filterPattern="event of an authorizer"
    )["events"]
    return len([line for line in lines if json.loads(line["message"])["level"] == "ERROR"])


@pytest.fixture
def with_rules(other_gateway: Gateway) -> Iterator[Callable[..., None]]:
    """Set the variables of a deployed authorizer, as somebody might by hand, until the test is over."""

    def set_rules(rules: str | None, apis: str = f"123456789012:{API}") -> None:
        client = other_gateway.aws.client("lambda")
        function = {"FunctionName": other_gateway.outputs["AuthorizerArn"]}
        variables = client.get_function_configuration(**function)["Environment"]["Variables"]
        variables |= {"AUTHORIZER_APIS": apis, "AUTHORIZER_RULES": rules}
        variables = {name: value for name, value in variables.items() if value is not None}
        client.update_function_configuration(**function, Environment={"Variables": variables})

    yield set_rules
    set_rules("", "")


@SHAPES_ONCE
def test_a_rule_that_is_not_met_refuses(other_gateway: Gateway, with_rules: Callable[..., None], shape: str) -> None:
    with_rules(f"{API}=Manager|Admin;")
    for group, refused in (("Artist", True), ("Manager", False)):
        user = other_gateway.new_user()
        user.permission_group = group
        token = other_gateway.caller().signed_in(user).body["access_token"]
        event = EVENTS[shape](f"Bearer {token}", "/")
        error, response = _ask(other_gateway, event)
        assert error is None
        assert response["principalId"] == f"HumanUser:{user.id}"
        assert {one["Effect"] for one in response["policyDocument"]["Statement"]} == {"Deny" if refused else "Allow"}
        assert ("context" in response) is not refused


@pytest.mark.parametrize(
    "rules", [None, "=;", f"{API}=Admin", f"{API}=Admin,;", f"{API}/=Admin;", "other12345=Admin;", f"{API}=A,{API}=B;"]
)
def test_a_rule_that_is_wrong_keeps_everybody_out(
    other_gateway: Gateway, with_rules: Callable[..., None], rules: str | None
) -> None:
    token = other_gateway.caller().signed_in(other_gateway.new_user()).body["access_token"]
    with_rules("")
    assert _ask(other_gateway, rest_token(f"Bearer {token}"))[0] is None
    with_rules(rules)
    error, _ = _ask(other_gateway, rest_token(f"Bearer {token}"))
    assert error
    assert error != "Unauthorized"  # it is the deployment's fault: 500, so that nobody signs in again and again
    assert token not in error


def test_the_stage_is_the_askers_own(gateway: Gateway) -> None:
    token = gateway.caller().signed_in(gateway.new_user()).body["access_token"]
    event = rest_token(f"Bearer {token}")
    _, response = _ask(gateway, event | {"methodArn": event["methodArn"].replace(f"/{STAGE}/", "/test/")})
    (statement,) = response["policyDocument"]["Statement"]
    assert statement["Resource"] == [f"arn:aws:execute-api:eu-west-1:123456789012:{API}/test/*/*"]
