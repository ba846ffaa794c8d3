"""A studio's WebSocket API, deployed from the example: who may connect."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import InvalidStatus

from tests.local.stack import LocalAws
from tests.support.client import Gateway
from tests.support.studio_apis import LiveApi, deploy_live_api

pytestmark = pytest.mark.xdist_group("studio_apis")

# API Gateway's response to a function that fails with "Unauthorized"; the emulator says 500, which a browser cannot see.
REFUSED = (401, 500)


@pytest.fixture(scope="module")
def live_api(aws: LocalAws, gateway: Gateway) -> LiveApi:
    assert gateway.outputs["AuthorizerArn"]  # it is there
    return deploy_live_api(aws)


def test_a_page_connects_with_its_bearer_as_a_subprotocol(gateway: Gateway, live_api: LiveApi) -> None:
    user = gateway.new_user()
    signed_in = gateway.caller().signed_in(user).body
    with live_api.connect("shotgrid-login", f"bearer.{signed_in['access_token']}") as connection:
        connection.send('{"action": "who"}')
        who = json.loads(connection.recv(timeout=60))["who"]
    assert who["login"] == user.login
    assert who["session_id"] == signed_in["refresh_token"].partition(".")[0]


def test_a_program_may_send_a_header_beside(gateway: Gateway, live_api: LiveApi) -> None:
    token = gateway.caller().signed_in(gateway.new_user()).body["access_token"]
    with live_api.connect("shotgrid-login", authorization=f"Bearer {token}") as connection:
        connection.send("{}")
        assert json.loads(connection.recv(timeout=60))["who"]["user_type"] == "HumanUser"


def test_without_a_bearer_nobody_connects(gateway: Gateway, live_api: LiveApi) -> None:
    signed_in = gateway.caller().signed_in(gateway.new_user()).body
    token = signed_in["access_token"]
    for subprotocols in [
        ("shotgrid-login",),
        (token,),
        ("shotgrid-login", "bearer.unknown"),
        ("shotgrid-login", f"bearer.{token}", "bearer.unknown"),
        ("shotgrid-login", f"bearer.{signed_in['refresh_token']}"),
    ]:
        with pytest.raises(InvalidStatus) as refused, live_api.connect(*subprotocols):
            pass
        assert refused.value.response.status_code in REFUSED
    with pytest.raises(InvalidStatus) as refused, live_api.connect():
        pass
    assert refused.value.response.status_code == 401


def test_signed_out_is_refused_at_once(gateway: Gateway, live_api: LiveApi) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    caller.logout(signed_in["refresh_token"])
    with (
        pytest.raises(InvalidStatus) as refused,
        live_api.connect("shotgrid-login", f"bearer.{signed_in['access_token']}"),
    ):
        pass
    assert refused.value.response.status_code in REFUSED
