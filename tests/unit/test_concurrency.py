"""How many executions at once a flood can use, with the default throttles and the places for callers who wait for the
site: the table of docs/operations.md.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

import pytest

from shotgrid_login import approvals, challenges
from shotgrid_login.app_session_launcher import POLL_SECONDS, REQUEST_SECONDS
from shotgrid_login.failed_attempts import ALL_BY_NETWORK, ALL_STARTS_BY_NETWORK
from shotgrid_login.places import POLLS, REFRESHES, SIGN_INS, STARTS
from shotgrid_login.refresh import WAIT_SECONDS
from shotgrid_login.site import ABOUT_SECONDS, RESPONSE_SECONDS, USER_SECONDS
from shotgrid_login_ops.account.concurrency import MODULES
from tests.bench.morning import NEW_ACCOUNT_CONCURRENCY
from tests.local.stack import ROOT
from tests.support.docs import section, tables
from tests.support.template import FUNCTIONS, resources, template

# The longest time of each call to the site, in the order of the calls.
SITE_CALLS = {
    "POST /auth/password": [RESPONSE_SECONDS, USER_SECONDS],
    "POST /auth/otp": [RESPONSE_SECONDS, USER_SECONDS],
    "POST /auth/refresh": [RESPONSE_SECONDS, USER_SECONDS],
    "POST /api/v1/auth/access_token": [RESPONSE_SECONDS, USER_SECONDS],
    "POST /api/v1.1/auth/access_token": [RESPONSE_SECONDS, USER_SECONDS],
    "POST /auth/browser": [REQUEST_SECONDS],
    "POST /auth/approval": [POLL_SECONDS],  # the user has not decided
    "GET /auth/methods": [ABOUT_SECONDS],
}
# Routes that need what the site has made possible: a challenge or an approval. Each ends after this time.
ENDS_AFTER = {"POST /auth/otp": challenges.LIFETIME, "POST /auth/approval": approvals.LIFETIME}

TOKEN_ENDPOINTS = ["POST /api/v1/auth/access_token", "POST /api/v1.1/auth/access_token"]

# The routes whose requests count as attempts of their network.
ATTEMPTS = ["POST /auth/password", "POST /auth/otp", *TOKEN_ENDPOINTS]

# The routes whose calls of the site need a place.
PLACES = {
    SIGN_INS: ATTEMPTS,
    STARTS: ["POST /auth/browser"],
    POLLS: ["POST /auth/approval"],
    REFRESHES: ["POST /auth/refresh"],
}

FILES = ["GET /", "GET /{file}", "GET /example/{file+}"]
AWS_SECONDS = 0.1  # all calls to AWS of a request
FAST_SECONDS = 0.02  # a preflight or a file

# The response time of the site in each row of the table. Seconds.
SITES = {"0.3 s": 0.3, "3 s": 3, "never": math.inf}

# Quotas of Lambda: executions at once in an account by default, and how many of them functions cannot reserve.
DEFAULT_QUOTA = 1000
UNRESERVED = 100


def default(parameter: str) -> int:
    number: int = template()["Parameters"][parameter]["Default"]
    return number


def routes() -> list[str]:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    return [f"{method.upper()} {path}" for path, methods in api["Body"]["paths"].items() for method in methods]


def number(limit: Any) -> int:
    return default(limit["Ref"]) if isinstance(limit, dict) else int(limit)


def throttles() -> dict[str, tuple[Any, Any]]:
    """Return the rate and the burst of each route: a number, or a reference to a parameter."""
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    settings: dict[tuple[str, str], dict[str, Any]] = {
        (row["HttpMethod"], row["ResourcePath"]): row for row in stage["MethodSettings"]
    }
    found = {}
    for route in routes():
        method, _, path = route.partition(" ")
        # The first slash stays (AWS documentation: AWS::ApiGateway::Stage MethodSetting).
        encoded = "/" if path == "/" else "/" + path.replace("/", "~1")
        row = settings.pop((method, encoded), None) or settings["*", "/*"]
        found[route] = row["ThrottlingRateLimit"], row["ThrottlingBurstLimit"]
    assert settings.keys() == {("*", "/*")}  # each other setting is for a route
    return found


def rate(route: str) -> int:
    return number(throttles()[route][0])


def is_fast(route: str) -> bool:
    return route.startswith("OPTIONS ") or route in FILES


def own_seconds(route: str) -> float:
    """Return the time of a request without its waits for the site."""
    return FAST_SECONDS if is_fast(route) else AWS_SECONDS


def waited_seconds(route: str, site: float, *, is_signed_in: bool) -> float:
    """Return the time that a request waits for the site. A call that reaches its limit is the last one."""
    calls = SITE_CALLS.get(route, [])  # none if a route is only warmed up
    if not is_signed_in:  # no refresh without a session, and no second call without an accepted password
        calls = [] if route == "POST /auth/refresh" else calls[:1]
    return sum(min(site, limit) for limit in calls) if calls and site < calls[0] else sum(calls[:1])


def executions(site: float, *, is_signed_in: bool, waits: Mapping[str, float] | None = None) -> float:
    """Return the executions at once while a flood lasts.

    `waits`: for a route, how many of its requests per second can wait for the site, if it is not all of them.
    """
    with_authorizer = {"GET /auth/session": 2 if is_signed_in else 1}  # a rejected bearer runs only the authorizer
    own = sum(with_authorizer.get(route, 1) * rate(route) * own_seconds(route) for route in throttles())
    waiting = {
        route: (waits or {}).get(route, rate(route)) * waited_seconds(route, site, is_signed_in=is_signed_in)
        for route in SITE_CALLS
    }
    total = own + sum(number for route, number in waiting.items() if route not in itertools.chain(*PLACES.values()))
    for kind, routes in PLACES.items():
        # Others wait for the caller that refreshes their session. The token endpoints refresh sessions, too.
        refreshing = ["POST /auth/refresh", *TOKEN_ENDPOINTS] if kind is REFRESHES and is_signed_in else []
        others = sum(map(rate, refreshing)) * min(site, WAIT_SECONDS)
        total += min(sum(waiting[route] for route in routes), kind.limit + others)
    return total


def executions_of_one_network(site: float) -> float:
    """Return the executions at once of anonymous callers in one network, on average."""
    attempts, starts = (limit.free / limit.memory for limit in (ALL_BY_NETWORK, ALL_STARTS_BY_NETWORK))
    waits = {route: attempts * rate(route) / sum(map(rate, ATTEMPTS)) for route in ATTEMPTS}
    return executions(site, is_signed_in=False, waits=waits | {"POST /auth/browser": starts})


def test_each_route_has_the_throttle_of_its_kind() -> None:
    def parameters(prefix: str) -> tuple[Any, Any]:
        return {"Ref": f"{prefix}ThrottleRate"}, {"Ref": f"{prefix}ThrottleBurst"}

    preflights = [route for route in routes() if route.startswith("OPTIONS ")]
    assert len(preflights) == 10
    own = {
        **dict.fromkeys([*FILES, *preflights], parameters("File")),
        "POST /auth/approval": parameters("Approval"),
        "POST /api/v1/auth/access_token": (4, 8),
        "POST /api/v1.1/auth/access_token": (2, 4),
    }
    assert throttles() == dict.fromkeys(routes(), parameters("")) | own


def test_each_setting_of_a_route_is_complete() -> None:
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    every_route, *single_routes = stage["MethodSettings"]
    for row in single_routes:
        assert row.keys() == every_route.keys()
        assert row["MetricsEnabled"] == every_route["MetricsEnabled"]


def rounded(number: float) -> str:
    return f"{round(number, -1):,.0f}"


def test_operations_guide_has_the_concurrency_of_a_flood() -> None:
    _, places, rows = tables(section(ROOT / "docs" / "operations.md", "Concurrency"))
    assert [int(row[1]) for row in places] == [kind.limit for kind in PLACES]
    calculated = {
        name: [rounded(executions(site, is_signed_in=is_signed_in)) for is_signed_in in (False, True)]
        for name, site in SITES.items()
    }
    assert {name: numbers for name, *numbers in rows} == calculated
    text = " ".join(section(ROOT / "docs" / "operations.md", "Concurrency").split())
    fast, slow, never = (anonymous for anonymous, _ in calculated.values())
    assert f"can use {fast} executions if the site responds in 0.3 s, {slow} if it needs 3 s, and {never} if it" in text
    assert {*ENDS_AFTER.values()} == {5 * 60}
    later = executions(math.inf, is_signed_in=False, waits=dict.fromkeys(ENDS_AFTER, 0))
    assert f"Then it is {rounded(later)} after five minutes" in text
    assert f"uses at most {rounded(executions_of_one_network(math.inf))} on average" in text
    bursts = {route: number(burst) for route, (_, burst) in throttles().items()}
    fast_bursts = sum(burst for route, burst in bursts.items() if is_fast(route))
    assert f"up to {rounded(sum(bursts.values()))} more for a moment. {rounded(fast_bursts)} of them are files" in text


def test_operations_guide_has_what_the_throttles_admit() -> None:
    common, polls, files = (default(name) for name in ("ThrottleRate", "ApprovalThrottleRate", "FileThrottleRate"))
    tokens, newer_tokens = map(rate, TOKEN_ENDPOINTS)
    admitted = [
        f"{common} a second: 500 users in {500 // common} seconds",
        f"[{ALL_BY_NETWORK.free // 2} in 5 minutes](http.md#limits-on-attempts): a sign-in with a code is two attempts",
        f"{common} starts a second, and {polls * 5} users beside the visible page, or {polls * 15} in another tab",
        f"{tokens} a second, and {newer_tokens} at `/api/v1.1`. These two throttles have no parameter.",
        f"{files // 6} a second, if a page loads six modules",
        f"{common} a second: {common * 600:,} open pages, if access tokens live for 10 minutes",
    ]
    rows, _, _ = tables(section(ROOT / "docs" / "operations.md", "Concurrency"))
    assert [row[1] for row in rows] == admitted


def test_checks_on_a_real_account_have_the_number_of_settings() -> None:
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    number, text = len(stage["MethodSettings"]), (ROOT / "docs" / "operations.md").read_text()
    assert f"{number} settings. The keys are `*/*` and one for each of the {number - 1} routes with limits" in text


def test_two_users_can_use_up_the_quota_of_a_new_account() -> None:
    text = section(ROOT / "docs" / "operations.md", "Concurrency")
    assert MODULES == 6
    assert NEW_ACCOUNT_CONCURRENCY < 2 * MODULES
    assert f"**A quota of {NEW_ACCOUNT_CONCURRENCY}**" in text
    assert "about six modules at once" in text


def test_operations_guide_has_the_quota_that_reservations_need() -> None:
    text = section(ROOT / "docs" / "operations.md", "Concurrency")
    reserved = 25 * len(FUNCTIONS)
    assert "`ReservedConcurrency=25` and `AuthorizerReservedConcurrency=25`" in text
    assert f"these {reserved}" in text
    assert f"at least {reserved + UNRESERVED}" in text
    assert f"each of the {len(FUNCTIONS) - 1} functions besides the authorizer" in (
        section(ROOT / "docs" / "operations.md", "Parameters")
    )


@pytest.mark.parametrize("site", SITES.values())
def test_flood_uses_no_hundreds_of_executions(site: float) -> None:
    assert executions(site, is_signed_in=False) < 200
    assert executions(site, is_signed_in=True) < DEFAULT_QUOTA - 700  # as docs/operations.md says


def test_every_route_that_calls_the_site_is_counted() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    without_site = re.compile(r"\$\{(Logout|Session|Pages)Function\.")
    warmed_up = {path for path, methods in api["Body"]["paths"].items() if {"get", "post"} <= methods.keys()}
    assert SITE_CALLS.keys() == {
        f"{method.upper()} {path}"
        for path, methods in api["Body"]["paths"].items()
        for method, operation in methods.items()
        if method != "options"
        and not (method == "get" and path in warmed_up)
        and not without_site.search(operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"])
    }


def test_authorizer_reserves_concurrency_with_a_parameter_of_its_own() -> None:
    for name in FUNCTIONS:
        parameter = "AuthorizerReservedConcurrency" if name == "Authorizer" else "ReservedConcurrency"
        reserved = resources("AWS::Lambda::Function")[f"{name}Function"]["ReservedConcurrentExecutions"]
        assert reserved == {"Fn::If": [f"Has{parameter}", {"Ref": parameter}, {"Ref": "AWS::NoValue"}]}
        assert template()["Conditions"][f"Has{parameter}"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, 0]}]}
