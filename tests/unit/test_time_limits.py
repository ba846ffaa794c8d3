"""Time limits, calculated: a function responds although its site is as slow as it can be and AWS does not respond."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from shotgrid_login import aws
from shotgrid_login.app_session_launcher import REQUEST_SECONDS
from shotgrid_login.refresh import WAIT_SECONDS
from shotgrid_login.site import ABOUT_SECONDS, RESPONSE_SECONDS, USER_SECONDS
from tests.local.stack import REGION, ROOT
from tests.support.template import translate

# API Gateway stops waiting for a function after this time. Seconds.
API_GATEWAY_SECONDS = 29

SIGN_IN = RESPONSE_SECONDS + USER_SECONDS
REFRESH = WAIT_SECONDS + RESPONSE_SECONDS + USER_SECONDS

# The longest time for the site, and how many calls to AWS can hang: one that fails, and perhaps one that cleans up.
# `test_template` has the limit of the function `Approval`, which can be killed: its lease is longer than its timeout.
LONGEST = {
    "Password": (SIGN_IN, 1),
    "Otp": (SIGN_IN, 1),
    "Refresh": (REFRESH, 2),
    "AccessToken": (max(SIGN_IN, REFRESH), 2),
    "Browser": (REQUEST_SECONDS, 2),
    "Methods": (ABOUT_SECONDS, 0),
    "Logout": (0, 1),
    "Session": (0, 1),
    "Authorizer": (0, 1),
}


@cache
def resources() -> dict[str, Any]:
    found: dict[str, Any] = translate(ROOT / "template.yaml")["Resources"]
    return found


def timeout(function: str) -> int:
    """Return the timeout of a function in the template. Seconds."""
    return int(resources()[f"{function}Function"]["Properties"]["Timeout"])


def longest_aws_call(monkeypatch: pytest.MonkeyPatch) -> float:
    """Return how long a call takes until the SDK gives up: its tries, and the longest pauses between them. Seconds."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    config: Any = aws.dynamodb.__wrapped__().meta.config
    tries = config.retries["total_max_attempts"]
    pauses = sum(2**number for number in range(tries - 1))  # `botocore.retries.standard.ExponentialBackoff`
    return float(tries * max(config.connect_timeout, config.read_timeout) + pauses)


@pytest.mark.parametrize("function", LONGEST)
def test_function_responds_in_time_although_the_site_is_slow_and_aws_does_not_respond(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, aws_calls = LONGEST[function]
    assert site + aws_calls * longest_aws_call(monkeypatch) < min(timeout(function), API_GATEWAY_SECONDS)
