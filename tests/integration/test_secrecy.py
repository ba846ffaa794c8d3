"""After all other tests: no secret is in a log, and none is in a table in the clear.

The other tests have remembered every password, code, token, handle, challenge and user name that they used.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from tests.support.client import Gateway

pytestmark = pytest.mark.last

SHORTEST_SECRET = 6  # characters: a code of an app


@pytest.fixture
def used(gateway: Gateway) -> Gateway:
    """A gateway that has received each kind of secret, even if these tests run alone."""
    user = gateway.new_user(two_factor=True)
    caller = gateway.caller(origin="http://pages.login.localhost:8002")
    challenge = caller.password(user)
    caller.otp(challenge, "914827")
    caller.otp("tampered" + challenge.body["challenge"], "914827")
    token = caller.otp(challenge, gateway.site.code(user.login)).body
    caller.refresh(token["refresh_token"])
    caller.session(token["access_token"])
    caller.session(token["access_token"] + "x")
    caller.logout(token["refresh_token"])
    caller.signed_in(gateway.new_user(two_factor=True), transport="cookie")
    caller.password(user, "a wrong password")
    query = f"?username={user.login}&password={user.password}"
    caller.send("POST", f"/auth/password{query}", {"username": user.login, "password": user.password})
    gateway.site.switch(user, fault="html")
    caller.password(user)
    assert caller.password(gateway.new_user(two_factor=True)).status == 202  # a challenge that stays open
    return gateway


def test_logs_contain_no_secret(used: Gateway) -> None:
    log = _function_logs(used)
    secrets = _secrets(used) | used.names
    assert len(secrets) > 15
    assert _find(log, secrets) == []


def test_logs_contain_outcomes_and_metrics(used: Gateway) -> None:
    lines = [json.loads(line) for line in _function_logs(used).splitlines() if line.startswith("{")]
    outcomes = {line["message"] for line in lines if "message" in line}
    assert {"signed_in", "otp_required", "invalid_otp", "signed_out", "session", "rejected", "site_error"} <= outcomes
    assert "unexpected_error" not in outcomes
    metrics = [line for line in lines if "_aws" in line]
    assert any("signed_in" in metric and metric["route"] == "/auth/otp" for metric in metrics)
    signed_in = next(line for line in lines if line.get("message") == "signed_in")
    assert signed_in.keys() >= {"correlation_id", "user", "route", "status", "level", "service"}


def test_tables_contain_no_secret_in_the_clear(used: Gateway) -> None:
    rows = [*used.state.all(), *used.bearers.all()]
    kinds = {row["id"]["S"].partition("#")[0] for row in used.state.all()}
    assert {"session", "challenge", "failed"} <= kinds
    held = b"\n".join(_values(rows)).decode("latin-1")
    assert _find(held, {secret.encode().decode("latin-1") for secret in _secrets(used)}) == []


def _secrets(gateway: Gateway) -> set[str]:
    # Shorter secrets of tests are common words and numbers, such as "wrong", which appear in every log.
    return {secret for secret in gateway.secrets | gateway.site.secrets if len(secret) >= SHORTEST_SECRET}


def _find(text: str, secrets: set[str]) -> list[str]:
    """Return the secrets that the text contains, in one pass: there are thousands of secrets and megabytes of text."""
    by_start: dict[str, list[str]] = defaultdict(list)
    for secret in secrets:
        by_start[secret[:SHORTEST_SECRET]].append(secret)
    found = set()
    for position in range(len(text)):
        for secret in by_start.get(text[position : position + SHORTEST_SECRET], ()):
            if text.startswith(secret, position) and (len(secret) > 8 or _stands_alone(text, secret, position)):
                found.add(secret)
    return sorted(found)


def _stands_alone(text: str, secret: str, position: int) -> bool:
    """Whether a short secret is a word of its own: the digits of a code can be part of a number, such as a time."""
    end = position + len(secret)
    return not (text[position - 1 : position].isalnum() or text[end : end + 1].isalnum())


def _function_logs(gateway: Gateway) -> str:
    logs = gateway.aws.client("logs")
    lines = []
    for group in logs.get_paginator("describe_log_groups").paginate().search("logGroups[].logGroupName"):
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
            lines += [event["message"] for event in page["events"]]
    return "\n".join(lines)


def _values(value: Any) -> list[bytes]:
    if isinstance(value, dict):
        return [part for item in value.values() for part in _values(item)]
    if isinstance(value, list):
        return [part for item in value for part in _values(item)]
    return [value if isinstance(value, bytes) else str(value).encode()]
