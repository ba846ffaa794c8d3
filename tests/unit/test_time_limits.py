"""Time limits, calculated: a function responds although its site is as slow as it can be and AWS does not respond."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from shotgrid_login import aws
from shotgrid_login.app_session_launcher import REQUEST_SECONDS
from shotgrid_login.refresh import WAIT_SECONDS
from shotgrid_login.site import ABOUT_SECONDS, RESPONSE_SECONDS, USER_SECONDS
from tests.local.stack import ROOT
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


def longest_aws_call() -> float:
    """Return how long a call takes until the client gives up: its two tries, and the pause between them. Seconds."""
    return 2 * max(aws.CONNECT_SECONDS, aws.READ_SECONDS) + aws.PAUSE_SECONDS


@pytest.mark.parametrize("function", LONGEST)
def test_function_responds_in_time_although_the_site_is_slow_and_aws_does_not_respond(
    function: str,
) -> None:
    site, aws_calls = LONGEST[function]
    assert site + aws_calls * longest_aws_call() < min(timeout(function), API_GATEWAY_SECONDS)
