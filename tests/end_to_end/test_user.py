"""Who has signed in, as the site says it: asked once, kept with the session, and no reason to keep anybody out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.client import Gateway, Response, until

FAULTS = ["503", "drop", "delay:30", "html", "empty", "truncated_json", "not_an_object", "huge", "teapot", "redirect"]


def _known(gateway: Gateway, response: Response) -> dict[str, str]:
    """Return what the authorizer would say of the user that has just signed in."""
    (row,) = gateway.bearers_of(response.body["refresh_token"])
    return {name: row[name]["S"] for name in ("login", "name", "email", "permission_group")}


@pytest.mark.parametrize("two_factor", [False, True])
def test_the_site_is_asked_once_who_it_is(gateway: Gateway, two_factor: bool) -> None:
    user, caller = gateway.new_user(two_factor=two_factor), gateway.caller()
    user.permission_group = "Manager"
    signed_in = caller.signed_in(user)
    known = {"login": user.login, "name": user.name, "email": user.email, "permission_group": "Manager"}
    assert _known(gateway, signed_in) == known
    caller.rotate(signed_in.body["refresh_token"])
    assert [
        {name: row[name]["S"] for name in known} for row in gateway.bearers_of(signed_in.body["refresh_token"])
    ] == [known, known]
    assert gateway.site.reads[user.login, gateway.site.own_row(user.login) or ""] == 1


def test_the_sites_own_endpoint_asks_too(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    response = gateway.caller().access_token(grant_type="password", username=user.login, password=user.password)
    assert response.status == 200
    assert _known(gateway, response)["permission_group"] == "Artist"


def test_who_types_their_address_is_known_by_their_login(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    gateway.names.add(user.email)
    gateway.site.accounts[user.email] = user
    try:
        response = gateway.caller().send("POST", "/auth/password", {"username": user.email, "password": user.password})
    finally:
        del gateway.site.accounts[user.email]
    assert response.status == 200, response.text
    assert response.body["user"]["login"] == user.login
    assert _known(gateway, response)["login"] == user.login


@pytest.mark.parametrize("fault", FAULTS)
def test_a_site_that_does_not_say_who_it_is_keeps_nobody_out(gateway: Gateway, fault: str) -> None:
    user = gateway.new_user(two_factor=False, user_fault=fault)
    response = gateway.caller().password(user)
    assert response.status == 200, response.text
    assert response.body["user"] == {"type": "HumanUser", "id": user.id, "login": user.login}
    assert _known(gateway, response) == {"login": user.login, "name": "", "email": "", "permission_group": ""}
    assert gateway.caller().session(response.body["access_token"]).status == 200


def test_a_site_that_does_not_say_is_told_to_the_log(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False, user_fault="503")
    request_id = gateway.caller().password(user).headers["x-request-id"]

    def lines() -> list[dict[str, Any]]:
        gateway.caller().password(gateway.new_user())  # a line may reach the log only with the next call
        events = gateway.aws.client("logs").filter_log_events(
            logGroupName=gateway.log_group("Password"), filterPattern="person_unknown"
        )["events"]
        found = [json.loads(event["message"]) for event in events]
        return [line for line in found if line["correlation_id"] == request_id]

    (line,) = until(lines)
    assert (line["level"], line["reason"]) == ("WARNING", "status 503")


def test_a_session_from_before_the_site_was_asked_goes_on(gateway: Gateway) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    session = "session#" + signed_in["refresh_token"].partition(".")[0]
    (bearer,) = gateway.bearers_of(signed_in["refresh_token"])
    gateway.state.remove(session, "name", "email", "permission_group")
    gateway.bearers.remove(bearer["id"]["S"], "name", "email", "permission_group")
    assert caller.session(signed_in["access_token"]).status == 200
    assert caller.rotate(signed_in["refresh_token"])
