"""Calls with GET that start a function before a user needs it."""

from __future__ import annotations

import json
import re
import runpy
from typing import Any

import pytest

from shotgrid_login import cookie, gateway, http, log
from shotgrid_login.site import Site
from shotgrid_login.table import Table
from tests.local.in_process import InProcessAws
from tests.local.stack import ROOT
from tests.site.fake_site import FakeSite
from tests.support.core import Core, Storage
from tests.support.lambda_events import ENVIRONMENT, Context, event
from tests.support.meetings import MeetingClient, Meetings
from tests.support.template import resources, template

ORIGIN = "https://pages.example"


class Endpoint:
    """A route that can be warmed up, and what was called."""

    def __init__(self) -> None:
        self.called: list[str] = []

        @http.endpoint("POST", frozenset({ORIGIN}), warm_up=lambda: self.called.append("warm_up"))
        def handler(request: http.Request) -> http.Response:
            self.called.append("handler")
            return http.Response(200, "handled")

        self.handler = handler

    def get(self, **changes: Any) -> dict[str, Any]:
        return self.handler(event(httpMethod="GET", body=None, **changes), Context())


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    endpoint = Endpoint()
    monkeypatch.setattr(log, "record_response", lambda *_: endpoint.called.append("recorded"))
    return endpoint


def test_get_only_warms_up_and_leaves_no_trace(endpoint: Endpoint) -> None:
    response = endpoint.get(headers={"Origin": ORIGIN})
    assert (response["statusCode"], response["body"]) == (204, "")
    assert response["headers"]["access-control-allow-origin"] == ORIGIN
    assert response["headers"]["cache-control"] == "private, max-age=300"
    assert endpoint.called == ["warm_up"]


def test_page_of_the_gateway_can_warm_up_although_its_get_has_a_cookie_and_no_origin(endpoint: Endpoint) -> None:
    assert endpoint.get(headers={"Cookie": f"{cookie.SESSION}=x"})["statusCode"] == 204
    assert endpoint.called == ["warm_up"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": {"Origin": "https://other.example"}}, 403),
        ({"headers": {"Origin": "null"}}, 403),
        ({"queryStringParameters": {"password": "x"}}, 400),
    ],
)
def test_rejected_get_warms_nothing_up(endpoint: Endpoint, changes: dict[str, Any], status: int) -> None:
    assert endpoint.get(**changes)["statusCode"] == status
    assert endpoint.called == ["recorded"]


def test_post_and_preflight_do_not_warm_up(endpoint: Endpoint) -> None:
    preflight = endpoint.handler(event(httpMethod="OPTIONS", body=None, headers={"Origin": ORIGIN}), Context())
    assert preflight["headers"]["access-control-max-age"] == "7200"  # it outlives the pauses between two refreshes
    endpoint.handler(event(), Context())
    assert endpoint.called == ["handler", "recorded"]


def test_sign_ins_connect_to_aws_and_change_nothing(in_process_aws: InProcessAws, site: FakeSite) -> None:
    meetings = Meetings()
    storage = Storage.create(in_process_aws, "warm-up", lambda client: MeetingClient(client, meetings))
    core = Core(storage, site)
    core.restart()
    with meetings.expected(["generate"], ["get name"], ["get failed user"]):
        core.sign_in().warm_up()
    core.restart()
    with meetings.expected(["generate"], ["update start"]):
        core.browser_sign_in().warm_up()
    assert list(Table(in_process_aws.client("dynamodb"), "warm-up-state").scan("")) == []


@pytest.mark.parametrize("function", ["pages", "methods", "refresh"])
def test_schedule_only_starts_a_function(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (rule,) = resources("AWS::Events::Rule").values()
    events = {target["Id"]: json.loads(target["Input"]) for target in rule["Targets"]}
    assert events.keys() == {"pages", "methods", "refresh"}
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    called: list[object] = []
    monkeypatch.setattr(log, "record_response", lambda *_: called.append("recorded"))
    monkeypatch.setattr(Site, "sign_in_methods", lambda _: called.append("site"))
    monkeypatch.setattr(gateway, "sessions", lambda **_: None)
    monkeypatch.setattr(gateway, "_state_table", lambda: None)
    app = runpy.run_path(str(ROOT / "functions" / function / "app.py"))
    assert app["handler"](events[function], Context())["statusCode"] < 300
    assert called == []


def test_each_scheduled_function_allows_only_the_schedule_to_call_it() -> None:
    (rule,) = resources("AWS::Events::Rule").values()
    scheduled = [target["Arn"]["Fn::GetAtt"][0] for target in rule["Targets"]]
    permissions = [
        permission
        for permission in resources("AWS::Lambda::Permission").values()
        if permission["Principal"] == "events.amazonaws.com"
    ]
    assert [permission["FunctionName"]["Ref"] for permission in permissions] == scheduled
    for permission in permissions:
        assert permission["SourceArn"] == {"Fn::GetAtt": ["KeepWarmRule", "Arn"]}
    optional = [one for name, one in template()["Resources"].items() if name.startswith("KeepWarm")]
    assert [one["Condition"] for one in optional] == ["HasSchedule"] * 4
    assert template()["Parameters"]["KeepWarm"]["Default"] == "off"


def test_routes_that_can_be_warmed_up_have_the_method_get() -> None:
    warmed = {
        f"/auth/{path.parent.name}"
        for path in ROOT.glob("functions/*/app.py")
        if re.search(r"@http\.endpoint\(.*warm_up=", path.read_text())
    }
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    both = {path for path, methods in api["Body"]["paths"].items() if {"get", "post"} <= methods.keys()}
    assert warmed == both == {"/auth/password", "/auth/otp", "/auth/browser", "/auth/approval"}
