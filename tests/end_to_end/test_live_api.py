"""Connections to a studio's WebSocket API that is deployed from the example."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.local.stack import LocalAws
from tests.support.client import Gateway
from tests.support.studio_apis import LiveApi, deploy_live_api

# API Gateway returns 401 if the function fails with "Unauthorized". The emulator returns 500. A browser shows neither.
REJECTED = (401, 500)


@pytest.fixture(scope="module")
def live_api(aws: LocalAws, gateway: Gateway) -> LiveApi:
    assert gateway.outputs["AuthorizerArn"]  # the example imports it
    return deploy_live_api(aws)


@pytest.fixture(scope="module")
def signed_in(gateway: Gateway) -> dict[str, Any]:
    user = gateway.new_user(expires_in=6 * 3600)  # longer than this module runs
    return gateway.caller().signed_in(user).body


def test_page_connects_with_its_bearer_as_a_subprotocol(live_api: LiveApi, signed_in: dict[str, Any]) -> None:
    with live_api.connect("shotgrid-login", f"bearer.{signed_in['api_token']}") as connection:
        connection.send('{"action": "who"}')
        context = json.loads(connection.recv(timeout=60))["who"]
    assert context["login"] == signed_in["user"]["login"]
    assert context["session_id"] == signed_in["refresh_token"].partition(".")[0]


def test_program_connects_with_its_bearer_as_a_header(live_api: LiveApi, signed_in: dict[str, Any]) -> None:
    authorization = f"Bearer {signed_in['api_token']}"
    with live_api.connect("shotgrid-login", authorization=authorization) as connection:
        connection.send("{}")
        assert json.loads(connection.recv(timeout=60))["who"]["login"] == signed_in["user"]["login"]


def test_connection_without_a_bearer_is_rejected(live_api: LiveApi) -> None:
    assert _status(live_api, "shotgrid-login") in REJECTED


def test_connection_without_subprotocols_returns_401(live_api: LiveApi) -> None:
    assert _status(live_api) == 401


def test_connection_is_rejected_at_once_after_sign_out(gateway: Gateway, live_api: LiveApi) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    caller.logout(signed_in["refresh_token"])
    assert _status(live_api, "shotgrid-login", f"bearer.{signed_in['api_token']}") in REJECTED


def _status(live_api: LiveApi, *subprotocols: str) -> int:
    """Return the status of a connection attempt that must fail."""
    with pytest.raises(InvalidStatus) as error, live_api.connect(*subprotocols):
        pass
    return error.value.response.status_code
