"""The deployed authorizer, invoked with the events of every kind of API.

`test_authorizer_function` calls the same code in this process and has the cases. Here, each case shows something of the
deployment: the role, the variables, the table that sign-in writes, the log.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.site.fake_site import Account
from tests.support.authorizer_events import EVENTS, http_2, powertools_response
from tests.support.client import Gateway, context_of, until

# The lifetime of the user's access token: longer than this module runs. Seconds.
EXPIRES_IN = 6 * 3600


@pytest.fixture(scope="module")
def user(gateway: Gateway) -> Account:
    user = gateway.new_user(expires_in=EXPIRES_IN)
    user.permission_group = "Manager"
    return user


@pytest.fixture(scope="module")
def signed_in(gateway: Gateway, user: Account) -> dict[str, Any]:
    return gateway.caller().signed_in(user).body


def invoke(gateway: Gateway, event: Any) -> tuple[str | None, Any]:
    """Return the error that API Gateway receives, if any, and the response."""
    response = gateway.aws.client("lambda").invoke(
        FunctionName=gateway.outputs["AuthorizerArn"], Payload=json.dumps(event).encode()
    )
    payload = json.loads(response["Payload"].read())
    return (payload["errorMessage"], None) if response.get("FunctionError") else (None, payload)


@pytest.mark.parametrize("name", EVENTS)
def test_bearer_of_a_sign_in_is_allowed_with_the_data_of_the_user(
    gateway: Gateway, user: Account, signed_in: dict[str, Any], name: str
) -> None:
    event = EVENTS[name](f"Bearer {signed_in['api_token']}", "/shots/12")
    error, response = invoke(gateway, event)
    assert error is None
    allowed = powertools_response(event)
    allowed.allow_all_routes()
    assert response["policyDocument"] == allowed.asdict()["policyDocument"]
    assert response["principalId"] == f"HumanUser:{user.id}"
    assert response.get("isAuthorized") is (True if name == "http_2" else None)
    for secret in (signed_in["access_token"], signed_in["refresh_token"].partition(".")[2]):
        assert secret not in json.dumps(response)
    assert 0 < int(response["context"].pop("expires_at")) - time.time() <= EXPIRES_IN
    assert response["context"] == context_of(user, signed_in)


# One event for each way to reject: with an error, a policy, and a policy with a simple response.
@pytest.mark.parametrize("name", ["rest_token", "http_1", "http_2"])
def test_unknown_bearer_is_rejected(gateway: Gateway, name: str) -> None:
    error, response = invoke(gateway, EVENTS[name]("Bearer unknown", "/shots"))
    if name == "rest_token":
        assert error == "Unauthorized"  # the only text that API Gateway turns into 401
        return
    assert error is None
    assert [statement["Effect"] for statement in response["policyDocument"]["Statement"]] == ["Deny"]
    assert response.get("isAuthorized") is (False if name == "http_2" else None)


def _is_allowed(gateway: Gateway, signed_in: dict[str, Any]) -> bool:
    error, response = invoke(gateway, http_2(f"Bearer {signed_in['api_token']}"))
    assert error is None
    return bool(response["isAuthorized"])


def test_bearer_is_rejected_after_it_expires(gateway: Gateway) -> None:
    signed_in = gateway.caller().signed_in(gateway.new_user()).body
    assert _is_allowed(gateway, signed_in)
    (bearer,) = gateway.bearers_of(signed_in["refresh_token"])
    gateway.bearers.set(bearer["id"]["S"], expires_at=int(time.time()))
    assert not _is_allowed(gateway, signed_in)


def test_bearer_is_rejected_after_sign_out(gateway: Gateway) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    assert _is_allowed(gateway, signed_in)
    caller.logout(signed_in["refresh_token"])
    assert not _is_allowed(gateway, signed_in)


def test_unknown_event_is_denied_and_logged(gateway: Gateway) -> None:
    before = _logged_unknown_events(gateway)

    def is_logged() -> bool:  # the emulator can write a line to the log with the next invocation
        error, response = invoke(gateway, {})
        assert error is None
        assert response["isAuthorized"] is False
        return _logged_unknown_events(gateway) > before

    until(is_logged)


def _logged_unknown_events(gateway: Gateway) -> int:
    lines = gateway.aws.client("logs").filter_log_events(
        logGroupName=gateway.log_group("Authorizer"), filterPattern="not an authorizer event"
    )["events"]
    return len([line for line in lines if json.loads(line["message"])["level"] == "ERROR"])
