"""No secret is in a log, and none is in a table in the clear.

The fixture `gateway` checks the same again at the end of each worker, for everything that its tests have done.
"""

from __future__ import annotations

import json
import time

import pytest

from shotgrid_login import __version__
from tests.local.stack import STACK
from tests.support.client import Gateway
from tests.support.secrecy import function_logs, secrets_in_logs, secrets_in_tables

pytestmark = pytest.mark.last


@pytest.fixture(scope="module")
def used(gateway: Gateway) -> Gateway:
    """A gateway that has received each kind of secret, even if these tests run alone."""
    user = gateway.new_user(two_factor=True)
    caller = gateway.caller(origin="http://pages.login.localhost:8002")
    challenge = caller.password(user)
    caller.otp(challenge, "914827")
    caller.otp("tampered" + challenge.body["challenge"], "914827")
    token = caller.otp(challenge, gateway.site.code(user.login)).body
    caller.refresh(token["refresh_token"])
    caller.session(token["api_token"])
    caller.session(token["api_token"] + "x")
    caller.logout(token["refresh_token"])
    caller.signed_in(gateway.new_user(two_factor=True), transport="cookie")
    caller.password(user, "a wrong password")
    query = f"?username={user.login}&password={user.password}"
    caller.send("POST", f"/auth/password{query}", {"username": user.login, "password": user.password})
    gateway.site.switch(user, fault="html")
    caller.password(user)
    assert caller.password(gateway.new_user(two_factor=True)).status == 202  # a challenge that stays open
    started = caller.browser()
    gateway.site.approve(started.body["approval_url"], gateway.new_user(kind="autodesk", user_fault="503"))
    caller.approval("tampered" + started.body["challenge"])
    assert caller.approval(started).status == 200
    gateway.site.approve(caller.browser().body["approval_url"], gateway.new_user())
    return gateway


def test_logs_contain_no_secret(used: Gateway) -> None:
    assert len(used.secrets | used.names) > 15
    assert secrets_in_logs(used) == []


def test_secret_in_a_log_or_a_table_is_found(used: Gateway) -> None:
    group = used.log_group("Password")
    stream = used.aws.client("logs").describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    event = {"timestamp": int(time.time() * 1000), "message": "a log line with planted-secret in it"}
    used.aws.client("logs").put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
    used.state.put({"id": {"S": "planted"}, "sealed": {"B": b"x-planted-secret-y"}})
    used.secrets.add("planted-secret")
    try:
        assert secrets_in_logs(used) == ["planted-secret"]
        assert secrets_in_tables(used) == ["planted-secret"]
    finally:
        used.secrets.remove("planted-secret")
        used.aws.client("dynamodb").delete_item(TableName=used.outputs["StateTable"], Key={"id": {"S": "planted"}})


def test_logs_contain_outcomes_and_metrics(used: Gateway) -> None:
    lines = [json.loads(line) for line in function_logs(used).splitlines() if line.startswith("{")]
    outcomes = {line["message"] for line in lines if "message" in line}
    assert {"signed_in", "otp_required", "invalid_otp", "signed_out", "session", "rejected", "site_error"} <= outcomes
    assert "approval_required" in outcomes
    assert "unexpected_error" not in outcomes
    assert {line.get("version") for line in lines if "message" in line} == {__version__}
    rejected = next(line for line in lines if line.get("message") == "invalid_otp")
    assert rejected["failed_sign_in"] == 1
    assert rejected["stack"] == STACK
    signed_in = next(line for line in lines if line.get("message") == "signed_in")
    assert signed_in.keys() >= {"correlation_id", "user", "route", "status", "level", "service"}


def test_line_names_no_user_whom_the_site_has_not_identified(used: Gateway) -> None:
    lines = [json.loads(line) for line in function_logs(used).splitlines() if line.startswith("{")]
    failures = [line for line in lines if line.get("message") in ("otp_required", "invalid_otp", "invalid_credentials")]
    assert len({line["message"] for line in failures}) == 3
    assert [line for line in failures if "user" in line] == []


def test_tables_contain_no_secret_in_the_clear(used: Gateway) -> None:
    kinds = {row["id"]["S"].partition("#")[0] for row in used.state.all()}
    assert {"session", "challenge", "failed", "approval", "start"} <= kinds
    assert secrets_in_tables(used) == []
