"""The user's record, which the site returns at sign-in: it reaches the authorizer, and a sign-in works without it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.client import Gateway, Response, until


def _bearer_fields(gateway: Gateway, response: Response) -> dict[str, str]:
    """Return the user's fields in the row that the authorizer reads."""
    (row,) = gateway.bearers_of(response.body["refresh_token"])
    return {name: row[name]["S"] for name in ("login", "name", "email", "permission_group")}


@pytest.mark.parametrize("two_factor", [False, True])
def test_record_is_read_once_at_sign_in_and_kept(gateway: Gateway, two_factor: bool) -> None:
    user, caller = gateway.new_user(two_factor=two_factor), gateway.caller()
    user.permission_group = "Manager"
    signed_in = caller.signed_in(user)
    expected = {"login": user.login, "name": user.name, "email": user.email, "permission_group": "Manager"}
    assert _bearer_fields(gateway, signed_in) == expected
    caller.rotate(signed_in.body["refresh_token"])
    rows = gateway.bearers_of(signed_in.body["refresh_token"])
    assert [{name: row[name]["S"] for name in expected} for row in rows] == [expected, expected]
    assert gateway.site.reads[user.login, gateway.site.own_row(user.login) or ""] == 1


def test_token_endpoint_reads_the_record_too(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    response = gateway.caller().access_token(grant_type="password", username=user.login, password=user.password)
    assert response.status == 200
    assert _bearer_fields(gateway, response)["permission_group"] == "Artist"


def test_sign_in_without_the_record_works_and_is_logged(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False, user_fault="503")
    response = gateway.caller().password(user)
    assert response.status == 200, response.text
    assert response.body["user"] == {"type": "HumanUser", "id": user.id, "login": user.login}
    assert _bearer_fields(gateway, response) == {"login": user.login, "name": "", "email": "", "permission_group": ""}
    assert gateway.caller().session(response.body["api_token"]).status == 200

    def lines() -> list[dict[str, Any]]:
        gateway.caller().password(gateway.new_user())  # the emulator may write a line only with the next call
        events = gateway.aws.client("logs").filter_log_events(
            logGroupName=gateway.log_group("Password"), filterPattern="user_unknown"
        )["events"]
        found = [json.loads(event["message"]) for event in events]
        return [line for line in found if line["correlation_id"] == response.headers["x-request-id"]]

    (line,) = until(lines)
    assert (line["level"], line["reason"]) == ("WARNING", "status 503")


def test_session_of_a_version_without_names_still_works(gateway: Gateway) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    session = "session#" + signed_in["refresh_token"].partition(".")[0]
    (bearer,) = gateway.bearers_of(signed_in["refresh_token"])
    gateway.state.remove(session, "name", "email", "permission_group")
    gateway.bearers.remove(bearer["id"]["S"], "name", "email", "permission_group")
    assert caller.session(signed_in["api_token"]).status == 200
    assert caller.rotate(signed_in["refresh_token"])
