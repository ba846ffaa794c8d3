"""Authorizer events of every kind of API, and the responses to them.

The responses are compared with those of Powertools, and evaluated as API Gateway evaluates them.
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import (
    APIGatewayAuthorizerResponseV2,
)

from shotgrid_login.authorizer_events import (
    ApiKind,
    AuthorizerRequest,
    UnknownEvent,
    deny_unknown_event,
    is_too_long,
    require_short_responses,
)
from shotgrid_login.authorizer_rules import Rule, Rules
from shotgrid_login.configuration_error import ConfigurationError
from shotgrid_login.users import LONGEST_TEXT
from tests.support.authorizer_events import (
    API,
    CONTEXT,
    EVENTS,
    STAGE,
    STAGE_ARN,
    http_1,
    http_2,
    powertools_response,
    rest_request,
    rest_token,
    websocket,
    websocket_connect,
    websocket_of_browser,
)

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.c2lnbmF0dXJl"

WHOLE_API = Rule(API, "", frozenset({"Admin"}))
REPORTS = Rule(API, "/reports", frozenset({"Manager"}))

WITH_PATHS = sorted(set(EVENTS) - {"websocket", "websocket_of_browser"})
WITH_AUTHORIZATION = sorted(set(EVENTS) - {"websocket_of_browser"})


def is_allowed(response: dict[str, Any], arn: str) -> bool:
    """Evaluate a policy as API Gateway does: a request needs an Allow and no Deny."""
    effects = {
        statement["Effect"]
        for statement in response["policyDocument"]["Statement"]
        if any(fnmatch.fnmatchcase(arn, resource) for resource in statement["Resource"])
    }
    return effects == {"Allow"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (rest_token, ApiKind.REST),
        (rest_request, ApiKind.REST),
        (http_1, ApiKind.HTTP_1),
        (http_2, ApiKind.HTTP_2),
        (websocket, ApiKind.WEBSOCKET),
        (websocket_of_browser, ApiKind.WEBSOCKET),
    ],
)
def test_event_shows_the_kind_of_api_and_the_bearer(event: Any, kind: ApiKind) -> None:
    request = AuthorizerRequest.from_event(event(f"Bearer {TOKEN}"))
    assert request == AuthorizerRequest(kind, API, STAGE_ARN, TOKEN)


@pytest.mark.parametrize("name", EVENTS)
def test_responses_equal_those_of_powertools(name: str) -> None:
    event = EVENTS[name](f"Bearer {TOKEN}", "/shots/12")
    request = AuthorizerRequest.from_event(event)
    policy_allow, policy_deny = powertools_response(event), powertools_response(event)
    policy_allow.allow_all_routes()
    policy_deny.deny_all_routes()
    policy_deny.context = None
    allow, deny = policy_allow.asdict(), policy_deny.asdict()
    if name == "http_2":
        allow |= APIGatewayAuthorizerResponseV2(authorize=True, context=CONTEXT).asdict()
        deny |= APIGatewayAuthorizerResponseV2(authorize=False).asdict()
    assert request.allow("HumanUser:24", CONTEXT, ()) == allow
    assert request.deny("HumanUser:24") == deny
    assert request.allow("HumanUser:24", CONTEXT, (WHOLE_API,)) == deny


@pytest.mark.parametrize("name", WITH_PATHS)
@pytest.mark.parametrize("requested_path", ["/shots/12", "/reports/7", "/"])
def test_response_covers_every_route_of_the_stage_for_any_requested_path(name: str, requested_path: str) -> None:
    request = AuthorizerRequest.from_event(EVENTS[name](f"Bearer {TOKEN}", requested_path))
    response = request.allow("HumanUser:24", CONTEXT, ())
    for route in ["GET/", "GET/shots", "POST/shots/12", "DELETE/reports", "GET/shots/sh%20010", "GET/a/b:c/d"]:
        assert is_allowed(response, f"{STAGE_ARN}/{route}")
    assert not is_allowed(response, f"{STAGE_ARN.replace(API, 'other12345')}/GET/shots")
    assert not is_allowed(response, f"{STAGE_ARN.removesuffix(STAGE)}test/GET/shots")


@pytest.mark.parametrize("name", WITH_PATHS)
def test_unmet_path_rule_denies_only_paths_that_begin_with_its_path(name: str) -> None:
    request = AuthorizerRequest.from_event(EVENTS[name](f"Bearer {TOKEN}", "/shots"))
    response = request.allow("HumanUser:24", CONTEXT, (REPORTS,))
    assert response["context"] == CONTEXT
    for route in [
        "GET/",
        "GET/shots",
        "POST/shots/reports",
        "GET/shots/reports/7",
        "GET/report",
        "PATCH/x/GET/reports",
    ]:
        assert is_allowed(response, f"{STAGE_ARN}/{route}"), route
    for route in [
        "GET/reports",
        "POST/reports",
        "DELETE/reports/7",
        "GET/reports/",
        "GET/reports-old",
        "GET/reports.csv",
    ]:
        assert not is_allowed(response, f"{STAGE_ARN}/{route}"), route


@pytest.mark.parametrize(
    "path",
    [
        "//reports",
        "/%72eports",
        "/./reports",
        "/x/../reports",
        "/x//../reports",
        "/;a=b/reports",
        "/%2e/reports",
        "/\\reports",
        "/x\\..\\reports",
        "\\reports",
        "/.\\reports",
    ],
)
def test_other_spelling_of_a_denied_path_is_denied(path: str) -> None:
    request = AuthorizerRequest.from_event(rest_request(f"Bearer {TOKEN}"))
    assert not is_allowed(request.allow("HumanUser:24", CONTEXT, (REPORTS,)), f"{STAGE_ARN}/GET{path}")


@pytest.mark.parametrize("method", ["PROPFIND", "get", "TRACE", "*"])
def test_denied_path_is_denied_for_other_methods(method: str) -> None:
    request = AuthorizerRequest.from_event(rest_request(f"Bearer {TOKEN}"))
    assert not is_allowed(request.allow("HumanUser:24", CONTEXT, (REPORTS,)), f"{STAGE_ARN}/{method}/reports")


@pytest.mark.parametrize(
    ("path", "denied"),
    [
        (f"/{STAGE}/reports", ["GET/reports/7", f"GET/{STAGE}/reports"]),
        (f"/{STAGE}", ["GET/reports", "GET/", f"GET/{STAGE}"]),
        (f"/{STAGE}/reports", [f"GET/{STAGE}/shots"]),  # the rules cannot show which paths begin with the stage's name
        (f"/{STAGE}uction", [f"GET/{STAGE}uction"]),
    ],
)
def test_rule_with_the_stage_in_its_path_denies_the_path_without_the_stage(path: str, denied: list[str]) -> None:
    """URLs contain the stage, but ARNs have it before the method."""
    rule = Rule(API, path, frozenset({"Admin"}))
    response = AuthorizerRequest.from_event(rest_request(f"Bearer {TOKEN}")).allow("principal", {}, (rule,))
    for route in denied:
        assert not is_allowed(response, f"{STAGE_ARN}/{route}"), route
    assert is_allowed(response, f"{STAGE_ARN}/GET/shots") == (path != f"/{STAGE}")


def on_custom_domain(event: dict[str, Any], base_path: str) -> dict[str, Any]:
    """Return an event of a request through a custom domain. Its URL has the base path, and its ARN has not."""
    if "http" in event["requestContext"]:
        url = base_path + event["rawPath"]
        http = event["requestContext"]["http"] | {"path": url}
        return event | {"rawPath": url, "requestContext": event["requestContext"] | {"http": http}}
    context = event["requestContext"]
    return event | {"requestContext": context | {"path": base_path + context["path"].removeprefix(f"/{STAGE}")}}


WITH_URL = pytest.mark.parametrize("name", ["rest_request", "http_1", "http_2"])


@WITH_URL
@pytest.mark.parametrize(
    ("base_path", "rule_path"),
    [
        ("/studio", "/studio"),
        ("/studio", "/studio/reports"),
        ("/studio", "/studio/v1/reports"),
        ("/studio/v1", "/studio"),
        ("/studio/v1", "/studio/v1"),
        ("/studio/v1", "/studio/v1/reports"),
    ],
)
@pytest.mark.parametrize("requested_path", ["/shots", "/reports/7", "/", "/a%20b", "/reports//7"])
def test_unmet_rule_with_the_base_path_of_the_domain_denies_everything(
    name: str, base_path: str, rule_path: str, requested_path: str
) -> None:
    """ARNs have no base path, so a policy could not deny the paths that the rule means."""
    event = on_custom_domain(EVENTS[name](f"Bearer {TOKEN}", requested_path), base_path)
    request = AuthorizerRequest.from_event(event)
    rule = Rule(API, rule_path, frozenset({"Admin"}))
    assert request.misplaced((REPORTS, rule)) == (rule,)
    assert request.allow("principal", CONTEXT, (rule,)) == request.deny("principal")


@WITH_URL
@pytest.mark.parametrize("url_base_path", ["//studio", "/studio/", "//studio//"])
def test_more_slashes_in_the_url_do_not_hide_the_base_path(name: str, url_base_path: str) -> None:
    event = on_custom_domain(EVENTS[name](f"Bearer {TOKEN}", "/reports/7"), url_base_path)
    rule = Rule(API, "/studio/reports", frozenset({"Admin"}))
    assert AuthorizerRequest.from_event(event).misplaced((rule,)) == (rule,)


@WITH_URL
@pytest.mark.parametrize("base_path", ["", "/studio", "/studio/v1", "/rep", "/report"])
@pytest.mark.parametrize("requested_path", ["/shots", "/reports/7", "/", "/a%20b"])
def test_rule_without_the_base_path_denies_only_its_paths_on_every_domain(
    name: str, base_path: str, requested_path: str
) -> None:
    event = on_custom_domain(EVENTS[name](f"Bearer {TOKEN}", requested_path), base_path)
    response = AuthorizerRequest.from_event(event).allow("principal", CONTEXT, (REPORTS,))
    assert is_allowed(response, f"{STAGE_ARN}/GET/shots")
    assert not is_allowed(response, f"{STAGE_ARN}/GET/reports/7")


@pytest.mark.parametrize(
    "url",
    [
        {"path": "/studio/shots"},
        {"rawPath": "/studio/shots"},
        {"requestContext": {"path": "/studio/shots"}},
        {"requestContext": {"http": {"path": "/studio/shots"}}},
    ],
)
def test_base_path_is_found_in_every_field_that_can_have_the_url(url: dict[str, Any]) -> None:
    event = {"type": "REQUEST", "version": "2.0", "routeArn": f"{STAGE_ARN}/GET/shots", "headers": {}} | url
    assert AuthorizerRequest.from_event(event).base_paths == {"/studio"}


def test_route_without_a_path_shows_no_base_path() -> None:
    event = http_2(f"Bearer {TOKEN}", "/reports/7") | {"routeArn": f"{STAGE_ARN}/$default"}
    request = AuthorizerRequest.from_event(event)
    assert request.base_paths == frozenset()
    # The policy does not allow such an ARN either: no path can be compared with the rule.
    assert not is_allowed(request.allow("principal", {}, (REPORTS,)), event["routeArn"])


@WITH_URL
def test_path_that_the_url_and_the_arn_write_differently_counts_with_its_first_segment(name: str) -> None:
    event = on_custom_domain(EVENTS[name](f"Bearer {TOKEN}", "/shots/7"), "/studio")
    for arn in ("methodArn", "routeArn"):
        if arn in event:
            event[arn] = event[arn].replace("/shots/7", "/SHOTS/7")
    assert AuthorizerRequest.from_event(event).base_paths >= {"/studio"}


def test_quotes_and_backslashes_in_the_context_are_replaced() -> None:
    request = AuthorizerRequest.from_event(http_2(f"Bearer {TOKEN}"))
    response = request.allow("principal", {"name": 'Ann "Annie" O\\Neil'}, ())
    assert response["context"] == {"name": "Ann 'Annie' O/Neil"}


def response_to_vendor(rules: Rules, stage_arn: str, **context: str) -> dict[str, Any]:
    """Return the response to a user who meets no rule, with the longest values that are usual."""
    request = AuthorizerRequest.from_event(http_2(f"Bearer {TOKEN}") | {"routeArn": f"{stage_arn}/GET/"})
    texts = dict.fromkeys(("login", "name", "email", "permission_group"), "x" * LONGEST_TEXT)
    others = {"user_id": "123456", "user_type": "HumanUser", "session_id": "x" * 22, "expires_at": "1795428000"}
    return request.allow("HumanUser:123456", texts | others | context, rules.unmet(API, ""))


@pytest.mark.parametrize(
    "path", ["/a", "/reports", f"/{STAGE}/reports", "/production/a", "/a-path/of-some/length/" + "x" * 80]
)
@pytest.mark.parametrize("stage", [STAGE, "production", "$default"])
def test_longest_response_is_within_the_quota_of_api_gateway(path: str, stage: str) -> None:
    def accepted(count: int) -> Rules | None:
        rules = [f"{API}{path}{number}=Admin" for number in range(count)]
        parsed = Rules.parse(",".join(rules) + ";", f"123456789012:{API}")
        try:
            require_short_responses(parsed)
        except ConfigurationError:
            return None
        return parsed

    most, rules = max((count, rules) for count in range(1, 50) if (rules := accepted(count)))
    assert 4 <= most < 15
    stage_arn = f"arn:aws-us-gov:execute-api:ap-southeast-1:123456789012:{API}/{stage}"
    assert len(json.dumps(response_to_vendor(rules, stage_arn))) <= 8192
    assert not is_too_long(response_to_vendor(rules, stage_arn))


def test_rule_for_the_whole_api_does_not_hide_that_the_others_are_too_many() -> None:
    rules = [f"{API}=Artist|Admin", *(f"{API}/reports-{number}=Admin" for number in range(30))]
    with pytest.raises(ConfigurationError, match="too many path rules"):
        require_short_responses(Rules.parse(",".join(rules) + ";", f"123456789012:{API}"))


def test_rules_of_several_apis_count_for_each_api() -> None:
    paths = [f"/section-{number}" for number in range(8)]
    apis = [API, "other12345"]
    rules = Rules.parse(
        ",".join(f"{api}{path}=Admin" for api in apis for path in paths) + ";",
        ",".join(f"123456789012:{api}" for api in apis),
    )
    require_short_responses(rules)


def test_response_that_api_gateway_cannot_use_is_detected() -> None:
    rules = Rules.parse(",".join(f"{API}/{number}=Admin" for number in range(11)) + ";", f"123456789012:{API}")
    require_short_responses(rules)
    assert is_too_long(response_to_vendor(rules, f"{STAGE_ARN}{'x' * 120}"))
    assert is_too_long(response_to_vendor(rules, STAGE_ARN, **dict.fromkeys(("name", "login"), "\N{BEAR FACE}" * 128)))


def test_longest_arn_in_a_policy_is_within_the_limit_of_api_gateway() -> None:
    """A policy with an ARN of more than 512 characters is invalid, and API Gateway returns 500."""
    rules = Rules.parse(f"{API}/{'x' * 255}=Admin;", f"123456789012:{API}")
    stage_arn = f"arn:aws-us-gov:execute-api:ap-southeast-1:123456789012:{API}/{'x' * 128}"
    statements = response_to_vendor(rules, stage_arn)["policyDocument"]["Statement"]
    assert max(len(arn) for statement in statements for arn in statement["Resource"]) <= 512


def test_simple_response_denies_every_path_if_any_rule_is_unmet() -> None:
    request = AuthorizerRequest.from_event(http_2(f"Bearer {TOKEN}", "/shots"))
    assert request.allow("principal", {}, (REPORTS,))["isAuthorized"] is False


def test_websocket_connection_is_denied_if_any_rule_is_unmet() -> None:
    request = AuthorizerRequest.from_event(websocket(f"Bearer {TOKEN}"))
    assert request.allow("principal", CONTEXT, (REPORTS,)) == request.deny("principal")


@pytest.mark.parametrize(
    "path", ["/shots/2026-11-23T10:00:00", "/a:b/c/d", "/", "/:", "/\n", "/arn:aws:execute-api:x/y/z"]
)
def test_requested_path_does_not_change_the_policy(path: str) -> None:
    response = AuthorizerRequest.from_event(rest_request(f"Bearer {TOKEN}", path)).allow("principal", {}, ())
    assert response["policyDocument"]["Statement"] == [
        {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": [f"{STAGE_ARN}/*/*"]}
    ]


@pytest.mark.parametrize(
    "stage_arn",
    [
        "arn:aws-cn:execute-api:cn-north-1:123456789012:abcdef1234/prod",
        "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abcdef1234/v1",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/$default",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/test-invoke-stage",
        "arn:aws:execute-api:us-west-2:123456789012:ymy8tbxw7b/*",  # the guide's example of a TOKEN event
    ],
)
def test_arn_of_every_partition_and_stage_is_accepted(stage_arn: str) -> None:
    event = rest_token(f"Bearer {TOKEN}") | {"methodArn": f"{stage_arn}/GET/"}
    assert AuthorizerRequest.from_event(event).stage_arn == stage_arn


@pytest.mark.parametrize("name", WITH_AUTHORIZATION)
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_scheme_is_accepted_in_any_letter_case_with_any_number_of_spaces(name: str, scheme: str) -> None:
    assert AuthorizerRequest.from_event(EVENTS[name](f"{scheme}{TOKEN}", "/")).bearer == TOKEN


MALFORMED = [
    "",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    TOKEN,
    "Bearer ä",
    "Bearer a b",
    "Bearer x\ny",
    "Bearer\tx",
    " Bearer x",
    f"Bearer {TOKEN},Bearer {TOKEN}",
    f"Bearer {TOKEN}\n",
    f"Bearer ={TOKEN}",
    "Bearer " + "a" * 4097,
]


@pytest.mark.parametrize("name", WITH_AUTHORIZATION)
@pytest.mark.parametrize("authorization", MALFORMED)
def test_malformed_authorization_has_no_bearer(name: str, authorization: str) -> None:
    assert AuthorizerRequest.from_event(EVENTS[name](authorization, "/")).bearer is None


@pytest.mark.parametrize(
    "headers",
    [
        {"headers": None, "multiValueHeaders": None},
        {"headers": {}, "multiValueHeaders": {}},
        {"headers": {"Authorization": f"Bearer {TOKEN}", "authorization": "Bearer other"}, "multiValueHeaders": None},
        {"multiValueHeaders": {"Authorization": ["Bearer other", f"Bearer {TOKEN}"]}},
        {"multiValueHeaders": {"Authorization": [f"Bearer {TOKEN}"], "AUTHORIZATION": ["Bearer other"]}},
        {"headers": {"Authorization": [f"Bearer {TOKEN}", "x"]}, "multiValueHeaders": {}},
        {"headers": {"Authorization": {"Bearer": TOKEN}}, "multiValueHeaders": {}},
        {"headers": f"Authorization: Bearer {TOKEN}", "multiValueHeaders": 7},
        {"headers": [f"Bearer {TOKEN}"], "multiValueHeaders": []},
    ],
)
def test_repeated_or_malformed_headers_have_no_bearer(headers: dict[str, Any]) -> None:
    assert AuthorizerRequest.from_event(rest_request("x") | headers).bearer is None


@pytest.mark.parametrize(
    ("protocols", "bearer"),
    [
        (f"shotgrid-login, bearer.{TOKEN}", TOKEN),
        (f"bearer.{TOKEN},shotgrid-login", TOKEN),
        (f"bearer.{TOKEN}", TOKEN),
        (f"graphql-ws, shotgrid-login, bearer.{TOKEN}", TOKEN),
        ("shotgrid-login", None),
        ("", None),
        (TOKEN, None),
        (f"bearer.{TOKEN}, bearer.other", None),
        (f"bearer.{TOKEN}, bearer.{TOKEN}", None),
        ("bearer.", None),
        (f"Bearer.{TOKEN}", None),
        (f"bearer {TOKEN}", None),
        (f"bearer.{TOKEN};x", None),
    ],
)
def test_bearer_of_a_browser_is_the_only_bearer_subprotocol(protocols: str, bearer: str | None) -> None:
    event = websocket_connect(**{"Sec-WebSocket-Protocol": protocols})
    assert AuthorizerRequest.from_event(event).bearer == bearer


def test_subprotocol_is_ignored_beside_an_authorization_header() -> None:
    event = websocket("Basic YTpi")
    event["multiValueHeaders"]["Sec-WebSocket-Protocol"] = [f"bearer.{TOKEN}"]
    assert AuthorizerRequest.from_event(event).bearer is None


def test_subprotocol_is_ignored_for_other_kinds_of_api() -> None:
    event = rest_request("")
    event["multiValueHeaders"] = {"Sec-WebSocket-Protocol": [f"bearer.{TOKEN}"]}
    assert AuthorizerRequest.from_event(event).bearer is None


@pytest.mark.parametrize("name", EVENTS)
def test_bearer_in_the_query_string_is_ignored(name: str) -> None:
    event = EVENTS[name]("", "/")
    event["queryStringParameters"] = {"authorization": f"Bearer {TOKEN}", "access_token": TOKEN}
    event["rawQueryString"] = f"authorization=Bearer%20{TOKEN}"
    assert AuthorizerRequest.from_event(event).bearer is None


@pytest.mark.parametrize(
    "event",
    [
        None,
        "TOKEN",
        7,
        [],
        {},
        {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"type": "TOKEN", "authorizationToken": f"Bearer {TOKEN}"},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": "*"},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": None},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": "arn:aws:s3:::bucket/key/x"},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": f"{STAGE_ARN.replace(API, '*')}/GET/"},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": STAGE_ARN},
        rest_request(f"Bearer {TOKEN}") | {"type": "request"},
        rest_request(f"Bearer {TOKEN}") | {"version": "3.0"},
        rest_request(f"Bearer {TOKEN}") | {"httpMethod": None},
        http_2(f"Bearer {TOKEN}") | {"version": 2.0},
        http_2(f"Bearer {TOKEN}") | {"routeArn": None, "methodArn": f"{STAGE_ARN}/GET/"},
        websocket(f"Bearer {TOKEN}") | {"requestContext": {"eventType": "MESSAGE"}},
        # Events of other callers of Lambda: an HTTP API's route, AppSync, SQS.
        {"version": "2.0", "rawPath": "/", "headers": {"authorization": f"Bearer {TOKEN}"}, "requestContext": {}},
        {"authorizationToken": f"Bearer {TOKEN}", "requestContext": {"apiId": API}},
        {"Records": [{"eventSource": "aws:sqs", "body": f"Bearer {TOKEN}"}]},
    ],
)
def test_any_other_event_raises_unknown_event(event: Any) -> None:
    with pytest.raises(UnknownEvent):
        AuthorizerRequest.from_event(event)


def test_response_to_an_unknown_event_is_a_denial_in_every_format() -> None:
    response = deny_unknown_event()
    assert not is_allowed(response, f"{STAGE_ARN}/GET/shots")
    assert response["isAuthorized"] is False
    assert response["principalId"]
