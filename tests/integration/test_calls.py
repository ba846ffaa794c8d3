"""The AWS calls of the deployed functions, as CloudTrail recorded them, compared with the template's roles.

A role that allows a call that its function never makes would not show in other tests.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from typing import Any

import pytest

from shotgrid_login.hashes import Hashes
from tests.support.client import OTHER_PAGE, Gateway, Response, expire_access_token, session_row
from tests.support.template import FUNCTIONS, Grant, granted

# One look-up for each action, because the emulator returns only the last fifty events.
ACTIONS = ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Encrypt", "Decrypt", "GenerateMac"]

RETIRED = "retired"  # a kind of row that only earlier versions use. During an update they run with the new roles.


@pytest.fixture(scope="module")
def calls(gateway: Gateway) -> dict[str, set[Grant]]:
    """Use every feature of the functions, and return the calls of each function."""
    _restart_functions(gateway)
    with gateway.aws.recording():
        _use_everything(gateway)
    found: dict[str, set[Grant]] = defaultdict(set)
    for function in FUNCTIONS:
        for action in ACTIONS:
            attributes = {"AccessKeyId": _access_key(gateway, function), "EventName": action}
            events = gateway.aws.client("cloudtrail").lookup_events(
                LookupAttributes=[{"AttributeKey": name, "AttributeValue": value} for name, value in attributes.items()]
            )["Events"]
            found[function] |= {_call(gateway, json.loads(event["CloudTrailEvent"])) for event in events}
    return found


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_makes_every_call_that_its_role_allows_and_no_other(
    calls: dict[str, set[Grant]], function: str
) -> None:
    of_earlier_versions = {grant for grant in granted(function) if grant[2] == RETIRED}
    assert calls[function] == granted(function) - of_earlier_versions


def _restart_functions(gateway: Gateway) -> None:
    """Let each function start again: some calls are made once per instance, and the emulator forgets old events."""
    for function in FUNCTIONS:
        gateway.aws.kill(f"{function}Function")


def _use_everything(gateway: Gateway) -> None:
    gateway.caller().send("GET", "/shotgrid-login.js")
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    caller.password(user, "wrong")
    assert caller.otp(challenge, "000000").code == "invalid_otp"
    old = caller.signed_in(gateway.new_user(two_factor=False)).body["refresh_token"]
    old = caller.signed_in(gateway.new_user(two_factor=False), refresh_token=old).body["refresh_token"]
    user = gateway.new_user(two_factor=True)
    challenge = caller.password(user)
    gateway.site.switch(user, fault="503")
    caller.otp(challenge, "123456")
    gateway.site.switch(user, fault="")
    signed_in = caller.otp(challenge, gateway.site.code(user.login), refresh_token=old)
    handles = [signed_in.body["refresh_token"]]
    gateway.state.set(session_row(handles[0]), idle_expires_at=int(time.time()) + 60)
    caller.session(caller.refresh(handles[0]).body["api_token"])
    for _ in range(2):
        handles.append(caller.rotate(handles[-1]))
    caller.refresh(handles[0])
    handles = [caller.signed_in(gateway.new_user()).body["refresh_token"]]
    for _ in range(2):
        handles.append(caller.rotate(handles[-1]))
    caller.logout(handles[0])
    handle = caller.signed_in(gateway.new_user()).body["refresh_token"]
    caller.send("POST", "/auth/logout", {"refresh_token": handle, "everywhere": True})
    _use_the_token_endpoint(gateway)
    _use_the_browser(gateway)


def _use_the_token_endpoint(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=False), gateway.caller()

    def sign_in(password: str = user.password) -> Response:
        return caller.access_token(grant_type="password", username=user.login, password=password)

    def refresh(handle: str) -> Response:
        return caller.access_token(grant_type="refresh_token", refresh_token=handle)

    sign_in("wrong")
    handles = [sign_in().body["refresh_token"]]
    for _ in range(3):
        expire_access_token(gateway, handles[-1])
        handles.append(refresh(handles[-1]).body["refresh_token"])
    refresh(handles[0])  # replayed: ends the session


def _use_the_browser(gateway: Gateway) -> None:
    page = gateway.caller(origin=OTHER_PAGE)
    page.methods()
    old = page.signed_in(gateway.new_user()).body["refresh_token"]
    for decide in (gateway.site.decline, lambda url: gateway.site.approve(url, gateway.new_user())):
        started = page.browser()
        decide(started.body["approval_url"])
        page.approval(started, refresh_token=old)
    page.approval(started)
    network = Hashes(gateway.aws.client("kms"), gateway.outputs["HashKeyArn"]).network(page.address)
    gateway.state.set(f"start#address#{network}", expires_at=int(time.time()) - 1)
    page.browser()


def _call(gateway: Gateway, record: dict[str, Any]) -> Grant:
    action, request = record["eventName"], record["requestParameters"]
    match record["eventSource"]:
        case "dynamodb.amazonaws.com" if "IndexName" in request:
            return "state", action, request["IndexName"]
        case "dynamodb.amazonaws.com" if request["TableName"] == gateway.outputs["StateTable"]:
            return "state", action, (request.get("Key") or request["Item"])["id"]["S"].partition("#")[0]
        case "dynamodb.amazonaws.com" if request["TableName"] == gateway.outputs["BearersTable"]:
            return "bearers", action, ""
        case "kms.amazonaws.com" if request["KeyId"] == gateway.outputs["KeyArn"]:
            return "key", action, request["EncryptionContext"]["purpose"]
        case "kms.amazonaws.com" if request["KeyId"] == gateway.outputs["HashKeyArn"]:
            return "hash key", action, ""
        case source:
            return source, action, str(request)


def _access_key(gateway: Gateway, function: str) -> str:
    """Return the access key of a function: the emulator derives it from function and role."""
    name = gateway.aws.resource(f"{function}Function")
    deployed = gateway.aws.client("lambda").get_function_configuration(FunctionName=name)
    digest = hashlib.sha256(f"{deployed['FunctionArn']}:{deployed['Role']}".encode()).hexdigest()
    return f"ASIA{digest[:16].upper()}"
